"""What has no formula is listed, never counted as nothing; users can add formulas."""

import warnings

import pytest
import torch
from nets import CONV, CONV_MACS, SQUARE, Calls
from torch import nn
from torch.nn import functional

import magics


def counted(model, *inputs, **options):
    return magics.profile(model, *inputs, measure=False, receptive_field=False, **options)


@torch.library.custom_op("magics_tests::triple", mutates_args=())
def triple(x: torch.Tensor) -> torch.Tensor:
    return 3 * x


@pytest.fixture
def formulas():
    """Forget what a test registers."""
    from magics.theory import formulas

    before = dict(formulas._forward), dict(formulas._backward)
    yield
    for registry, kept in zip((formulas._forward, formulas._backward), before, strict=True):
        registry.clear()
        registry.update(kept)


@pytest.mark.parametrize(
    ("function", "op"),
    [
        (lambda x: torch.fft.rfft2(x).abs(), "aten::_fft_r2c"),
        (lambda x: x.flatten().topk(3)[0], "aten::topk"),
        (lambda x: x.sort()[0], "aten::sort"),
        (torch.linalg.svdvals, "aten::_linalg_svd"),
        (torch.ops.magics_tests.triple, "magics_tests::triple"),
    ],
)
def test_an_operator_without_a_formula_is_listed_with_its_place(function, op):
    model = nn.Sequential(CONV(), Calls(lambda _, x: function(x)))
    profile = counted(model, *SQUARE())
    (found,) = profile.uncounted
    assert (found.op, found.layer, found.calls) == (op, "1", 1)
    assert str(found) == f"{op} in 1"
    assert profile.total.macs == CONV_MACS


def test_calls_of_an_uncounted_operator_are_counted():
    model = Calls(lambda _, x: x.sort()[0].sort()[0].sort()[0])
    (found,) = counted(model, torch.randn(5)).uncounted
    assert (found.op, found.layer, found.calls) == ("aten::sort", "", 3)
    assert str(found) == "aten::sort in the model (3 calls)"


def test_every_activation_norm_and_padding_of_torch_is_counted():
    layers = [
        nn.ELU(), nn.Hardshrink(), nn.Hardsigmoid(), nn.Hardtanh(), nn.Hardswish(), nn.LeakyReLU(),
        nn.LogSigmoid(), nn.PReLU(), nn.ReLU(), nn.ReLU6(), nn.RReLU(), nn.SELU(), nn.CELU(),
        nn.GELU(), nn.Sigmoid(), nn.SiLU(), nn.Mish(), nn.Softplus(), nn.Softshrink(),
        nn.Softsign(), nn.Tanh(), nn.Tanhshrink(), nn.Threshold(0.1, 0), nn.Softmin(1),
        nn.Softmax(1), nn.LogSoftmax(1), nn.Softmax2d(),
        nn.GroupNorm(1, 3), nn.InstanceNorm2d(3), nn.LayerNorm([8, 8]), nn.RMSNorm(8),
        nn.LocalResponseNorm(2), nn.BatchNorm2d(3), nn.Dropout(), nn.Dropout2d(), nn.AlphaDropout(),
    ]  # fmt: skip
    profile = counted(nn.Sequential(*layers).train(), torch.rand(2, 3, 8, 8))
    assert profile.uncounted == ()
    assert all(row.elementwise_flops > 0 for row in profile.layers)
    moves = [
        nn.ZeroPad2d(1), nn.ReflectionPad2d(1), nn.ReplicationPad2d(1), nn.CircularPad2d(1),
        nn.ConstantPad2d(1, 2.0), nn.PixelShuffle(1), nn.PixelUnshuffle(2), nn.Flatten(),
        nn.Identity(),
    ]  # fmt: skip
    profile = counted(nn.Sequential(*moves), torch.rand(2, 3, 8, 8))
    assert profile.uncounted == ()
    assert profile.total.elementwise_flops == 0


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area", "nearest-exact"])
def test_every_way_to_resize_is_counted(mode):
    assert counted(nn.Upsample(scale_factor=2, mode=mode), *SQUARE()).uncounted == ()


def test_losses_are_counted():
    def losses(_, x):
        return (
            functional.cross_entropy(x, torch.tensor([1, 2])) + functional.mse_loss(x, x)
            + functional.smooth_l1_loss(x, x) + functional.l1_loss(x, x)
            + functional.binary_cross_entropy_with_logits(x, x)
        )  # fmt: skip

    assert counted(Calls(losses), torch.rand(2, 5)).uncounted == ()


@pytest.mark.usefixtures("formulas")
def test_a_user_s_module_gets_a_formula_by_its_class():
    class Gated(nn.Module):
        kernel_size = 3

        def forward(self, x):
            return torch.ops.magics_tests.triple(x)

    @magics.register_formula("Gated")
    def gated(layer):
        return magics.Cost(
            macs=layer.output_elements * layer.kernel_size[0], bytes_read=layer.itemsize
        )

    x = SQUARE()[0]
    profile = counted(nn.Sequential(CONV(), Gated()), x)
    row = profile.layers[1]
    assert (row.kind, row.macs, row.bytes_moved) == ("Gated", 144 * 3, 4)
    assert profile.uncounted == ()
    with_backward = counted(nn.Sequential(CONV(), Gated()), x, backward=True)
    assert [str(item) for item in with_backward.uncounted] == ["Gated (backward) in 1"]
    magics.register_formula("Gated", backward=True)(lambda _: magics.Cost(macs=7))
    with_backward = counted(nn.Sequential(CONV(), Gated()), x, backward=True)
    assert with_backward.layers[1].backward_macs == 7
    assert with_backward.uncounted == ()


@pytest.mark.usefixtures("formulas")
def test_a_user_s_operator_gets_a_formula_by_its_name():
    magics.register_formula("magics_tests::triple")(
        lambda layer: magics.Cost(elementwise_flops=layer.output_elements)
    )
    model = Calls(lambda m, x: torch.ops.magics_tests.triple(m.conv(x)), conv=CONV())
    profile = counted(model, *SQUARE())
    assert profile.uncounted == ()
    row = profile.layers[1]
    assert (row.name, row.kind, row.elementwise_flops) == ("triple()", "magics_tests::triple", 144)


@pytest.mark.usefixtures("formulas")
def test_a_second_formula_for_a_kind_is_refused():
    magics.register_formula("Mine")(lambda _: magics.Cost())
    for kind in ("Mine", "conv2d"):
        with pytest.raises(magics.ConvProfileError, match=f"kind '{kind}' has a forward formula"):
            magics.register_formula(kind)(lambda _: magics.Cost())
    with pytest.raises(magics.ConvProfileError, match="no kind given"):
        magics.register_formula()


def test_sparse_products_are_listed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Calls(lambda _, x: torch.sparse.mm(x.to_sparse(), x))
        profile = counted(model, torch.eye(5))
    assert [item.op for item in profile.uncounted] == ["aten::_sparse_addmm"]
