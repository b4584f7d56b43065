"""Fields read off a run equal the support of the gradient, on networks drawn at random."""

import pytest
import torch
from plain_networks import CONV, PlainNetwork
from probing import drawn, gradient_support, read, read_support, some_units
from random_networks import RandomNetwork

import magics
from magics.measurement.fields import canvas


def compare(seed, make):
    network, image = drawn(seed, make)
    found = read(network, image)
    if id(network) not in found.nodes:
        assert found.reasons[id(network)]  # said, and no number given
        return False
    assert found.axes == tuple(range(2, image.dim()))
    network.probing = True
    support, sizes = gradient_support(network, image)
    for unit in some_units(sizes):
        assert read_support(found, network, unit) == support(unit), (network.ran, unit)
    return True


@pytest.mark.parametrize("seed", range(100))
def test_a_random_network_of_layers_sees_where_its_gradient_is_not_zero(seed):
    assert compare(seed, PlainNetwork)


@pytest.mark.parametrize("seed", range(150))
def test_a_random_network_of_any_operators_sees_where_its_gradient_is_not_zero(seed):
    compare(seed, RandomNetwork)


def test_hardly_any_random_network_has_no_field():
    answers = []
    for seed in range(40):
        network, image = drawn(seed, RandomNetwork)
        answers.append(id(network) in read(network, image).nodes)
    assert sum(answers) > 35


class Reported(torch.nn.Module):
    """Ends in a layer of its own, so that the profile's last row is about all before it."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.last = torch.nn.Identity()

    def forward(self, x):
        return self.last(self.network(x))


@pytest.mark.parametrize("seed", range(60))
def test_the_profile_reports_size_and_coverage_of_an_inner_unit(seed):
    network, image = drawn(seed, PlainNetwork)
    row = magics.profile(Reported(network), image, measure=False).layers[-1]
    field = row.receptive_field
    network.probing = True
    support, sizes = gradient_support(network, image)
    seen = support(tuple(n // 2 for n in sizes))
    if not seen:
        return
    low = [min(axis) for axis in zip(*seen, strict=True)]
    high = [max(axis) for axis in zip(*seen, strict=True)]
    extent = tuple(b - a + 1 for a, b in zip(low, high, strict=True))
    inside = all(
        size <= a and b < of - size
        for size, a, b, of in zip(field.size, low, high, image.shape[2:], strict=True)
    )
    assert all(a <= b or n == 1 for a, b, n in zip(extent, field.size, sizes, strict=True))
    if inside and all(step >= 1 for step in field.stride):
        area = torch.Size(extent).numel()
        assert field.coverage == pytest.approx(len(seen) / area)


class Unpooled(torch.nn.Module):
    """A convolution between a max pool and its inverse.

    It has two channels: where an element goes back to, its own channel's largest was there too.
    """

    def __init__(self, dims, kernel_size, stride, padding):
        super().__init__()
        self.dims, self.window = dims, (kernel_size, stride, padding)
        self.conv = CONV[dims](2, 2, 3, padding=1, bias=False).double()
        torch.nn.init.uniform_(self.conv.weight, 0.5, 1.5)

    def forward(self, x):
        pool = getattr(torch.nn.functional, f"max_pool{self.dims}d")
        unpool = getattr(torch.nn.functional, f"max_unpool{self.dims}d")
        largest, indices = pool(x, *self.window, return_indices=True)
        return unpool(self.conv(largest), indices, *self.window, output_size=x.shape)


@pytest.mark.parametrize(
    ("dims", "window", "size"),
    [(1, (2, 2, 0), 8), (1, (3, 2, 1), 8), (2, (2, 2, 0), 4), (2, (3, 2, 1), 4), (3, (2, 2, 0), 2)],
)
def test_an_unpooled_map_sees_all_that_some_image_makes_it_see(dims, window, size):
    torch.manual_seed(0)
    network = Unpooled(dims, *window)
    shape = (1, 2) + (size,) * dims
    images = [torch.rand(shape, dtype=torch.float64) for _ in range(150)]
    found = read(network, images[0])
    supports = [gradient_support(network, image)[0] for image in images]
    for unit in [(0,) * dims, (size // 2,) * dims]:
        seen = set().union(*(support(unit) for support in supports))
        assert read_support(found, network, unit) == seen, unit


class Elsewhere(torch.nn.Module):
    """Unpools with indices of its own, or to another size."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        largest, indices = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
        if not self.size:
            return torch.nn.functional.max_unpool2d(largest, torch.zeros_like(indices), 2)
        return torch.nn.functional.max_unpool2d(largest, indices, 2, output_size=self.size)


@pytest.mark.parametrize(("size", "reason"), [((), "aren't those of"), ((9, 8), "another size")])
def test_unpooling_to_where_nothing_was_pooled_has_no_field(size, reason):
    network, image = Elsewhere(size), torch.rand(1, 1, 8, 8)
    found = read(network, image)
    assert reason in found.reasons[id(network)]


class Entangled(torch.nn.Module):
    """Gives every channel a field of its own, again and again."""

    def __init__(self, times):
        super().__init__()
        self.first = torch.nn.Conv2d(1, 1, 3, padding=1)
        self.last = torch.nn.Conv2d(64, 1, 3)
        self.times = times

    def forward(self, x):
        x = self.first(x).expand(1, 64, -1, -1)
        for time in range(self.times):
            x = torch.cat([x[:, n : n + 1].roll(n * time, 2) for n in range(64)], 1)
            x = torch.nn.functional.avg_pool2d(x, (3, 1), 1, (1, 0))
        return self.last(x)


def test_a_graph_too_intricate_to_follow_is_given_up_with_one_sentence(monkeypatch):
    monkeypatch.setattr(canvas, "MAX_WORK", 2000)
    profile = magics.profile(Entangled(20), torch.rand(1, 1, 16, 16), measure=False)
    fields = [row.receptive_field for row in profile.layers]
    assert fields[0].size == (3, 3)
    assert fields[-1] is None
    (said,) = [text for text in profile.warnings if "receptive field" in text]
    assert said.endswith("to follow it takes more than 2,000 steps of work.")
    assert magics.profile(Entangled(1), "1x1x16x16", measure=False).layers[-1].receptive_field
