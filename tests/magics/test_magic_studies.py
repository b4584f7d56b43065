"""``%convprofile --sweep`` and ``--advise``, from the shell, too: what is found, shown, saved."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from asking import refusal, run
from IPython.core.error import UsageError
from torch import nn

import magics.__main__ as command
from magics.records import Advice, Sweep

pytestmark = pytest.mark.usefixtures("quick")


class StopsAt(nn.Module):
    """Has Ctrl-C pressed when it is called with a batch of that size."""

    def __init__(self, size):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.size = size

    def forward(self, x):
        if len(x) == self.size:
            signal.raise_signal(signal.SIGINT)
        return self.conv(x)


@pytest.fixture
def shell(one_shell):
    one_shell.user_ns.pop("kept", None)
    one_shell.user_ns.update(
        net=nn.Conv2d(3, 4, 3, bias=False), x=torch.rand(1, 3, 8, 8), sizes=[1, 2, 4],
        stops=StopsAt(4),
    )  # fmt: skip
    return one_shell


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("batch=1,2,4", (1, 2, 4)),
        ("'batch=1,2,4'", (1, 2, 4)),
        ("batch='1,2,4'", (1, 2, 4)),
        ("batch=[1, 2, 4]", (1, 2, 4)),
        ("batch=(1, 2)", (1, 2)),
        ("batch=sizes", (1, 2, 4)),
        ("batch=[n for n in sizes if n > 1]", (2, 4)),
        ("batch=range(1, 4)", (1, 2, 3)),
        ("batch=1,2,4,...,16", (1, 2, 4, 8, 16)),
        ("batch=[1, 2, ..., 8]", (1, 2, 4, 8)),
        ("layout=contiguous,channels_last", ("contiguous", "channels_last")),
        ("dtype=float32,bf16", ("float32", "bfloat16")),
    ],
)
def test_values_are_a_list_with_commas_or_an_expression(shell, text, values):
    found, _ = run(shell, f"-r --no-measure --sweep {text} net x")
    assert isinstance(found, Sweep)
    assert found.axes[0].values == values
    assert [point.status for point in found.points] == ["counted"] * len(values)


def test_options_stand_before_and_behind(shell):
    macs = 4 * 36 * 27
    for line in ("--sweep batch=1,2 net x", "net x --sweep batch=1,2", "net --sweep=batch=1,2 x"):
        found, _ = run(shell, f"{line} -r --no-measure")
        assert [point.macs for point in found.points] == [macs, 2 * macs]


def test_two_axes_are_two_options(shell):
    found, _ = run(shell, "-r --no-measure --sweep batch=1,2 --sweep size=8,16 net x")
    assert [axis.name for axis in found.axes] == ["batch", "size"]
    assert len(found.points) == 4


def test_a_sweep_is_measured_shown_stored_and_saved(shell, tmp_path):
    files = {suffix: tmp_path / f"sweep{suffix}" for suffix in (".json", ".csv", ".html")}
    saved = " ".join(f"--save {path}" for path in files.values())
    result, (shown,) = run(shell, f"--sweep batch=1,2 net x -o kept --digits 5 {saved}")
    assert result is None
    kept = shell.user_ns["kept"]
    assert all(point.seconds_per_sample > 0 for point in kept.points)
    assert kept.digits == 5
    assert "swept over batch" in shown.data["text/plain"]
    assert shown.data["text/html"].count("<img") == 2
    assert Sweep.from_json(files[".json"]) == kept
    assert files[".csv"].read_text().startswith("batch,status,")
    assert files[".html"].read_text().startswith("<!DOCTYPE html>")


def test_a_semicolon_is_quiet(shell):
    assert run(shell, "--sweep batch=1,2 net x --no-measure -o kept;") == (None, [])
    assert isinstance(shell.user_ns["kept"], Sweep)


def test_a_stable_sweep_is_the_same_every_time_and_measures_nothing(shell):
    texts = set()
    for threads in (1, 2):
        line = f"--sweep batch=1,2 --sweep size=8,16 net x --stable --threads {threads}"
        _, (shown,) = run(shell, line)
        texts.add((shown.data["text/plain"], shown.data["text/html"]))
    ((text, _),) = texts
    for word in (torch.__version__, "thread", " ms", "µs", "202", "samples/s"):
        assert word not in text
    assert "108 parameters" in text
    assert "7.78" in text  # thousand MACs of a batch of two: 2 x 4 x 36 x 27


def test_a_stable_sweep_has_an_end(shell):
    with pytest.raises(UsageError, match="batch: without times nothing ends it"):
        run(shell, "--sweep batch=1,2,... net x --stable")


def test_ctrl_c_gives_the_points_that_were_measured(shell):
    _, (shown,) = run(shell, "--sweep batch=1,2,4,8 stops x -o kept")
    statuses = [point.status for point in shell.user_ns["kept"].points]
    assert statuses[:2] == ["measured", "measured"]
    assert statuses[2:] == ["not_run", "not_run"]
    assert "interrupted" in shown.data["text/plain"]


def test_an_interrupted_sweep_goes_on_from_its_file(shell, tmp_path):
    path = tmp_path / "sweep.json"
    line = f"-r --sweep batch=1,2,4 {{}} x --resume {path}"
    before, _ = run(shell, line.format("stops"))
    shell.user_ns["stops"].size = None
    after, _ = run(shell, line.format("stops"))
    assert [point.status for point in after.points] == ["measured"] * 3
    assert after.points[:2] == before.points[:2]


def test_the_progress_bar_shows_which_point_of_how_many(shell, monkeypatch):
    class Listener:
        told: ClassVar = []

        def report(self, done, text):
            self.told.append((done, text))

        def close(self):
            self.told.append((None, "closed"))

    monkeypatch.setattr("magics.magic.bar_for", lambda _: Listener())
    run(shell, "-q --sweep batch=1,2,4 net x")
    *told, (_, last) = Listener.told
    assert last == "closed"
    shares = [done for done, _ in told]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] <= 1
    texts = list(dict.fromkeys(text for _, text in told))
    assert [text for text in texts if text.startswith("batch ")] == [
        "batch 1: 1 of 3", "batch 2: 2 of 3", "batch 4: 3 of 3",
    ]  # fmt: skip


def test_what_a_sweep_is_asked_wrongly_is_one_line(shell):
    for line, message in (
        ("--sweep batch=1,0 net x", "batch: must be a whole number from 1 (got '0')"),
        ("--sweep batch=1,2 --sweep size=8,9 --sweep threads=1,2 net x", "sweep: one axis or two"),
        ("--sweep batch=1,2 net x --mode evil", "mode: unknown (got 'evil'); did you mean eval?"),
        ("--sweep batch=1,2 net x --kernels", "kernels: a sweep has no rows of layers"),
        ("--sweep dtype=float32,flaot16 net x", "did you mean float16?"),
    ):
        assert message in refusal(shell, line)


def test_advice_is_shown_stored_and_saved(shell, tmp_path):
    path = tmp_path / "advice.json"
    line = f"--advise net x --budget 0.5 -o kept --save {path}"
    _, (shown,) = run(shell, line)
    assert isinstance(shell.user_ns["kept"], Advice)
    assert Advice.from_json(path) == shell.user_ns["kept"]
    assert {"text/plain", "text/html"} <= shown.data.keys()


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "swept_nets.py").write_text(
        "import signal\n"
        "from torch import nn\n"
        "class Net(nn.Conv2d):\n"
        "    stop = None\n"
        "    def forward(self, x):\n"
        "        if len(x) == self.stop:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "        return super().forward(x)\n"
        "net = Net(3, 4, 3, bias=False)\n"
        "stops = Net(3, 4, 3, bias=False)\n"
        "stops.stop = 2\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("swept_nets", None)


def test_the_shell_sweeps_too(module, capsys):
    words = ["swept_nets.py:net", "1x3x8x8", "--sweep", "batch=1,2", "--save", "sweep.json"]
    assert command.main([*words, "--budget", "0.5"]) == 0
    said = capsys.readouterr()
    assert "swept over batch" in said.out
    assert said.err == ""
    assert len(Sweep.from_json(Path("sweep.json")).points) == 2


def test_ctrl_c_in_the_shell_prints_the_points_that_were_measured(module, capsys):
    words = ["swept_nets.py:stops", "1x3x8x8", "--sweep", "batch=1,2,4", "--budget", "0.5"]
    assert command.main(words) == 130
    said = capsys.readouterr().out
    assert "1 measured, 2 not run" in said


def test_the_shell_needs_no_ipython_for_it(module):
    (module / "IPython.py").write_text("raise ImportError('IPython is not to be imported')")
    done = subprocess.run(
        [sys.executable, "-m", "magics", "swept_nets.py:net", "1x3x8x8", "--sweep", "batch=1,2",
         "--no-measure"],
        cwd=module, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert "2 points, all counted" in done.stdout


def test_distributed_needs_torchrun_and_says_so(shell, module, capsys):
    with pytest.raises(UsageError, match="torchrun"):
        run(shell, "--distributed net x")
    assert command.main(["swept_nets.py:net", "1x3x8x8", "--distributed"]) == 2
    said = capsys.readouterr().err
    assert "torchrun" in said
    assert said.count("\n") == 1
