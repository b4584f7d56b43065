"""What TAB offers behind ``%convprofile``, asked of IPython's own completer."""

import pytest
import torch
from IPython.core.completer import provisionalcompleter
from torch import nn

from magics.errors import InputError
from magics.request import PARSER, read


@pytest.fixture(scope="module")
def shell(one_shell):
    one_shell.user_ns.update(
        net=nn.Conv2d(1, 1, 1), narrow=nn.ReLU(), x=torch.rand(1), torch=torch
    )  # fmt: skip
    return one_shell


def offered(shell, cell, cursor=None):
    with provisionalcompleter():
        found = shell.Completer.completions(cell, len(cell) if cursor is None else cursor)
        return [cell[: each.start] + each.text for each in found]


@pytest.mark.parametrize(
    ("cell", "lines"),
    [
        ("%convprofile --ba", ["%convprofile --backward", "%convprofile --batch"]),
        ("%%convprofile --so", ["%%convprofile --sort"]),
        ("p = %convprofile -r net x --sta", ["p = %convprofile -r net x --stable"]),
        ("x = 1\n%convprofile --lay", ["x = 1\n%convprofile --layout"]),
        ("%convprofile net x --mode e", ["%convprofile net x --mode eval"]),
        ("%convprofile net x --mode=t", ["%convprofile net x --mode=train"]),
        ("%convprofile net x --sort m", ["%convprofile net x --sort macs"]),
        ("%convprofile --dtype bf", ["%convprofile --dtype bfloat16"]),
        ("%convprofile --device me", ["%convprofile --device meta"]),
        ("%convprofile --only conv,b", ["%convprofile --only conv,bn",
                                        "%convprofile --only conv,batch_norm"]),
        ("%convprofile ", ["%convprofile narrow", "%convprofile net"]),
        ("%convprofile --backward ", ["%convprofile --backward narrow",
                                      "%convprofile --backward net"]),
        ("%convprofile --budget 3 ne", ["%convprofile --budget 3 net"]),
        ("%convprofile --swe", ["%convprofile --sweep"]),
        ("%convprofile --sweep d", ["%convprofile --sweep dilation=", "%convprofile --sweep dtype=",
                                    "%convprofile --sweep device="]),
        ("%convprofile --sweep=ba", ["%convprofile --sweep=batch="]),
        ("%convprofile --sweep layout=ch", ["%convprofile --sweep layout=channels_last",
                                            "%convprofile --sweep layout=channels_last_3d"]),
        ("%convprofile --sweep dtype=float32,bf", ["%convprofile --sweep dtype=float32,bfloat16"]),
        ("%convprofile --sweep batch=1,2 ", ["%convprofile --sweep batch=1,2 narrow",
                                             "%convprofile --sweep batch=1,2 net"]),
        ("%convprofile --adv", ["%convprofile --advise"]),
    ],
)  # fmt: skip
def test_options_values_and_names_are_completed(shell, cell, lines):
    assert offered(shell, cell) == lines


def test_every_option_is_offered(shell):
    found = offered(shell, "%convprofile --")
    help_text = shell.find_line_magic("convprofile").__doc__
    for option in ("--mode", "--only", "--depth", "--save", "--no-memory", "--digits", "--return"):
        assert f"%convprofile {option}" in found
    assert all(line.split()[-1] in help_text for line in found)


def test_a_cell_is_offered_what_changes_something_for_it(shell):
    found = {line.split()[-1] for line in offered(shell, "%%convprofile --")}
    assert {"--threads", "--only", "--save", "--no-roofline", "--output"} <= found
    for option in set(PARSER.options) - found:
        if not option.startswith("--") or option in UNCHANGED:
            continue
        value = {"--sweep": "batch=1,2", "--mode": "eval", "--on": "x"}.get(option, "1")
        words = [option] if PARSER.options[option].nargs == 0 else [option, value]
        with pytest.raises(InputError):
            read(" ".join(words), cell=True).for_cell()


UNCHANGED = {"--backward", "--no-receptive-field", "--no-kernels"}
"""What a cell tells, or leaves out, in any case."""


def test_every_axis_is_offered(shell):
    found = offered(shell, "%convprofile --sweep ")
    axes = ("batch", "size", "channels", "groups", "dilation", "threads", "dtype", "layout",
            "device")  # fmt: skip
    assert found == [f"%convprofile --sweep {axis}=" for axis in axes]


def test_a_cluster_is_a_client_of_the_user(shell):
    distributed = pytest.importorskip("distributed")
    client = object.__new__(distributed.Client)  # not connected to anything
    shell.user_ns["my_cluster"] = client
    try:
        found = offered(shell, "%convprofile --sweep batch=1,2 net x --on ")
    finally:
        del shell.user_ns["my_cluster"]
    assert found == ["%convprofile --sweep batch=1,2 net x --on my_cluster"]


def test_an_input_may_be_any_name_of_the_user(shell):
    found = offered(shell, "%convprofile net ")
    assert "%convprofile net x" in found
    assert not any(line.endswith((" In", " Out", " exit")) for line in found)


def test_what_stands_behind_the_cursor_does_not_matter(shell):
    cell = "%convprofile --mo net"
    assert offered(shell, cell, len("%convprofile --mo")) == ["%convprofile --mode"]


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("%convprofile net.wei", "%convprofile net.weight"),
        ("%convprofile net torch.ran", "%convprofile net torch.rand"),
        ("torch.ran", "torch.rand"),
        ("%tim", "%time"),
    ],
)
def test_everything_else_is_left_to_python(shell, cell, line):
    assert line in offered(shell, cell)


def test_after_unloading_nothing_is_offered(shell):
    before = len(shell.Completer.custom_matchers)
    shell.run_line_magic("unload_ext", "magics")
    assert len(shell.Completer.custom_matchers) == before - 1
    assert "%convprofile --backward" not in offered(shell, "%convprofile --ba")
    shell.run_line_magic("load_ext", "magics")
    assert len(shell.Completer.custom_matchers) == before
