"""Two views of one network: its graph as it was read, and the support of its gradient."""

import random
from itertools import product

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from magics.measurement.fields.survey import survey
from magics.measurement.fields.tape import Tape
from magics.theory.graph import touched
from magics.theory.index_sets import positions

SIZES = {1: (12, 30), 2: (8, 16), 3: (5, 8)}
NOTHING = 1e-13  # relative size of gradients that are rounding only


class Operators(TorchDispatchMode):
    def __init__(self, tape):
        super().__init__()
        self.tape = tape

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.tape.run(func, args, kwargs or {})


class Functions(TorchFunctionMode):
    def __init__(self, tape):
        super().__init__()
        self.tape = tape

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return self.tape.run_function(func, args, kwargs or {})


def read(network, image):
    """Run a network and return the survey of its fields; the network itself asks."""
    tape = Tape([image])
    with torch.no_grad(), Operators(tape), Functions(tape):
        tape.mark(network, network(image))
    return survey(tape)


def gradient_support(network, image):
    """Return a function from units to the input positions at which their gradient is not 0."""
    image = image.clone().requires_grad_()
    output = network(image)
    weights = torch.rand(output.shape[1], dtype=torch.float64) + 0.5

    def support(unit):
        if not output.requires_grad:
            return set()
        value = (output[(0, slice(None), *unit)] * weights).sum()
        (gradient,) = torch.autograd.grad(value, image, retain_graph=True, allow_unused=True)
        if gradient is None:
            return set()
        gradient = gradient.abs().sum((0, 1))
        return {tuple(at) for at in (gradient > NOTHING * gradient.max()).nonzero().tolist()}

    return support, output.shape[2:]


def read_support(found, network, unit):
    """Return the input positions that a unit depends on by what was read."""
    node = found.nodes[id(network)]
    # Along an axis that was mixed, every unit is the same.
    size = found.graph[node].size
    at = tuple(0 if length == 1 else place for place, length in zip(unit, size, strict=True))
    boxes = touched(found.graph, node, at, min(found.graph))
    return {point for box in boxes for point in product(*map(positions, box))}


def drawn(seed, make):
    """Draw a network and an image for it."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    dims = draw.choice([1, 1, 2, 2, 2, 3])
    size = tuple(draw.randint(*SIZES[dims]) for _ in range(dims))
    network = make(draw, dims, draw.randint(2, 7))
    image = torch.rand(2, 4, *size, dtype=torch.float64) + 0.5
    with torch.no_grad():
        network(image)
    return network, image


def some_units(sizes):
    """Return corners, edges and the centre."""
    return sorted(set(product(*({0, n // 2, n - 1} for n in sizes))))
