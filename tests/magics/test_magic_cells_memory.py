"""A cell under ``%%convprofile`` keeps nothing of its steps and models."""

import gc
import tracemalloc

import torch
from torch import nn

from magics.cell import profile_cell


def test_memory_does_not_grow_with_the_number_of_steps():
    net, x, held = nn.Conv2d(1, 1, 1), torch.rand(1, 1, 2, 2), []

    def steps(number):
        def cell():
            for _ in range(number):
                net(x).sum().backward()
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])

        tracemalloc.start()
        found = profile_cell(cell, {"net": net})
        tracemalloc.stop()
        assert found.profile.layers[0].calls == number
        return held.pop()

    assert steps(6000) < steps(1000) + 5000 * 20  # less than a number for each step


def test_models_made_in_a_loop_are_not_kept():
    x = torch.rand(1, 1, 2, 2)
    alive = []

    def cell():
        import weakref

        for _ in range(20):
            net = nn.Conv2d(1, 1, 1)
            net(x)
            alive.append(weakref.ref(net))

    found = profile_cell(cell, {})
    assert sum(ref() is not None for ref in alive) <= 1
    assert found.profile.layers[0].calls == 20
