"""What advice leaves as it was, and models in any guise."""

import re
import signal
import warnings

import pytest
import snapshot
import torch
from advised import (
    EVERY,
    NEEDY_INPUT,
    QUICK,
    needy,
)
from nets import CONV, SQUARE, Calls
from torch import nn
from torch.nn import functional

import magics
from magics.records import Advice
from magics.session import Interrupted

pytestmark = pytest.mark.usefixtures("briefly")


@pytest.mark.parametrize("backward", [False, True])
def test_the_model_and_the_process_are_left_as_they_were_found(backward):
    model = needy()
    model.stem.weight.grad = torch.ones_like(model.stem.weight)
    handle = model.pool.register_forward_hook(lambda *_: None)
    x = torch.randn(4, 3, 16, 16)
    before = snapshot.of_model(model), snapshot.of_process(), snapshot.tensor_facts(x)
    magics.advise(model, x, backward=backward, **QUICK)
    assert (snapshot.of_model(model), snapshot.of_process(), snapshot.tensor_facts(x)) == before
    handle.remove()


def test_a_model_that_cannot_be_copied_is_left_as_it_was_and_not_rewritten():
    class Stubborn(nn.Sequential):
        def __deepcopy__(self, memo):
            raise TypeError("has a lock")

    model = Stubborn(CONV(), nn.BatchNorm2d(4))
    before = snapshot.of_model(model)
    found = magics.advise(model, *SQUARE(), **QUICK)
    assert snapshot.of_model(model) == before
    assert found["channels_last"].verdict == "not tried"
    assert "has a lock" in found["channels_last"].why
    assert found["no_grad"].error == 0
    assert "in train mode" in found.baseline


@pytest.mark.parametrize("after", [1, 12, 40])
def test_ctrl_c_leaves_all_as_it_was_and_gives_what_was_tried(after):
    calls = iter(range(100_000))

    def forward(net, x):
        if next(calls) == after:
            signal.raise_signal(signal.SIGINT)
        return net.norm(net.conv(x))

    model = Calls(forward, conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4))
    before = snapshot.of_model(model), snapshot.of_process()
    with pytest.raises(Interrupted) as caught:
        magics.advise(model, *SQUARE(), **QUICK)
    assert (snapshot.of_model(model), snapshot.of_process()) == before
    partial = caught.value.partial
    assert isinstance(partial, Advice)
    assert partial.warnings[0].startswith("Interrupted")
    assert {one.name for one in partial} < EVERY


def test_lazy_layers_get_their_shapes_on_the_copy_only():
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d()).eval()
    before = snapshot.of_model(net)
    found = magics.advise(net, *SQUARE(), **QUICK)
    assert snapshot.of_model(net) == before
    assert found["fold batch norm"].error <= 1e-5


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch has a newer one
def test_weights_that_a_hook_computes_are_no_obstacle():
    net = nn.Sequential(nn.utils.weight_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4)).eval()
    net(*SQUARE())
    before = snapshot.of_model(net)
    found = magics.advise(net, *SQUARE(), **QUICK)
    assert found["channels_last"].error <= 1e-5
    assert found["fold batch norm"].verdict == "does not apply"  # the hook would undo it
    assert snapshot.of_model(net) == before


GUISES = {
    "data parallel": nn.DataParallel,
    "scripted": torch.jit.script,
    "traced": lambda net: torch.jit.trace(net, SQUARE()),
    "half": lambda net: net.half(),
}


@pytest.mark.parametrize("name", GUISES)
@pytest.mark.filterwarnings("ignore")  # torch says that scripted models are on their way out
def test_models_in_any_guise_are_advised(name):
    net = GUISES[name](nn.Sequential(CONV(), nn.BatchNorm2d(4)).eval())
    x = SQUARE()[0]
    before = snapshot.of_model(net)
    found = magics.advise(net, x.half() if name == "half" else x, **QUICK)
    assert found["channels_last"].error <= found["channels_last"].tolerance
    assert snapshot.of_model(net) == before


def test_a_function_is_advised_on_how_it_is_called():
    conv = nn.Sequential(CONV(), nn.BatchNorm2d(4)).eval()
    before = snapshot.of_model(conv)

    def twice(x):
        return conv(functional.relu(x)) * 2

    found = magics.advise(twice, *SQUARE(), **QUICK)
    assert found["no_grad"].error == 0
    assert "pass the module" in found["fold batch norm"].why
    assert snapshot.of_model(conv) == before


def test_inputs_by_name_and_several_of_them_stand_in_the_code():
    def forward(net, image, mask=None, *, model=1.0):
        return net.conv(image) * mask * model

    net = Calls(forward, conv=CONV()).eval()
    mask = torch.ones(1, 1, 6, 6)
    found = magics.advise(net, *SQUARE(), mask, kwargs={"model": 2.0}, **QUICK)
    assert found["no_grad"].code.splitlines()[1].strip() == "y = model(x0, x1, model=model_)"
    moved = found["channels_last"]
    assert moved.error <= moved.tolerance
    assert "x1 = x1.to(memory_format=torch.channels_last)" in moved.code


def test_a_model_that_draws_random_numbers_is_compared_with_the_same_ones():
    net = nn.Sequential(CONV(), nn.Dropout(0.5), nn.Conv2d(4, 4, 3))
    found = magics.advise(net, *SQUARE(), backward=True, **QUICK)
    assert found["channels_last"].error < 1e-4
    assert found["channels_last"].verdict in {"helps", "no gain", "hurts"}


def test_a_model_that_writes_to_its_input_gets_the_same_input_every_time():
    net = Calls(lambda m, x: m.conv(x.mul_(0.5)), conv=CONV()).eval()
    x = SQUARE()[0]
    before = snapshot.tensor_facts(x)
    found = magics.advise(net, x, **QUICK)
    assert snapshot.tensor_facts(x) == before
    assert found["no_grad"].error == 0
    assert found["channels_last"].error <= 1e-5


def test_what_torch_warns_of_is_told_but_not_what_it_says_of_its_own_future():
    def forward(net, x):
        if x.is_contiguous(memory_format=torch.channels_last):
            warnings.warn("slow in this layout\nand more", stacklevel=1)
            warnings.warn("soon gone", DeprecationWarning, stacklevel=1)
        return net.conv(x)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = magics.advise(Calls(forward, conv=CONV()).eval(), *SQUARE(), **QUICK)
    assert found["channels_last"].verdict != "not tried"
    assert found.warnings[-1] == "While trying, torch warned: slow in this layout"


def test_a_model_that_runs_only_once_is_one_clear_error():
    calls = iter([True, False])

    def forward(net, x):
        if not next(calls, False):
            raise ValueError("only once")
        return net.conv(x)

    with pytest.raises(
        magics.ConvProfileError, match="ran once, then raised ValueError: only once"
    ):
        magics.advise(Calls(forward, conv=CONV()).eval(), *SQUARE(), **QUICK)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bugdet": 3}, "bugdet: no such option"),
        ({"budget": 0}, "budget: must be a number of seconds above 0"),
        ({"backward": "yes"}, "backward: must be True or False"),
    ],
)
def test_bad_options_are_one_clear_error(given, message):
    with pytest.raises(magics.ConvProfileError, match=re.escape(message)):
        magics.advise(CONV(), *SQUARE(), **given)


def test_where_there_is_no_clock_only_shapes_are_looked_at():
    found = magics.advise(needy(), NEEDY_INPUT, device="meta")
    assert found["checkerboard"].verdict == "look at"
    assert found["channels_last"].why == "there is no clock for the device meta"
    assert all(one.before is None for one in found)
    assert {one.name for one in found} == EVERY


def test_a_sample_without_a_batch_is_not_swept_over_batches_and_a_device_is_called_by_its_name():
    found = magics.advise(CONV().eval(), torch.rand(3, 8, 8), **QUICK)
    assert found["batch size"].why.startswith("INPUT: no batch (got 3x8x8, which Conv2d takes for")
    found = magics.advise(CONV().eval(), *SQUARE(), device="meta")
    assert found["one thread"].why == "the work is done on the device meta"


def test_without_measuring_it_is_said_what_there_is_to_look_at_and_to_try():
    found = magics.advise(needy(), NEEDY_INPUT, measure=False)
    assert found["gridding"].verdict == "look at"
    assert found["fold batch norm"].why == "nothing was to be measured"
    assert "fuse_conv_bn_eval" in found["fold batch norm"].code
    assert {one.name for one in found} == EVERY
