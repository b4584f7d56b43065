"""Fields of whole models: published figures, special inputs, and what is said without a field.

Source of the published sizes: Araujo, Norris and Sim, Distill 2019.
"""

import importlib

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812, the name everybody knows

import magics


def fields(model, *inputs, **options):
    profile = magics.profile(model.eval(), *inputs, measure=False, **options)
    return {row.name: row.receptive_field for row in profile.layers}


def on_meta(module, name):
    """Return a model of pytorchcv without weights."""
    make = getattr(importlib.import_module(f"pytorchcv.models.{module}"), name)
    with torch.device("meta"):
        return make()


PUBLISHED = [
    ("alexnet", "alexnet", "features.stage3.pool3", 195),
    ("vgg", "vgg16", "features.stage5.pool5", 212),
    ("resnet", "resnet18", "features.stage4.unit2.activ", 435),
    ("resnet", "resnet50", "features.stage4.unit3.activ", 483),
    ("resnet", "resnet101", "features.stage4.unit3.activ", 1027),
    ("resnet", "resnet152", "features.stage4.unit3.activ", 1507),
    ("mobilenet", "mobilenet_w1", "features.stage5.unit2.pw_conv.activ", 315),
    ("mobilenetv2", "mobilenetv2_w1", "features.final_block.activ", 491),
    ("inceptionv3", "inceptionv3", "features.stage3.unit3.branches", 1311),
]


@pytest.mark.parametrize(("module", "name", "row", "size"), PUBLISHED)
def test_real_models_have_their_published_sizes(module, name, row, size):
    side = 299 if "inception" in name else 224
    found = fields(on_meta(module, name), f"1x3x{side}x{side}", device="meta")
    seen = [field for path, field in found.items() if path.startswith(row)]
    # Inception's branches are longer along one axis or the other.
    assert tuple(map(max, zip(*(field.size for field in seen), strict=True))) == (size, size)
    assert all(field.stride == (32, 32) for field in seen)


def test_squeeze_and_excitation_sees_the_whole_input():
    found = fields(on_meta("efficientnet", "efficientnet_b0"), "1x3x224x224", device="meta")
    assert all(field is not None for field in found.values())
    assert found["output.fc"].size == (224, 224)
    assert found["output.fc"].whole_input


@pytest.mark.parametrize(
    ("dilations", "size", "touched"),
    [((2, 2, 2), 13, 49), ((1, 2, 4), 15, 225), ((1, 2, 5), 17, 289)],
)
def test_gridding_is_a_coverage_below_one(dilations, size, touched):
    layers = [nn.Conv2d(1, 1, 3, padding=d, dilation=d) for d in dilations]
    field = fields(nn.Sequential(*layers), torch.randn(1, 1, 64, 64))["2"]
    assert (field.size, field.padding) == ((size, size), (size // 2, size // 2))
    assert field.coverage == pytest.approx(touched / size**2)


class Pyramid(nn.Module):
    """Parallel dilated branches and image pooling, as in DeepLab v3."""

    def __init__(self, *, pooling):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(2, 2, 3, padding=d, dilation=d) for d in (6, 12, 18)
        )
        self.pooling = pooling
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        parts = [branch(x) for branch in self.branches]
        pooled = F.adaptive_avg_pool2d(x, 1)
        parts.append(F.interpolate(pooled, x.shape[2:], mode="bilinear") if self.pooling else x)
        return self.last(torch.cat(parts, 1))


def test_a_dilated_pyramid_touches_few_pixels_unless_it_pools_the_image():
    image = torch.randn(1, 2, 65, 65)
    found = fields(Pyramid(pooling=False), image)
    assert [found[f"branches.{n}"].size[0] for n in range(3)] == [13, 25, 37]
    assert found["branches.0"].coverage == pytest.approx(9 / 169)
    assert (found["last"].size, found["last"].coverage) == ((37, 37), pytest.approx(25 / 37**2))
    whole = fields(Pyramid(pooling=True), image)["last"]
    assert (whole.size, whole.coverage, whole.whole_input) == ((65, 65), 1, True)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = nn.Conv2d(1, 2, 3, padding=1)
        self.down2 = nn.Conv2d(2, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 2, 2, 2)
        self.last = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x):
        here = self.down1(x)
        below = self.down2(F.max_pool2d(here, 2))
        return self.last(torch.cat([here, self.up(below)], 1))


def test_a_u_net_sees_by_its_deeper_branch():
    found = fields(UNet(), torch.randn(1, 1, 64, 64))
    # 3 and 4 after the pool, 4 + 2 * 2 = 8; up: 8; one more 3x3 reaches two coarse units.
    assert [found[n].size[0] for n in ("down1", "down2", "up", "last")] == [3, 8, 8, 10]
    assert found["up"].stride == (1, 1)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return F.conv2d(self.conv(self.conv(x)), self.conv.weight)


def test_every_call_of_a_shared_layer_has_its_own_field():
    profile = magics.profile(Twice(), torch.randn(1, 2, 16, 16), measure=False)
    assert [row.receptive_field.size[0] for row in profile.layers] == [3, 5, 7]


SEQUENCES = [
    (nn.Conv1d(1, 2, 3), nn.MaxPool1d(2), (1, 1, 32), (4,)),
    (nn.Conv1d(1, 2, 3), nn.AvgPool1d(2), (1, 32), (4,)),
    (nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), (1, 32, 32), (4, 4)),
    (nn.Conv3d(1, 2, 3), nn.MaxPool3d((1, 2, 2)), (1, 1, 9, 9, 9), (3, 4, 4)),
]


@pytest.mark.parametrize(("conv", "pool", "shape", "size"), SEQUENCES)
def test_signals_volumes_and_inputs_without_a_batch_have_fields(conv, pool, shape, size):
    found = fields(nn.Sequential(conv, pool), torch.randn(shape))
    assert found["1"].size == size


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_memory_format_and_script_change_nothing():
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3, 2)).eval()
    image = torch.randn(1, 2, 32, 32)
    plain = fields(model, image)
    last = plain["2"]
    assert fields(model, image.to(memory_format=torch.channels_last)) == plain
    assert last in fields(torch.jit.script(model), image).values()


@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
def test_any_padding_counts_as_padding(mode):
    layers = [nn.Conv2d(2, 2, 3, padding=p, padding_mode=mode) for p in (1, 2)]
    field = fields(nn.Sequential(*layers), torch.randn(1, 2, 32, 32))["1"]
    assert (field.size, field.stride, field.padding) == ((5, 5), (1, 1), (3, 3))


def test_batch_norm_in_training_mode_is_noted():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    profile = magics.profile(model, torch.randn(2, 1, 8, 8), measure=False)
    assert profile.layers[1].receptive_field.size == (3, 3)
    assert any("whole batch" in warning for warning in profile.warnings)


class Sampled(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 1, 3)
        self.second = nn.Conv2d(1, 1, 3)

    def forward(self, x):
        grid = torch.zeros(1, 5, 5, 2, device=x.device)
        return self.second(F.grid_sample(self.first(x), grid, align_corners=False))


def test_where_a_field_cannot_be_followed_none_is_given_and_the_reason_said():
    profile = magics.profile(Sampled(), torch.randn(1, 1, 16, 16), measure=False)
    first, second = profile.layers
    assert first.receptive_field.size == (3, 3)
    assert second.receptive_field is None
    assert "No receptive field for 'second': aten::grid_sampler_2d can't be followed." in (
        profile.warnings
    )


def test_of_several_inputs_it_is_said_which_one_the_fields_are_in():
    def apart(x, y):
        return F.conv2d(x, torch.ones(1, 1, 3, 3)).sum() + F.conv2d(y, torch.ones(1, 1, 3, 3)).sum()

    profile = magics.profile(apart, "1x1x9x16", "1x1x8x8", measure=False)
    assert profile.input_space == (9, 16)
    assert any(
        "depend on the input (of several, the one of 1x1x9x16)." in text
        for text in profile.warnings
    )


def test_what_has_no_image_has_no_field_and_no_warning():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    profile = magics.profile(model, torch.randn(2, 8), measure=False)
    assert [row.receptive_field for row in profile.layers] == [None, None]
    assert not profile.warnings


def test_fields_can_be_left_out():
    found = fields(Twice(), torch.randn(1, 2, 16, 16), receptive_field=False)
    assert set(found.values()) == {None}


def test_a_map_that_shrank_to_one_position_still_grows_its_field():
    layers = [nn.Conv2d(1, 1, 3, 2, 1) for _ in range(4)]
    found = fields(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1)), torch.randn(1, 1, 4, 4))
    assert [found[str(n)].size[0] for n in range(5)] == [3, 7, 15, 31, 4]
    assert found["4"].whole_input


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (lambda: on_meta("densenet", "densenet201"), "1x3x224x224"),
        (lambda: nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(1000)]), "1x1x64x64"),
        (lambda: nn.Sequential(nn.Conv2d(1, 1, 3, 2, 1), nn.MaxPool2d(2)), "1x1x4096x4096"),
    ],
)
def test_large_graphs_and_inputs_are_followed_to_their_ends(model, shape):
    with torch.device("meta"):
        found = fields(model(), shape, device="meta")
    assert all(field is not None for field in found.values())


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
def test_activations_and_norms_over_channels_leave_the_field_as_it_is(train):
    modules = [
        nn.ReLU(), nn.ReLU6(), nn.ELU(), nn.CELU(), nn.SELU(), nn.GELU(), nn.SiLU(), nn.Mish(),
        nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh(), nn.Hardshrink(), nn.Softshrink(),
        nn.Softplus(), nn.Softsign(), nn.Tanh(), nn.Tanhshrink(), nn.Threshold(0.1, 1),
        nn.LeakyReLU(), nn.PReLU(), nn.RReLU(), nn.LogSigmoid(), nn.Sigmoid(), nn.Softmax2d(),
        nn.LogSoftmax(1), nn.Dropout(), nn.Dropout2d(), nn.AlphaDropout(), nn.BatchNorm2d(8),
        nn.LocalResponseNorm(3), nn.GLU(1),
    ]  # fmt: skip
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *modules).train(train)

    layers = magics.profile(net, "2x3x12x12", measure=False).layers

    assert [row.name for row in layers if row.receptive_field.size != (3, 3)] == []
