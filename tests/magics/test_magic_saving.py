"""Which view a line of ``%convprofile`` shows, and what it saves, also where that fails."""

from pathlib import Path

import pytest
import torch
from asking import refusal, run
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output
from torch import nn

from magics.records import Profile

QUICK = "--no-measure"
MACS = 4 * 36 * 27  # 4 channels of 6x6, each output of 3 channels of 3x3


@pytest.fixture
def shell(one_shell):
    one_shell.reset(new_session=False)
    one_shell.user_ns.update(
        net=nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU()).eval(),
        x=torch.rand(1, 3, 8, 8),
    )
    return one_shell


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("--only conv", ["0"]),
        ("--only 'conv2d'", ["0"]),
        ("--only=conv --only other", ["0", "1"]),
        ("--sort name --top 1", ["0"]),
        ("--top 1 --sort macs", ["0"]),
        ("--depth 1", ["0", "1"]),
    ],
)
def test_a_line_may_ask_for_a_view(shell, line, rows):
    result, _ = run(shell, f"-r net x {QUICK} {line}")
    assert [row.name for row in result.layers] == rows
    assert result.total.macs == MACS


def test_a_view_is_what_is_shown_stored_and_saved(shell, tmp_path):
    path = tmp_path / "top.json"
    shell.user_ns["net"] = net = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(4)))
    _, (shown,) = run(shell, f"net x {QUICK} --top 2 --digits 5 -o kept --save '{path}'")
    assert len(shell.user_ns["kept"].layers) == 2
    assert Profile.from_json(path) == shell.user_ns["kept"]
    assert "everything else" in shown.data["text/plain"]
    assert len(net) == 4


def test_a_profile_is_saved_in_every_form_at_once(shell, tmp_path):
    files = {suffix: tmp_path / f"net{suffix}" for suffix in (".json", ".csv", ".html")}
    run(shell, f"-q net x {QUICK} {' '.join(f'--save {path}' for path in files.values())}")
    saved = {suffix: path.read_text() for suffix, path in files.items()}
    assert Profile.from_json(files[".json"]).total.macs == MACS
    assert saved[".csv"].startswith("name,kind,")
    assert saved[".html"].lstrip().lower().startswith("<!doctype html>")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
@pytest.mark.parametrize("how", ["", "-o kept", "-r", "-q", "-q -o kept"])
def test_what_can_not_be_saved_is_not_lost(shell, tmp_path, how):
    path = tmp_path / "net.json"
    path.symlink_to("/dev/full")
    shell.user_ns.pop("kept", None)
    with capture_output() as shown, pytest.raises(UsageError) as caught:
        shell.run_line_magic("convprofile", f"net x {QUICK} {how} --save {path}")
    said = str(caught.value)
    assert said.startswith("%convprofile: --save: can't be written (got '")
    assert len(said.splitlines()) == 1
    kept = [*shown.outputs, *([shell.user_ns["kept"]] if "kept" in how else [])]
    assert kept
    assert (len(shown.outputs) == 0) == (how == "-q -o kept")


def test_a_folder_is_no_file_to_save_to(shell, tmp_path):
    (tmp_path / "net.json").mkdir()
    assert "--save: a folder (got " in refusal(shell, f"net x --save {tmp_path / 'net.json'}")
