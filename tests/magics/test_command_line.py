"""``python -m magics``: a table on standard output, or one line on standard error and exit 2."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import magics.__main__ as command

MACS = "3.89 k MACs"  # 4 channels of 6x6, each output of 3 channels of 3x3: 3,888

MODULE = """
    import torch
    from torch import nn

    class Net(nn.Sequential):
        def __init__(self, width=4):
            super().__init__(nn.Conv2d(3, width, 3, bias=False))

    def make():
        return Net()

    def broken():
        raise RuntimeError("no weights")

    net = Net().eval()
    size = 3
    """


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "small_nets.py").write_text(dedent(MODULE))
    (tmp_path / "wrong.py").write_text("def f(:\n")
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
            "source": dedent(MODULE)}  # fmt: skip
    (tmp_path / "Book of nets.ipynb").write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in ("small_nets", "wrong"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "model",
    [
        "small_nets:net",
        "small_nets:Net",
        "small_nets:make",
        "small_nets:Net(width=4)",
        "small_nets.py:net",
        "./small_nets.py:Net()",
        "Book of nets.ipynb:net",
        "Book of nets.ipynb:make",
    ],
)
def test_a_model_is_named_by_its_module_or_file(folder, capsys, model):
    assert command.main([model, "1x3x8x8", "--no-measure"]) == 0
    said = capsys.readouterr()
    assert MACS in said.out
    assert "conv2d k3" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: MODULE:MODEL; see python -m magics --help"),
        (["small_nets"], "MODEL: not MODULE:MODEL (got 'small_nets'); write nets:resnet18"),
        ([":net"], "MODEL: not MODULE:MODEL (got ':net')"),
        (["nowhere:net"], "nowhere: can't be imported (ModuleNotFoundError: No module named"),
        (["wrong:net"], "wrong: can't be imported (SyntaxError: invalid syntax"),
        (["nowhere.py:net"], "nowhere.py: no such file; check the path"),
        (["nowhere.ipynb:net"], "nowhere.ipynb: no such file; check the path"),
        (["smal_nets.py:net"], "smal_nets.py: no such file; did you mean small_nets.py?"),
        (["small_nest:net"], "named 'small_nest'); did you mean small_nets?"),
        (["small_nets:net", "--save", "net.png"], "--save: not a name that says what to write"),
        (["small_nets:net", "1x3x8x8", "--sort", "tiem"], "did you mean time?"),
        (["small_nets:nett", "1x3x8x8"], "nett: no such name; did you mean net?"),
        (["small_nets:Net(", "1x3x8x8"], "'Net(': not an expression"),
        (["small_nets:broken", "1x3x8x8"], "small_nets:broken: raised RuntimeError: no weights"),
        (["small_nets:size", "1x3x8x8"], "MODEL: not a model (got int)"),
        (["small_nets:net"], "INPUT: missing (got none)"),
        (["small_nets:net", "1x5x8x8"], "0: expects 3 channels in dimension 1 (got 1x5x8x8)"),
        (["small_nets:net", "1,3,8,8"], "INPUT: not a shape (got '1,3,8,8'); write it as 1x3x8x8"),
        (["small_nets:net", "image"], "INPUT: neither a tensor nor a shape (got 'image')"),
        (["small_nets:net", "1x3x8x8", "--bduget", "3"], "--bduget: no such option; did you mean"),
        (["small_nets:net", "1x3x8x8", "--mode", "evil"], "mode: unknown (got 'evil')"),
        (["small_nets:net", "1x3x8x8", "--budget", "x"], "argument --budget: invalid float value"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_2(folder, capsys, arguments, message):
    assert command.main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("python -m magics: ")
    assert message in said.err
    assert said.err.count("\n") == 1


def test_ctrl_c_prints_what_was_measured_and_exits_130(folder, capsys):
    (folder / "stops.py").write_text(
        "import itertools, signal, torch\n"
        "class Stops(torch.nn.Conv2d):\n"
        "    calls = itertools.count()\n"
        "    def forward(self, x):\n"
        "        if next(self.calls) == 20:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "        return super().forward(x)\n"
        "net = Stops(3, 4, 3, bias=False)\n"
    )
    assert command.main(["stops.py:net", "1x3x8x8", "--budget", "60", "--no-roofline"]) == 130
    said = capsys.readouterr().out
    assert not said or "Interrupted" in said


def run(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "magics", *arguments],
        env={**os.environ, **environment},
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_runs_without_ipython(folder):
    (folder / "IPython.py").write_text("raise ImportError('IPython is not to be imported')")
    done = run(folder, "small_nets.py:net", "1x3x8x8", "--budget", "0.1", "--no-roofline")
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.startswith("Net on 1x3x8x8 float32\n")
    assert "one forward of the model as it is takes" in done.stdout


def test_a_terminal_without_bars_gets_the_table_all_the_same(folder):
    arguments = ("small_nets.py:net", "1x3x8x8", "--no-measure")
    done = run(folder, *arguments, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert "conv2d k3" in done.stdout


def test_a_wrong_argument_ends_the_process_with_2(folder):
    done = run(folder, "small_nets:nett", "1x3x8x8")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "python -m magics: nett: no such name; did you mean net?\n"


def test_a_view_is_printed_and_saved(folder, capsys):
    arguments = ["small_nets:net", "1x3x8x8", "--no-measure", "--only", "conv", "--top", "1"]
    assert command.main([*arguments, "--save", "net.csv", "--save", "net.html"]) == 0
    assert "conv2d k3" in capsys.readouterr().out
    assert (folder / "net.csv").read_text().count("\n") == 3  # head, layer, everything else
    assert "<table" in (folder / "net.html").read_text()


def test_a_stable_table_says_nothing_about_the_machine(folder, capsys):
    assert command.main(["small_nets:net", "1x3x8x8", "--stable"]) == 0
    said = capsys.readouterr().out
    assert MACS in said
    assert "torch" not in said
    assert "not measured" in said


def test_help_names_every_option(folder):
    done = run(folder, "--help")
    assert done.returncode == 0
    for option in ("--mode", "--backward", "--budget", "--dtype", "MODULE:MODEL", "SHAPE",
                   "--only", "--sort", "--top", "--stable", "--save"):  # fmt: skip
        assert option in done.stdout


def test_the_demo_networks_have_the_published_counts(capsys):
    nets = Path(__file__).parents[2] / "demo_notebooks" / "lib" / "nets.ipynb"
    assert command.main([f"{nets}:resnet18", "1x3x224x224", "--no-measure"]) == 0
    said = capsys.readouterr().out
    assert "11,689,512 parameters; 1.81 G MACs" in said


def test_a_reader_who_leaves_early_is_no_mistake(folder):
    line = [sys.executable, "-m", "magics", "small_nets:net", "1x3x8x8", "--no-measure"]
    reading, writing = os.pipe()
    os.close(reading)  # as `head` does, once it has its lines
    left = subprocess.run(line, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (left.returncode, left.stderr) == (0, "")
    closed = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *line], stderr=subprocess.PIPE, text=True, check=False
    )
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_one_line_and_exit_2(folder):
    line = [sys.executable, "-m", "magics", "small_nets:net", "1x3x8x8", "--no-measure"]
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr == (
        "python -m magics: standard output: can't be written (got No space left on device); "
        "make room, or write elsewhere\n"
    )


def test_a_module_that_raises_is_told_with_its_line(folder, capsys):
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
         "source": source}
        for source in ("size = 3", "# a cell\nsize / 0")
    ]  # fmt: skip
    Path("raising.ipynb").write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})
    )
    Path("raising_too.py").write_text("size = 3\n\nsize / 0\n")
    for model, place in (
        ("raising.ipynb:net", "raising.ipynb cell 2, line 2"),
        ("raising:net", "raising.ipynb cell 2, line 2"),
        ("raising_too:net", "raising_too.py, line 3"),
    ):
        assert command.main([model, "1x3x8x8"]) == 2
        assert f"(ZeroDivisionError: division by zero, in {place});" in capsys.readouterr().err
