"""Layers that no module knows: functions, under each of their names, give the layer's row."""

import pytest
import torch
from nets import CONV, CONV_MACS, SQUARE, Calls, image
from torch import nn
from torch.nn import functional
from torch.nn.functional import conv2d as imported_by_name

import magics


def counted(model, *inputs):
    return magics.profile(model, *inputs, measure=False, receptive_field=False)


SPELLINGS = {
    "torch.nn.functional.conv2d": functional.conv2d,
    "its own name": imported_by_name,
    "torch.conv2d": torch.conv2d,
    "torch.ops.aten.conv2d": torch.ops.aten.conv2d,
    "torch.convolution": lambda x, w, b: torch.convolution(
        x, w, b, [1, 1], [0, 0], [1, 1], False, [0, 0], 1  # noqa: FBT003, the order of its schema
    ),
    "keywords": lambda x, w, b: functional.conv2d(bias=b, weight=w, input=x),
}  # fmt: skip


@pytest.mark.parametrize("call", SPELLINGS.values(), ids=SPELLINGS)
def test_a_convolution_is_recognised_under_every_name(call):
    conv = CONV()
    model = Calls(lambda m, x: call(m.relu(x), m.weight, m.bias), relu=nn.ReLU())
    model.weight, model.bias = conv.weight, conv.bias
    relu, row = counted(model, *SQUARE()).layers
    module = counted(conv, *SQUARE()).layers[0]
    assert relu.kind == "other"
    assert row.name in {"conv2d()", "convolution()"}
    for name in ("kind", "macs", "useful_macs", "elementwise_flops", "bytes_moved", "kernel_size",
                 "stride", "padding", "dilation", "groups", "params", "input_shape",
                 "output_shape", "dtype"):  # fmt: skip
        assert getattr(row, name) == getattr(module, name), name


PAIRS = {
    "conv1d": (nn.Conv1d(2, 4, 3, 2, 1), image(1, 2, 9),
               lambda m, x: functional.conv1d(x, m.weight, m.bias, 2, 1)),
    "conv3d": (nn.Conv3d(2, 4, 2, groups=2), image(1, 2, 4, 4, 4),
               lambda m, x: functional.conv3d(x, m.weight, m.bias, groups=2)),
    "same": (nn.Conv2d(2, 4, 3, padding="same", dilation=2), image(1, 2, 9, 9),
             lambda m, x: functional.conv2d(x, m.weight, m.bias, padding="same", dilation=2)),
    "transposed": (nn.ConvTranspose2d(2, 4, 3, 2, 1, 1), image(1, 2, 5, 5),
                   lambda m, x: functional.conv_transpose2d(x, m.weight, m.bias, 2, 1, 1)),
    "linear": (nn.Linear(5, 7), image(3, 5), lambda m, x: functional.linear(x, m.weight, m.bias)),
    "max_pool": (nn.MaxPool2d(3, 2, 1, ceil_mode=True), image(1, 2, 8, 8),
                 lambda _, x: functional.max_pool2d(x, 3, 2, 1, ceil_mode=True)),
    "max_pool with indices": (
        nn.MaxPool2d(2), image(1, 2, 8, 8),
        lambda _, x: functional.max_pool2d(x, 2, return_indices=False)),
    "avg_pool": (nn.AvgPool2d(3, 2, 1), image(1, 2, 8, 8),
                 lambda _, x: functional.avg_pool2d(x, 3, 2, 1)),
    "lp_pool": (nn.LPPool2d(2, 3), image(1, 2, 9, 9), lambda _, x: functional.lp_pool2d(x, 2, 3)),
    "adaptive": (nn.AdaptiveAvgPool2d(3), image(1, 2, 8, 8),
                 lambda _, x: functional.adaptive_avg_pool2d(x, 3)),
    "adaptive max": (nn.AdaptiveMaxPool1d(3), image(1, 2, 8),
                     lambda _, x: functional.adaptive_max_pool1d(x, 3)),
    "batch_norm": (nn.BatchNorm2d(3).eval(), image(1, 3, 8, 8),
                   lambda m, x: functional.batch_norm(x, m.running_mean, m.running_var, m.weight,
                                                      m.bias)),
    "batch_norm in train mode": (
        nn.BatchNorm2d(3).train(), image(1, 3, 8, 8),
        lambda m, x: functional.batch_norm(x, m.running_mean, m.running_var, m.weight, m.bias,
                                           training=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_a_function_counts_like_its_module(name):
    module, inputs, function = PAIRS[name]
    model = Calls(lambda m, x: function(m.held[0], m.first(x)), first=nn.Identity())
    model.held = (module,)  # its weights are used, it is not called
    row = counted(model, *inputs()).layers[-1]
    own = counted(module, *inputs()).layers[0]
    for fact in ("kind", "macs", "useful_macs", "elementwise_flops", "bytes_moved", "kernel_size",
                 "stride", "padding", "dilation", "backward_macs", "backward_elementwise_flops",
                 "params", "input_shape", "output_shape"):  # fmt: skip
        assert getattr(row, fact) == getattr(own, fact), fact


def test_two_calls_in_one_module_are_two_rows_with_an_index():
    model = nn.Sequential(
        Calls(lambda _, x: functional.max_pool2d(functional.max_pool2d(x, 2), 2)), nn.ReLU()
    )
    rows = counted(model, *SQUARE()).layers
    assert [(row.name, row.call_index) for row in rows] == [
        ("0.max_pool2d()", 0), ("0.max_pool2d()", 1), ("1", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "product",
    [
        lambda x: x @ x, lambda x: torch.matmul(x, x), lambda x: x.mm(x),
        lambda x: torch.addmm(x, x, x), lambda x: torch.einsum("ij,jk->ik", x, x),
        lambda x: torch.tensordot(x, x, 1), lambda x: torch.inner(x, x),
        lambda x: torch.linalg.multi_dot([x, x]), lambda x: torch.bmm(x[None], x[None]),
        lambda x: torch.baddbmm(x[None], x[None], x[None]),
    ],
)  # fmt: skip
def test_matrix_products_are_recognised_however_they_are_written(product):
    profile = counted(Calls(lambda m, x: product(m.relu(x)), relu=nn.ReLU()), *image(6, 6)())
    assert profile.total.macs == 6**3
    assert profile.layers[1].kind == "matmul"
    assert profile.uncounted == ()


def test_products_with_vectors_count_by_their_elements():
    model = Calls(lambda _, x: (x @ x[0]) + x[0] @ x + torch.dot(x[0], x[0]) + torch.mv(x, x[0]))
    assert counted(model, *image(6, 6)()).total.macs == 3 * 36 + 6


def test_attention_counts_its_two_products():
    model = Calls(lambda _, x: functional.scaled_dot_product_attention(x, x, x))
    assert counted(model, *image(2, 3, 5, 8)()).total.macs == 2 * 2 * 3 * 5 * 5 * 8


def test_bilinear_layers_count_each_triple_once():
    assert counted(nn.Bilinear(5, 4, 3), *image(2, 5)(), *image(2, 4)()).total.macs == 2 * 60


def test_an_autograd_function_is_counted_by_what_it_runs():
    class Own(torch.autograd.Function):
        @staticmethod
        def forward(_, x, weight):
            return functional.conv2d(x, weight)

        @staticmethod
        def backward(*_):
            return None, None

    model = Calls(lambda m, x: Own.apply(x, m.conv.weight), conv=CONV())
    assert counted(model, *SQUARE()).total.macs == CONV_MACS


def test_a_function_of_the_same_name_in_another_library_is_not_taken_for_torch_s():
    def conv2d(x, weight):
        return x * weight

    model = Calls(lambda _, x: conv2d(x, 2))
    assert counted(model, *SQUARE()).total.macs == 0
