"""The work of a backward, against autograd: by ones, by hand, and by what it runs."""

import random
from math import prod

import pytest
import torch
from hypothesis import assume, given, settings
from nets import CONV, CONV_MACS, SQUARE, Calls, frozen_norm, image, mobilenet_v2, resnet18
from test_counts_brute_force import MANY, convolutions, network
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

import magics


def counted(model, *inputs, **options):
    return magics.profile(model, *inputs, measure=False, receptive_field=False, **options)


class Products(TorchDispatchMode):
    """Counts the products that a backward runs, from the shapes of its operators alone."""

    macs = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.convolution_backward.default:
            gradient, x, weight, *_, transposed, _, _, wanted = args
            outer = x if transposed else gradient
            # Either weight has its outer channels first and those of one group second.
            self.macs += sum(wanted[:2]) * prod(outer.shape) * prod(weight.shape[1:])
        elif func in (torch.ops.aten.mm.default, torch.ops.aten.bmm.default):
            self.macs += prod(args[0].shape) * args[1].shape[-1]
        return func(*args, **(kwargs or {}))


def products_of_backward(model, *inputs):
    total = sum(item.sum() for item in [model(*inputs)])
    with Products() as seen:
        total.backward()
    return seen.macs


@given(convolutions())
@settings(parent=MANY, max_examples=60)
def test_gradients_of_ones_sum_up_to_the_products_counted(drawn):
    layer, x = drawn
    nn.init.ones_(layer.weight)
    everything = functional.pad(x, layer._reversed_padding_repeated_twice, value=1.0)
    convolve = getattr(functional, f"conv{x.dim() - 2}d")
    try:
        layer(x)
        output = convolve(
            everything.requires_grad_(),
            layer.weight,
            None,
            layer.stride,
            0,
            layer.dilation,
            layer.groups,
        )
    except (RuntimeError, ValueError):
        assume(False)  # noqa: FBT003, how hypothesis is told to draw again
    # With inputs, weights and the output's gradient all one, a gradient is a number of products.
    by_input, by_weight = torch.autograd.grad(output.sum(), [everything, layer.weight])
    assert by_input.sum() == by_weight.sum()
    first = counted(layer, x).layers[0]
    assert first.backward_macs == by_weight.sum().item()
    inner = counted(layer, x.requires_grad_()).layers[0]
    assert inner.backward_macs == (by_weight.sum() + by_input.sum()).item()


@pytest.mark.parametrize("seed", range(20))
def test_random_networks_run_the_products_counted(seed):
    torch.manual_seed(seed)
    model, x = network(random.Random(seed))
    assert counted(model, x).total.backward_macs == products_of_backward(model, x)


@pytest.mark.parametrize("build", [resnet18, mobilenet_v2])
def test_the_demo_networks_run_the_products_counted(build):
    model, x = build(), torch.randn(1, 3, 64, 64)
    total = counted(model, x).total
    assert total.backward_macs == products_of_backward(model, x)
    # Two products for one, but for the first layer, whose input needs no gradient.
    first = counted(model, x).layers[0]
    assert total.backward_macs == 2 * total.macs - first.macs


def test_mobilenet_s_backward_is_twice_its_forward_and_not_nineteen_times():
    total = counted(mobilenet_v2(), "1x3x224x224", device="meta").total
    assert total.backward_macs / total.macs == pytest.approx(2, abs=0.04)
    assert total.backward_flops == 2 * total.backward_macs


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_groups_don_t_change_the_ratio(groups):
    x = torch.randn(1, 8, 9, 9, requires_grad=True)
    (row,) = counted(nn.Conv2d(8, 8, 3, groups=groups), x).layers
    assert row.backward_macs == 2 * row.macs


@pytest.mark.parametrize("backward", [False, True])
def test_a_frozen_backbone_has_no_backward(backward):
    model = nn.Sequential(CONV(), nn.ReLU(), nn.Conv2d(4, 4, 3))
    model[0].requires_grad_(requires_grad=False)
    backbone, relu, head = counted(model, *SQUARE(), backward=backward).layers
    assert (backbone.backward_macs, relu.backward_elementwise_flops) == (0, 0)
    assert head.backward_macs == head.macs


def test_no_grad_inside_the_model_ends_the_backward():
    def forward(model, x):
        with torch.no_grad():
            x = model.backbone(x)
        return model.head(x)

    model = Calls(forward, backbone=CONV(), head=nn.Conv2d(4, 4, 3))
    backbone, head = counted(model, *SQUARE(), backward=True).layers
    assert head.backward_macs == head.macs
    assert backbone.backward_macs in {0, CONV_MACS}


def test_detached_inputs_need_no_gradient():
    model = Calls(lambda m, x: m.head(m.body(x).detach()), body=CONV(), head=nn.Conv2d(4, 4, 3))
    _, head = counted(model, *SQUARE()).layers
    assert head.backward_macs == head.macs


def test_a_derived_weight_needs_its_gradient():
    model = nn.utils.parametrizations.weight_norm(CONV())
    assert counted(model, *SQUARE()).total.backward_macs == CONV_MACS


def test_frozen_batch_norm_has_the_backward_of_eval_mode():
    rows = counted(frozen_norm(), *SQUARE()).layers
    norm = next(row for row in rows if row.kind == "batch_norm")
    # dy * scale, and for the parameters' gradients a sum of dy and one of dy * (x - mean)
    assert norm.backward_elementwise_flops == (1 + 4) * 144


def test_elementwise_layers_have_a_backward():
    relu = counted(nn.Sequential(CONV(), nn.ReLU()), *SQUARE()).layers[1]
    assert relu.backward_elementwise_flops == 144
    assert relu.backward_bytes_moved == 4 * 3 * 144  # reads dy and x, writes dx
    alone = counted(nn.ReLU(), *SQUARE()).layers[0]
    assert alone.backward_elementwise_flops == 0  # nothing asks for a gradient


def test_matrix_products_have_two_products_in_backward():
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    first, _, second = counted(model, torch.randn(4, 5)).layers
    assert (first.backward_macs, second.backward_macs) == (4 * 35, 2 * 4 * 21)


@pytest.mark.parametrize("at_inputs", [False, True])
@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (nn.GRU(4, 6, bidirectional=True), image(5, 2, 4)),
        (nn.LSTMCell(4, 6), image(2, 4)),
        (nn.MultiheadAttention(8, 2, batch_first=True), lambda: image(1, 5, 8)() * 3),
        (nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), image(2, 5, 8)),
    ],
)
def test_sequence_models_run_the_products_counted(model, inputs, at_inputs):
    given = [tensor.requires_grad_(at_inputs) for tensor in inputs()]
    first_output = Calls(lambda m, *x: m.model(*x)[0], model=model)
    claimed = counted(model, *given).total.backward_macs  # whatever kernel attention takes
    with sdpa_kernel(SDPBackend.MATH):  # whose products can be seen
        assert claimed == products_of_backward(first_output, *given)


def test_a_fused_lstm_has_two_products_for_one_but_at_its_input():
    model, x = nn.LSTM(4, 6), torch.randn(5, 2, 4)
    inputs, states = 10 * 24 * 4, 10 * 24 * 6
    assert counted(model, x).total.backward_macs == inputs + 2 * states
    assert counted(model, x.requires_grad_()).total.backward_macs == 2 * (inputs + states)


def test_a_gradient_taken_in_the_forward_is_counted():
    model = Calls(
        lambda m, x: torch.func.jacrev(lambda y: m.conv(y).sum())(x), conv=CONV(bias=False)
    )
    assert counted(model, *SQUARE()).total.macs == 2 * CONV_MACS
