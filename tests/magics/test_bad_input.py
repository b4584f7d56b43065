"""Wrong models, inputs and options: one line that names the place and says what to do."""

import re

import numpy as np
import pytest
import torch
from nets import CONV, SQUARE, Calls, Functional, Plain
from torch import nn
from torch.nn import functional

import magics

X = SQUARE()[0]
SHAPE = "1x3x8x8"


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = CONV()

    def forward(self, left, right):
        return self.conv(left) + self.conv(right)


def net():
    return nn.Sequential(
        CONV(), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)
    )


def hooked(register):
    model = net()
    getattr(model[1], register)(lambda *_: {}["no such key"])
    return model


def convolve(**how):
    return lambda x, weight, _: functional.conv2d(x, weight, None, **how)


def broken(*_):
    raise KeyError("k")


def refused(model, *inputs, **options):
    """Return the error; whatever it is, it must be one line."""
    with pytest.raises(magics.ConvProfileError) as caught:
        magics.profile(model, *inputs, measure=False, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    assert re.match(r"[^:]+: .+\(.+\).*; .+|[^:]+: .+", text)
    return caught.value


MODELS = {
    "a class": (nn.Conv2d, "MODEL: a class, not a model (got Conv2d); create one first: Conv2d("),
    "a class of one's own": (Plain, "MODEL: a class, not a model (got Plain); create one first"),
    "nothing": (None, "MODEL: not a model (got NoneType); pass a torch.nn.Module"),
    "a name": ("resnet18", "MODEL: not a model (got str); pass a torch.nn.Module"),
    "weights": ({"weight": X}, "MODEL: not a model (got dict); pass a torch.nn.Module"),
    "a list of layers": ([nn.ReLU()], "MODEL: not a model (got list); pass a torch.nn.Module"),
    "a tensor": (X, "MODEL: not a model (got Tensor)"),
}


@pytest.mark.parametrize(("model", "message"), MODELS.values(), ids=MODELS)
def test_what_is_no_model_is_named(model, message):
    error = refused(model, SHAPE)
    assert str(error).startswith(message)
    assert error.layer is None


INPUTS = {
    "none": ((), "INPUT: missing (got none); Sequential takes input: pass tensors, or a shape"),
    "an empty batch": (
        (torch.ones(0, 3, 8, 8),),
        "INPUT: empty (got 0x3x8x8 float32); every dimension needs at least 1 element",
    ),
    "an empty map": ((torch.ones(1, 3, 0, 8),), "INPUT: empty (got 1x3x0x8 float32); every"),
    "a shape with a zero": (("0x3x8x8",), "INPUT: a shape with an empty dimension (got '0x3x8x8')"),
    "stars": (("8*3*96",), "INPUT: not a shape (got '8*3*96'); write it as 8x3x96"),
    "brackets": (("(8,3,96)",), "INPUT: not a shape (got '(8,3,96)'); write it as 8x3x96"),
    "blanks": (("8 x 3 x 96",), "INPUT: not a shape (got '8 x 3 x 96'); write it as 8x3x96"),
    "a word": (("auto",), "INPUT: neither a tensor nor a shape (got 'auto'); write a shape such"),
    "half a shape": (("8x3x",), "INPUT: neither a tensor nor a shape (got '8x3x'); write"),
    "a negative size": (("8x3x-1x16",), "INPUT: neither a tensor nor a shape (got '8x3x-1x16')"),
    "two shapes": (
        ("1x3x8x8,1x3x8x8",),
        ("INPUT: several shapes in one (got '1x3x8x8,1x3x8x8'); write 1x3x8x8 1x3x8x8"),
    ),
    "names": (("1x3xHxW",), "INPUT: neither a tensor nor a shape (got '1x3xHxW'); write"),
    "nothing but blanks": (("",), "INPUT: neither a tensor nor a shape (got ''); write a shape"),
}


@pytest.mark.parametrize(("inputs", "message"), INPUTS.values(), ids=INPUTS)
def test_what_is_no_input_is_named(inputs, message):
    assert str(refused(net(), *inputs)).startswith(message)


LAYERS = {
    "no batch": (net, torch.ones(3, 8, 8), "1", ("1: expects 4 dimensions, (N, C, H, W) (got 4x6x6"
                 "); add the batch to the model's input: input.unsqueeze(0)")),
    "no channels": (net, torch.ones(8, 8), "0", "0: expects 4 dimensions, (N, C, H, W) (got 8x8)"),
    "channels last": (net, torch.ones(1, 8, 8, 3), "0", ("0: expects 3 channels in dimension 1 "
                      "(got 1x8x8x3, channels last); reorder: input.permute(0, 3, 1, 2)")),
    "channels last, no batch": (net, torch.ones(8, 8, 3), "0", ("0: expects 3 channels in "
                                "dimension 0 (got 8x8x3, channels last); reorder: input.perm")),
    "gray": (net, "1x1x8x8", "0", "0: expects 3 channels in dimension 1 (got 1x1x8x8); check the"),
    "bytes": (net, torch.ones(1, 3, 8, 8, dtype=torch.uint8), "0", ("0: the weights are float32, "
              "the input is not (got uint8); convert one: input.to(torch.float32)")),
    "doubles": (net, X.double(), "0", "0: the weights are float32, the input is not (got float64)"),
    "an array": (net, np.ones((1, 3, 8, 8)), "0", ("0: takes tensors (got ndarray); convert the "
                 "input: torch.from_numpy(input)")),
    "a number": (net, 5, "0", "0: takes tensors (got int); convert the input"),
    "on another device": (lambda: net().to("meta"), X, "1", ("1: the weights are on meta, the "
                          "input is not (got cpu); move one: input.to('meta')")),
    "too small for the kernel": (net, "1x3x2x2", "0", ("0: the map is smaller than the kernel of "
                                 "Conv2d (got 1x3x2x2); use a larger input")),
    "too small for the pool": (lambda: nn.Sequential(nn.MaxPool2d(4)), SHAPE[:4] + "2x2", "0",
                               "0: the map is smaller than the kernel of MaxPool2d (got 1x3x2x2)"),
    "too large for the classifier": (net, "1x3x10x10", "5", ("5: expects 36 features in the last "
                                     "dimension (got 1x64); check the input's size, or flatten")),
    "deep inside": (lambda: nn.Sequential(CONV(), nn.Sequential(nn.ReLU(), nn.Conv2d(5, 6, 3))), X,
                    "1.1", "1.1: expects 5 channels in dimension 1 (got 1x4x6x6); check the"),
    "three axes": (lambda: nn.Conv3d(3, 4, 3), X, "", ("model: expects 3 channels in dimension 0 "
                   "(got 1x3x8x8); with a batch it takes 5 dimensions, (N, C, D, H, W)")),
    "one axis": (lambda: nn.Conv1d(3, 4, 3), X, "", "model: expects 3 dimensions, (N, C, L) (got "),
    "a batch of one in train mode": (
        lambda: nn.Sequential(nn.Flatten(), nn.BatchNorm1d(192)).train(), X, "1",
        ("1: batch norm in train mode needs more than one value per channel (got 1x192); use a "
        "larger batch or mode='eval'")),
    "floats for indices": (lambda: nn.Sequential(nn.Embedding(9, 4)), X, "0",
                           "0: takes indices (got float32); convert the input: input.long()"),
    "groups that don't divide": (lambda: Functional(convolve(groups=2), 4, 3, 3, 3), X, "",
                                 "conv2d(): expects 6 channels with groups=2 (got 1x3x8x8)"),
    "groups that don't divide, in a module": (
        lambda: nn.Sequential(CONV(), Functional(convolve(groups=3), 6, 4, 3, 3)), X, "1",
        "1.conv2d(): expects 12 channels with groups=3 (got 1x4x6x6); groups must divide"),
    "'same' with a stride": (
        lambda: Functional(convolve(padding="same", stride=2), 4, 3, 3, 3), X, "",
        "conv2d(): padding='same' takes no stride (got 1x3x8x8); give the padding in numbers"),
    "a hook that raises": (lambda: hooked("register_forward_hook"), X, "1", ("1: a hook of this "
                           "BatchNorm2d raised KeyError: 'no such key' (got 1x4x6x6); mend or")),
    "a hook that raises before": (lambda: hooked("register_forward_pre_hook"), X, "1",
                                  "1: a hook of this BatchNorm2d raised KeyError: 'no such key'"),
    "a model that raises": (lambda: nn.Sequential(nn.ReLU(), Calls(broken)), X, "1",
                            "1: the model raised KeyError: 'k' (got 1x3x8x8); check the input"),
    "no forward": (lambda: nn.ModuleList([CONV()]), X, "", "model: ModuleList has no forward"),
    "an uninitialised layer": (lambda: nn.Sequential(CONV(), nn.LazyLinear(5), CONV()), SHAPE, "2",
                               "2: expects 3 channels in dimension 1 (got 1x4x6x5); check"),
}  # fmt: skip


@pytest.mark.parametrize(("build", "x", "layer", "message"), LAYERS.values(), ids=LAYERS)
def test_the_layer_that_refuses_is_named(build, x, layer, message):
    error = refused(build(), x)
    assert str(error).startswith(message)
    assert error.layer == layer
    assert error.__cause__ is not None


def test_the_option_of_the_message_helps():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(192)).train()
    assert magics.profile(model, X, mode="eval", measure=False).layers
    image = torch.ones(1, 8, 8, 3)
    assert magics.profile(net(), image.permute(0, 3, 1, 2), measure=False).layers


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ((X,), {}, "model: Two.forward() missing 1 required positional argument: 'right'; pass"),
        ((X, X, X), {}, "model: Two.forward() takes 3 positional arguments but 4 were given; pass"),
        ((X, X), {"right": X}, "model: Two.forward() got multiple values for argument 'right'"),
        ((X,), {"rihgt": X}, ("rihgt: no such option (got rihgt=Tensor); did you mean right?")),
    ],
)
def test_inputs_that_don_t_fit_forward_are_named(inputs, options, message):
    assert str(refused(Two(), *inputs, **options)).startswith(message)


OPTIONS = {
    "bachward": (True, "bachward: no such option (got bachward=True); did you mean backward?"),
    "mode": ("evall", "mode: unknown (got 'evall'); did you mean eval?"),
    "dtype": ("flaot32", "dtype: unknown (got 'flaot32'); did you mean float32?"),
    "layout": ("nhcw", "layout: unknown (got 'nhcw'); did you mean nhwc?"),
    "device": ("gpu", "device: not to be had here (got 'gpu'); choose cpu, meta, or a device"),
    "threads": (0, "threads: must be a whole number from 1 (got 0); leave it out"),
    "batch": (0, "batch: must be a whole number from 1 (got 0); leave it out"),
    "budget": (0, "budget: must be a number of seconds above 0 (got 0); write such as budget=2.0"),
    "kwargs": ([1], "kwargs: must be the model's keyword arguments by name (got [1]); write such"),
    "backward": ("yes", "backward: must be True or False (got 'yes'); write backward=True"),
    "memory": (3, "memory: must be True or False (got 3); write memory=True"),
}


@pytest.mark.parametrize(("name", "value", "message"), [(k, *v) for k, v in OPTIONS.items()])
def test_a_wrong_option_is_named(name, value, message):
    assert str(refused(net(), SHAPE, **{name: value})).startswith(message)


@pytest.mark.parametrize("value", [True, 2.0, "2", -1])
def test_numbers_of_threads_are_whole_and_positive(value):
    assert str(refused(net(), SHAPE, threads=value)).startswith("threads: must be a whole number")


@pytest.mark.parametrize("value", ["2", float("nan"), float("inf"), -1, True])
def test_a_budget_is_a_positive_number_of_seconds(value):
    assert str(refused(net(), SHAPE, budget=value)).startswith("budget: must be a number of")


def test_a_batch_needs_a_shape():
    message = "batch: is for inputs given as shapes (got 4, but 1x3x8x8 float32); leave it out"
    assert str(refused(net(), X, batch=4)).startswith(message)


def test_values_can_t_be_looked_at_on_the_meta_device():
    model = Calls(lambda m, x: m.conv(x) if x.sum() > 0 else x, conv=CONV())
    assert str(refused(model, SHAPE, device="meta")).startswith(
        "model: looks at values, which meta tensors don't have"
    )


@pytest.mark.parametrize(
    ("value", "word"), [(float("nan"), "NaN"), (float("inf"), "infinite values")]
)
def test_input_that_is_no_number_is_counted_with_a_warning(value, word):
    x = X.clone()
    x[0, 0, 0, 0] = value
    profile = magics.profile(net().eval(), x, measure=False)
    assert profile.total.macs == 4 * 36 * 27 + 180
    assert any(text.startswith(f"Input 0 has {word} in it") for text in profile.warnings)
    usual = magics.profile(net().eval(), X, measure=False)
    assert not any("Input 0" in text for text in usual.warnings)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interruptions_are_not_explained_away(error):
    def forward(*_):
        raise error

    with pytest.raises(error):
        magics.profile(Calls(forward), X, measure=False)


def test_names_with_blanks_and_quotes_are_shown_as_they_are():
    name = "my 'conv' \"layer\""
    model = Calls(lambda m, x: m.get_submodule(name)(x))
    model.add_module(name, CONV())
    (row,) = magics.profile(model, X, measure=False).layers
    assert row.name == name
    assert refused(model, "1x4x8x8").layer == name
