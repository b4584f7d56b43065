"""``%convprofile`` in a real shell: what can be written, and what is said when it is wrong."""

import re

import pytest
import torch
from asking import refusal, run
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output
from torch import nn

import magics
from magics.records import Profile

QUICK = "--no-measure"


class Two(nn.Module):
    """Takes two inputs and, by name, a mask."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)

    def forward(self, x, y, mask=None):
        out = self.conv(x) + self.conv(y)
        return out if mask is None else out * mask


@pytest.fixture
def shell(one_shell):
    one_shell.reset(new_session=False)
    one_shell.user_ns.update(
        net=nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU()).eval(),
        two=Two().eval(),
        nets={"my net": nn.Conv2d(3, 4, 3, bias=False)},
        x=torch.rand(1, 3, 8, 8),
        torch=torch,
        nn=nn,
    )
    return one_shell


MACS = 4 * 36 * 27  # 4 channels of 6x6, each output of 3 channels of 3x3


@pytest.mark.parametrize(
    ("line", "macs"),
    [
        ("net x", MACS),
        ("net 1x3x8x8", MACS),
        ("net 2X3X8X8", 2 * MACS),
        ("net (1, 3, 8, 8)", MACS),
        ("net [1,3,8,8]", MACS),
        ("net 1x3x8x8 --batch 4", 4 * MACS),
        ("--batch=4 net 1x3x8x8", 4 * MACS),
        ("net torch.rand(1, 3, 8, 8)", MACS),
        ("net   x  +  1", MACS),
        ("net x if x.sum() < 0 else x[:, :, :6, :6]", 4 * 16 * 27),
        ("nets['my net'] x", MACS),
        ('nets["my net"]   x', MACS),
        ("nn.Conv2d(3, 4, 3, bias=False) x", MACS),
        ("two x x", 2 * MACS),
        ("two x torch.rand(1, 3, 8, 8)", 2 * MACS),
        ("two 1x3x8x8 1x3x8x8", 2 * MACS),
        ("two x y=x", 2 * MACS),
        ("two, x, x", 2 * MACS),
        ("lambda a, b: two(a, b) x x", 2 * MACS),
        ('net "1x3x8x8"', MACS),
        ("two x x mask=torch.ones(1, 4, 6, 6)", 2 * MACS),
        ("(lambda a: net(a)) x", MACS),
        ("lambda a: net(a) x", MACS),
        ("net x  # it's quick", MACS),
        ("net x --mode train --dtype float64", MACS),
        ("net x --dtype 'bfloat16' --layout channels_last --threads 1", MACS),
        ("net x --device meta", MACS),
        ("net x --budget 0.5 --no-roofline --no-memory --no-receptive-field", MACS),
        ("net x --backward", MACS),
    ],
)
def test_a_line_says_which_model_and_which_input(shell, line, macs):
    result, shown = run(shell, f"-r {QUICK} {line}")
    assert result.total.macs == macs
    assert shown == []


def test_a_report_comes_as_text_and_as_html(shell):
    result, (shown,) = run(shell, f"net x {QUICK}")
    assert result is None
    assert "conv2d k3" in shown.data["text/plain"]
    assert "<table" in shown.data["text/html"]


def test_times_are_measured_unless_told_otherwise(shell):
    result, _ = run(shell, "-r net x --budget 0.1 --no-roofline")
    assert result.total.forward.median_s > 0
    assert run(shell, f"-r net x {QUICK}")[0].total.forward is None


def test_a_profile_is_stored_under_a_name(shell):
    result, shown = run(shell, f"net x -o kept {QUICK}")
    assert result is None
    assert len(shown) == 1
    assert isinstance(shell.user_ns["kept"], Profile)


@pytest.mark.parametrize("line", ["-q net x -o kept", "net x -o kept;", "net x -qo kept"])
def test_quiet_shows_nothing(shell, line):
    assert run(shell, f"{QUICK} {line}") == (None, [])
    assert shell.user_ns["kept"].total.macs == MACS


def test_a_returned_profile_can_be_assigned(shell):
    assert shell.run_cell(f"kept = %convprofile -r net x {QUICK}").success
    assert shell.user_ns["kept"].total.macs == MACS


def test_names_of_the_function_around_are_known(shell):
    cell = f"""
def f():
    inner, image = nn.Conv2d(3, 4, 3, bias=False), x
    kept = %convprofile -r inner image {QUICK}
    return kept.total.macs
macs = f()
"""
    assert shell.run_cell(cell).success
    assert shell.user_ns["macs"] == MACS


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "no model given; write %convprofile MODEL INPUT"),
        ("--backward", "no model given; write %convprofile MODEL INPUT"),
        ("nett x", "nett: no such name; did you mean net?"),
        ("nowhere x", "nowhere: no such name; define it first"),
        ("net xx", "xx: no such name; did you mean x?"),
        ("NET x", "NET: no such name; did you mean net?"),
        ("net x -Q", "-Q: no such option; did you mean -q?"),
        ("net x input=", "input: no value; write input=EXPRESSION"),
        ("net 8x3xAx16", "INPUT: neither a tensor nor a shape (got '8x3xAx16'); write a shape"),
        ("net 8x3x16x16x", "INPUT: neither a tensor nor a shape (got '8x3x16x16x'); write"),
        ("net x --backwards", "--backwards: no such option; did you mean --backward?"),
        ("net x --bduget=3", "--bduget: no such option; did you mean --budget?"),
        ("net x -z", "-z: no such option; "),
        ("net x --mode evil", "mode: unknown (got 'evil'); did you mean eval?"),
        ("net x --dtype flaot32", "dtype: unknown (got 'flaot32'); did you mean float32?"),
        ("net x --layout chanels_last", "did you mean channels_last?"),
        ("net x --device gpu", "device: not to be had here (got 'gpu')"),
        ("net x --mode", "argument --mode: expected one argument; see %convprofile?"),
        ("net x --budget soon", "argument --budget: invalid float value: 'soon'"),
        ("net x --budget -1", "budget: must be"),
        ("net x --threads 0", "threads: must be a whole number from 1 (got 0)"),
        ("net x --batch 1.5", "argument --batch: invalid int value: '1.5'"),
        ("net x -o 1st", "-o: not a name (got '1st')"),
        ("net x -o class", "-o: not a name (got 'class')"),
        ("net 'x", "a quote is not closed (got \"net 'x\"); close it with '"),
        ("net f(x", "a bracket is not closed (got 'net f(x'); close it with )"),
        ("net x]", "'x]': not an expression"),
        ("net x[0", "a bracket is not closed"),
        ("net 1/0", "'1/0': raised ZeroDivisionError: division by zero; check the expression"),
        ("net 8*3*32*32", "INPUT: not a shape (got '8*3*32*32'); write it as 8x3x32x32"),
        ("net 0x3x8x8", "INPUT: a shape with an empty dimension"),
        ("net 1x5x8x8", "0: expects 3 channels in dimension 1 (got 1x5x8x8)"),
        ("nn.Conv2d x", "MODEL: a class, not a model (got Conv2d); create one first: Conv2d(...)"),
        ("'net' x", "MODEL: not a model (got str)"),
        ("net x x x", "takes 2 positional arguments but 4 were given"),
        (
            "net x inputs=1",
            "forward() got an unexpected keyword argument 'inputs'; did you mean input?",
        ),
        ("net x masc=1", "keyword argument 'masc'; pass exactly the inputs it takes"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(shell, line, message):
    assert message in refusal(shell, line)


def test_a_wrong_line_prints_one_line_and_no_traceback(shell):
    with capture_output() as shown:
        result = shell.run_cell("%convprofile nett x")
    assert not result.success
    assert (shown.stdout + shown.stderr).strip() == (
        "UsageError: %convprofile: nett: no such name; did you mean net?"
    )


def test_nothing_is_stored_after_an_error(shell):
    with pytest.raises(UsageError):
        run(shell, "net 1x5x8x8 -o kept")
    assert "kept" not in shell.user_ns


def test_a_stable_report_is_the_same_every_time(shell):
    texts = set()
    for threads in (1, 2, 1):
        _, (shown,) = run(shell, f"net x --stable --threads {threads}")
        texts.add((shown.data["text/plain"], shown.data["text/html"]))
    ((text, _),) = texts
    for word in ("forward of the model", torch.__version__, "thread", " ms", "202"):
        assert word not in text
    assert "conv2d k3" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--only cnov", "only: no such layer (got 'cnov'); did you mean conv?"),
        ("--sort tiem", "sort: unknown (got 'tiem'); did you mean time?"),
        ("--top 0", "top: must be a whole number from 1 (got 0)"),
        ("--digits 99", "digits: must be a whole number from 1 to 15 (got 99)"),
        ("--stable --sort time", "sort: by time is not stable"),
        ("--save net.txt", "what to write (got 'net.txt'); end it with .json, .csv or .html"),
        ("--save nowhere/net.json", "--save: no such folder (got 'nowhere'); make it first"),
    ],
)  # fmt: skip
def test_a_wrong_view_or_file_is_one_line(shell, options, message):
    assert message in refusal(shell, f"net x {QUICK} {options} -o kept")
    assert "kept" not in shell.user_ns


def test_the_help_tells_every_option(shell):
    with capture_output() as shown:
        shell.run_cell("%convprofile?")
    help_text = shell.find_line_magic("convprofile").__doc__
    for option in ("--mode", "--backward", "--budget", "-r", "-o NAME", "-q", "--roofline",
                   "--only", "--depth", "--sort", "--top", "--stable", "--digits", "--save",
                   "--kernels", "--memory", "--receptive-field", "--threads", "--batch",
                   "--device", "--dtype", "--layout", "%%convprofile"):  # fmt: skip
        assert option in help_text
        assert option in re.sub(r"\x1b\[[0-9;]*m", "", shown.stdout)


@pytest.mark.parametrize("line", ["--help", "-h", "net x --help"])
def test_help_is_an_option_too(shell, line):
    with capture_output() as shown:
        assert shell.run_line_magic("convprofile", line) is None
    assert "--backward" in shown.stdout
    assert shown.outputs == []


def test_the_extension_can_be_unloaded_and_loaded_again(shell):
    shell.run_line_magic("unload_ext", "magics")
    assert shell.find_line_magic("convprofile") is None
    shell.run_line_magic("load_ext", "magics")
    assert run(shell, f"-r net x {QUICK}")[0].total.macs == MACS


def test_the_magic_says_what_profile_says(shell):
    line = run(shell, f"-r net x {QUICK}")[0]
    call = magics.profile(shell.user_ns["net"], shell.user_ns["x"], measure=False)
    assert line.layers == call.layers
    assert line.other == call.other
