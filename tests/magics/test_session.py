"""A profile as a whole: interrupted, failing, compiled, without IPython; nothing is disturbed."""

import gc
import subprocess
import sys

import pytest
import snapshot
import torch
from torch import nn

import magics
from magics.errors import ForwardError
from magics.session import Interrupted

COUNTS_AND_TIMES = {"memory": False, "roofline": False, "receptive_field": False}


def profile(model, *inputs, **options):
    inputs = inputs or (torch.ones(1, 2, 6, 6),)
    return magics.profile(model, *inputs, **{**COUNTS_AND_TIMES, **options})


def conv(**options):
    return nn.Conv2d(2, 2, 3, padding=1, **options)


class Raising(nn.Module):
    def __init__(self, call, error):
        super().__init__()
        self.conv = conv()
        object.__setattr__(self, "left", [call])
        self.error = error

    def forward(self, x):
        self.left[0] -= 1
        x = self.conv(x)
        if self.left[0] == 0:
            raise self.error
        return x


def test_a_model_that_raises_later_is_one_clear_error(time):
    model = Raising(3, RuntimeError("no more"))
    with pytest.raises(ForwardError, match=r"^model: ran once, then raised RuntimeError: no more"):
        profile(model)
    assert set(vars(model.conv)) == set(vars(conv()))
    assert "forward" not in vars(model)


@pytest.mark.parametrize("call", [1, 2, 3, 4, 5, 8, 9])
def test_ctrl_c_while_measuring_hands_over_what_there_is(time, call):
    time.factor = 100
    model = Raising(call, KeyboardInterrupt())
    with pytest.raises(Interrupted) as caught:
        profile(model)
    partial = caught.value.partial
    assert [row.name for row in partial.layers] == ["conv"]
    assert partial.layers[0].macs > 0
    rounds = partial.plain.count if partial.plain else 0
    assert rounds == max(0, (call - 3) // 2)
    assert "Interrupted" in partial.warnings[-1]
    assert "forward" not in vars(model)
    assert "forward" not in vars(model.conv)
    assert gc.isenabled()


def within(layer):
    return nn.Sequential(conv(), nn.Sequential(conv(), nn.ReLU(), layer, conv()), conv())


@pytest.mark.parametrize("measure", [True, False])
def test_ctrl_c_while_the_model_is_read_hands_over_the_layers_that_had_ended(time, measure):
    whole = profile(within(conv()), measure=False)
    model = within(Raising(1, KeyboardInterrupt()))
    before = snapshot.of_model(model)
    with pytest.raises(Interrupted) as caught:
        profile(model, measure=measure)
    partial = caught.value.partial
    names = ["0", "1.0", "1.1", "1.2.conv"]
    assert [row.name for row in partial.layers] == names
    for row, same in zip(partial.layers, whole.layers, strict=False):
        assert (row.macs, row.params, row.output_shape) == (same.macs, same.params,
                                                            same.output_shape)  # fmt: skip
    assert partial.total.params == whole.total.params
    assert partial.other.params == 2 * whole.layers[0].params
    assert partial.plain is None
    assert "while the model ran for the first time" in partial.warnings[0]
    assert snapshot.of_model(model) == before


def test_ctrl_c_before_the_first_layer_ended_is_a_report_without_layers(time):
    def stops(x):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        profile(stops)
    assert caught.value.partial.layers == ()
    assert "Interrupted while the model ran for the first time" in str(caught.value.partial)


def test_garbage_collection_is_left_switched_off_where_it_was(time):
    gc.disable()
    try:
        profile(conv())
        assert not gc.isenabled()
    finally:
        gc.enable()


def eager(graph, _inputs):
    """Compile to what it was, for machines without a compiler."""
    return graph.forward


@pytest.fixture
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_a_compiled_model_has_rows_of_the_eager_one_and_is_timed_as_a_whole(time, fresh_compiler):
    model = nn.Sequential(conv(), nn.ReLU())
    compiled = torch.compile(model, backend=eager)
    result = profile(compiled)
    assert [row.name for row in result.layers] == ["0", "1"]
    assert result.coverage == pytest.approx(1, abs=1e-12)
    assert result.environment["compiled_forward"]
    assert any(text.startswith("Compiled, one forward takes") for text in result.warnings)


def test_a_model_compiled_in_place_is_found_and_left_compiled(time, fresh_compiler):
    model = nn.Sequential(conv(), nn.ReLU())
    model.compile(backend=eager)
    compiled = model._compiled_call_impl
    result = profile(model)
    assert [row.name for row in result.layers] == ["0", "1"]
    assert result.environment["compiled_forward"]
    assert model._compiled_call_impl is compiled


def test_a_part_compiled_in_place_is_measured_eagerly_and_left_compiled(time, fresh_compiler):
    model = nn.Sequential(conv(), nn.Sequential(conv(), nn.ReLU()))
    model[1].compile(backend=eager)
    result = profile(model)
    assert [row.name for row in result.layers] == ["0", "1.0", "1.1"]
    assert any(text.startswith("1 is compiled in place") for text in result.warnings)
    assert model[1]._compiled_call_impl is not None


def test_a_model_that_can_t_be_compiled_is_still_profiled(time, fresh_compiler):
    def broken(_graph, _inputs):
        raise RuntimeError("no compiler here")

    result = profile(torch.compile(conv(), backend=broken))
    assert result.plain is not None
    assert any(
        text.startswith("Compiled, the model could not be timed") for text in result.warnings
    )


BARE = """
import sys
for name in ("IPython", "nbformat", "numpy", "pandas", "matplotlib", "ipykernel", "traitlets"):
    sys.modules[name] = None  # as if it were not installed
"""


@pytest.fixture
def bare(tmp_path):
    """A Python with torch alone, in a folder with a model."""
    (tmp_path / "net.py").write_text("from torch import nn\ndef Net(): return nn.Conv2d(3, 4, 3)\n")

    def run(code):
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", BARE + code],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    return run


def test_a_profile_needs_nothing_but_torch(bare):
    done = bare(
        "import sys; sys.path.insert(0, '.')\n"
        "import magics, net\n"
        "p = magics.profile(net.Net(), '1x3x8x8', backward=True, budget=0.1)\n"
        "print(p.total.params, p.plain.count > 0, p.plain_backward.count > 0)\n"
        "assert magics.Profile.from_json(p.to_json()) == p\n"
        "print(len(str(p)) > 100)\n",
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["112 True True", "True"]


def test_the_command_needs_nothing_but_torch(bare):
    done = bare(
        "import runpy, sys\n"
        "sys.argv = ['magics', 'net:Net', '1x3x8x8', '--budget', '0.1']\n"
        "runpy.run_module('magics', run_name='__main__', alter_sys=True)\n",
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert "conv2d" in done.stdout
    assert "112" in done.stdout
