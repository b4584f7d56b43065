"""Fields read off a run equal the support of the gradient, on networks drawn at random."""

import functools

import pytest
import torch
from probing import drawn, gradient_support, read, read_support, some_units
from random_networks import RandomNetwork

import magics


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
    assert compare(seed, functools.partial(RandomNetwork, odd=False))


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
    network, image = drawn(seed, functools.partial(RandomNetwork, odd=False))
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
