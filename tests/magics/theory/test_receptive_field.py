"""Receptive fields equal what perturbation and the gradient of real networks show."""

import random
from itertools import product

import pytest

from magics.theory.graph import touched
from magics.theory.receptive_field import receptive_field


@pytest.mark.parametrize("seed", range(300))
def test_every_unit_of_a_random_one_dimensional_network_sees_what_perturbation_shows(
    seed, twin, architect, points_of
):
    draw = random.Random(seed)
    network = twin((draw.randint(8, 32),))
    architect(draw).grow(network, draw.randint(2, 8))
    graph = network.graph()
    for node in range(1, len(graph)):
        for unit in product(*map(range, graph[node].size)):
            assert points_of(touched(graph, node, unit, 0)) == network.seen(node, unit)


@pytest.mark.parametrize("seed", range(200))
def test_corners_and_centre_of_a_random_image_network_see_what_perturbation_shows(
    seed, twin, architect, points_of
):
    draw = random.Random(seed)
    network = twin((draw.randint(6, 16), draw.randint(6, 16)))
    architect(draw).grow(network, draw.randint(2, 7))
    graph = network.graph()
    for node in range(1, len(graph)):
        height, width = graph[node].size
        for unit in product({0, height // 2, height - 1}, {0, width // 2, width - 1}):
            assert points_of(touched(graph, node, unit, 0)) == network.seen(node, unit)


@pytest.mark.parametrize("seed", range(200))
def test_a_random_network_sees_where_its_gradient_is_not_zero(seed, twin, architect, points_of):
    draw = random.Random(seed)
    size = (draw.randint(10, 32),) if seed % 2 else (draw.randint(8, 16), draw.randint(8, 16))
    network = twin(size, autograd=True)
    architect(draw, smooth=True).grow(network, draw.randint(2, 7))
    graph, node = network.graph(), network.last
    units = {tuple(at) for at in ([0] * len(size), [n - 1 for n in graph[node].size])}
    for unit in units | {tuple(n // 2 for n in graph[node].size)}:
        assert points_of(touched(graph, node, unit, 0)) == network.gradient_support(node, unit)


def extents(seen):
    """Return the extent of a set of positions per axis."""
    return tuple(max(axis) - min(axis) + 1 for axis in zip(*seen, strict=True))


@pytest.mark.parametrize("seed", range(250))
def test_size_is_the_largest_extent_that_perturbation_shows_inside_a_large_input(
    seed, twin, architect
):
    draw = random.Random(seed)
    network = twin((240,) if seed % 4 else (28, 30))
    architect(draw, regular=True).grow(network, draw.randint(2, 6))
    field = receptive_field(network.graph(), network.last)
    roomy = all(3 * n < of for n, of in zip(field.size, network.size(0), strict=True))
    if not roomy or field.bounded:
        return
    size = network.size(network.last)
    sights = {unit: network.seen(network.last, unit) for unit in product(*map(range, size))}
    shown = [extents(seen) for seen in sights.values() if seen]
    assert field.size == (tuple(map(max, zip(*shown, strict=True))) if shown else (0,) * len(size))

    middle = tuple(n // 2 for n in size)
    seen = sights[middle]
    if not seen:
        assert field.coverage == 0
        return
    starts = [min(axis) for axis in zip(*seen, strict=True)]
    stops = [max(axis) + 1 for axis in zip(*seen, strict=True)]
    inside = all(n < start for n, start in zip(field.size, starts, strict=True)) and all(
        stop < of - n for n, stop, of in zip(field.size, stops, network.size(0), strict=True)
    )
    if inside:
        assert field.centre_size == extents(seen)
        area = 1
        for n in field.centre_size:
            area *= n
        assert field.coverage == pytest.approx(100 * len(seen) / area)
        for axis, (stride, padding) in enumerate(zip(field.stride, field.padding, strict=True)):
            if stride.denominator == 1 and field.size == field.centre_size and padding is not None:
                assert starts[axis] == middle[axis] * stride - padding
