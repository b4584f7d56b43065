"""Altered copies of models, and inputs of other sizes, against layers that were built by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshot import of_model
from sweeping import net
from torch import nn
from torch.nn.utils import parametrize

import magics
from magics.errors import InputError
from magics.measurement.models.altering import altered, check, expected_channels, is_factory
from magics.studies.sweeping import resizing

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def like(module, built):
    """Tell whether a layer is what another one, built by hand, is; weights may differ."""
    assert repr(module) == repr(built)
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in one.state_dict().items()}
        for one in (module, built)
    ]
    assert shapes[0] == shapes[1]
    ours, theirs = vars(module), vars(built)
    for name in ("_reversed_padding_repeated_twice", "output_padding"):
        assert list(ours.get(name, ())) == list(theirs.get(name, ()))


@settings(max_examples=25)
@given(
    st.integers(1, 3),
    st.lists(st.integers(1, 5), min_size=3, max_size=3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.tuples(st.sampled_from(["zeros", "reflect"]), st.booleans()),
)
def test_a_dilated_convolution_is_as_built_and_keeps_what_was_padded_to_the_same_size(
    dimensions, sizes, before, after, pads
):
    padding_mode, named = pads
    kernel = [2 * size - 1 for size in sizes[:dimensions]]  # odd: it can be padded to the same size
    if set(kernel) == {1}:
        kernel[0] = 3
    padding = "same" if named else [before * (size - 1) // 2 for size in kernel]
    others = {"padding_mode": padding_mode, "bias": False}
    conv = CONVS[dimensions]
    found = altered(conv(2, 4, kernel, dilation=before, padding=padding, **others),
                    {"dilation": after}, 2)  # fmt: skip
    dilation = [after if size > 1 else before for size in kernel]
    if padding != "same":
        padding = [d * (size - 1) // 2 for d, size in zip(dilation, kernel, strict=True)]
    like(found, conv(2, 4, kernel, dilation=dilation, padding=padding, **others))
    image = torch.randn(1, 2, *[24] * dimensions)
    if padding_mode == "zeros" or max(kernel) * after < 24:
        assert found(image).shape[2:] == image.shape[2:]


def test_only_convolutions_with_a_kernel_are_dilated():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3), nn.ConvTranspose2d(4, 2, 4, 2, 1),
                          nn.MaxPool2d(3))  # fmt: skip
    found = altered(model, {"dilation": 3}, 3)
    for place in (0, 2, 3):
        like(found[place], model[place])
    like(found[1], nn.Conv2d(4, 4, 3, dilation=3))


@settings(max_examples=25)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_groups_are_given_to_every_convolution_whose_channels_they_divide(
    dimensions, first, second, groups, transposed
):
    kind = (nn.ConvTranspose2d, nn.ConvTranspose1d)[dimensions % 2] if transposed else (
        CONVS[dimensions])  # fmt: skip
    model = nn.Sequential(kind(first * groups, second * groups, 3), nn.Conv2d(groups + 1, 7, 1))
    found = altered(model, {"groups": groups}, first * groups)
    like(found[0], kind(first * groups, second * groups, 3, groups=groups))
    like(found[1], nn.Conv2d(groups + 1, 7, 1, groups=groups if groups in {1, 7} else 1))


@settings(max_examples=25)
@given(st.integers(2, 12), st.integers(13, 40), st.booleans())
def test_channels_are_replaced_wherever_they_occur(old, new, bias):
    def built(channels):
        return nn.Sequential(
            nn.Conv2d(channels, channels, 3, bias=bias),
            nn.BatchNorm2d(channels),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, groups=channels),  # depthwise
            nn.Conv2d(channels, 2 * channels if channels == old else 2 * old, 1),
            nn.ConvTranspose2d(2 * old, channels, 2, bias=bias),
            nn.GroupNorm(1, channels),
            nn.InstanceNorm2d(channels, affine=bias),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, 99),
        )

    found = altered(built(old), {"channels": new}, old)
    for module, expected in zip(found, built(new), strict=True):
        like(module, expected)
    assert found.eval()(torch.randn(2, new, 8, 8)).isfinite().all()


def test_one_channel_is_not_taken_for_a_depthwise_layer():
    like(altered(nn.Conv2d(1, 2, 3), {"channels": 6}, 1), nn.Conv2d(6, 2, 3))


def test_the_users_model_is_not_touched():
    model = net().train()
    model.register_buffer("extra", torch.ones(3))
    before = of_model(model)
    for settings_ in (
        {"channels": 8},
        {"groups": 2},
        {"dilation": 2},
        {"groups": 1, "dilation": 3},
    ):
        found = altered(model, settings_, 4)
        assert found is not model
        assert all(module.training for module in found.modules())
    assert of_model(model) == before


def test_several_alterations_add_up():
    found = altered(net(), {"channels": 8, "groups": 2, "dilation": 3}, 4)
    like(found[0], nn.Conv2d(8, 8, 3, padding=3, dilation=3, groups=2))


class Wide(nn.Module):
    def __init__(self, channels, *, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, groups=groups)

    def forward(self, x):
        return self.conv(x)


def test_a_class_or_function_with_the_argument_makes_the_model():
    for factory in (Wide, lambda channels, groups: Wide(channels, groups=groups)):
        found = altered(factory, {"channels": 6, "groups": 3}, 3)
        like(found.conv, nn.Conv2d(6, 6, 3, groups=3))
        assert expected_channels(found) == 6
    assert is_factory(Wide, "channels")
    assert not is_factory(Wide, "dilation")
    assert not is_factory(Wide(3), "channels")


@pytest.mark.parametrize(
    ("model", "settings_", "message"),
    [
        (net(), {"groups": 3}, "groups: no layer for it (got groups=3, and no convolution whose"),
        (nn.Conv2d(4, 4, 1), {"dilation": 2}, "dilation: no layer for it (got dilation=2, and no"),
        (nn.Conv2d(3, 5, 1), {"channels": 2}, "channels: no layer for it (got channels=2, and 4 "),
        (nn.Sequential(nn.Conv2d(4, 8, 1, groups=2)), {"channels": 3},
         "0: channels: not a multiple of the 2 groups of this Conv2d (got 3); choose multiples of"),
        (nn.GroupNorm(2, 4), {"channels": 3}, "model: channels: not a multiple of the 2 groups of"),
        (nn.Sequential(nn.LazyConv2d(4, 3)), {"groups": 2}, "0: groups: its weight is made of oth"),
        (torch.relu, {"groups": 2}, "groups: only a module can be altered (got relu); give a func"),
        (Wide, {"channels": 2, "dilation": 2}, "dilation: Wide takes no such argument (got chann"),
        (nn.DataParallel(nn.Conv2d(4, 4, 1)), {"groups": 2}, "groups: a compiled, scripted or wra"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_told_before_anything_is_run(model, settings_, message):
    for attempt in (check, altered):
        with pytest.raises(InputError) as caught:
            attempt(model, settings_, 4)
        assert str(caught.value).startswith(message)


def test_a_parametrized_weight_is_not_replaced():
    conv = nn.Conv2d(4, 4, 3)
    parametrize.register_parametrization(conv, "weight", nn.Tanh())
    with pytest.raises(InputError, match="its weight is made of others, or lazy"):
        altered(conv, {"groups": 2}, 4)


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9))
def test_samples_are_repeated_or_left_out(old, new, height):
    image, mask = torch.randn(old, 3, height), torch.arange(old)
    other = torch.randn(old + 1, 2)
    (found, nested), named = resizing.with_batch(
        ((image, [mask, other, "word"]), ({"shape": f"{old}x7", "count": old})), new
    )
    assert torch.equal(found, image[[place % old for place in range(new)]])
    assert torch.equal(nested[0], mask[[place % old for place in range(new)]])
    assert nested[1] is other
    assert nested[2] == "word"
    assert named == {"shape": f"{new}x7", "count": old}


@given(st.integers(2, 5), st.integers(2, 5), st.integers(1, 9), st.integers(1, 9))
def test_sizes_are_those_asked_for(height, width, new_height, new_width):
    image = torch.randn(2, 3, height, width).to(memory_format=torch.channels_last)
    (found, shape), _ = resizing.with_size(
        ((image, f"2x1x{height}x{width}"), {}), f"{new_height}x{new_width}"
    )
    rows = [place % height for place in range(new_height)]
    assert torch.equal(found, image[:, :, rows][..., [place % width for place in range(new_width)]])
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert shape == f"2x1x{new_height}x{new_width}"
    (square,), _ = resizing.with_size(((image,), {}), new_height)
    assert square.shape == (2, 3, new_height, new_height)


@given(st.integers(1, 5), st.integers(1, 9), st.booleans())
def test_channels_of_inputs_are_repeated_or_left_out(old, new, grad):
    image = torch.randn(2, old, 3, requires_grad=grad)
    (found, other), _ = resizing.with_channels(((image, (2, old + 1, 3)), {}), new)
    assert torch.equal(found, image[:, [place % old for place in range(new)]])
    assert found.requires_grad == grad
    assert found.is_leaf
    assert other == f"2x{old + 1}x3"


def test_lazy_layers_take_the_channels_that_come_and_wait_on():
    model = nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    before = repr(model)
    found = magics.sweep(model, "2x3x8x8", channels=[1, 3], dilation=[1, 2], measure=False)
    shapes = {(c, d): 8 * c * 9 + 8 + 16 + 2 * 8 * (8 - 2 * d) ** 2 + 2
              for c in (1, 3) for d in (1, 2)}  # fmt: skip
    assert {tuple(point.values.values()): point.params for point in found.points} == shapes
    assert repr(model) == before


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weights_that_every_forward_computes_anew_are_copied():
    model = torch.nn.utils.weight_norm(nn.Conv2d(3, 4, 3))
    model(torch.ones(1, 3, 8, 8))  # now its weight is no leaf
    found = altered(model, {"dilation": 2}, 3)
    assert found.dilation == (2, 2)
    assert torch.equal(found.weight_v, model.weight_v)
    assert found(torch.ones(1, 3, 8, 8)).shape == (1, 4, 4, 4)
