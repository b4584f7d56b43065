"""A network built twice at once: in torch, and as a graph of index maps."""

import random
from fractions import Fraction
from itertools import product

import pytest
import torch
from torch.nn import functional

from magics.theory import axis_maps
from magics.theory.graph import Edge, Node, graph_of
from magics.theory.index_sets import positions

CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d}
AVG_POOL = {1: functional.avg_pool1d, 2: functional.avg_pool2d}
MAX_POOL = {1: functional.max_pool1d, 2: functional.max_pool2d}
ADAPTIVE = {1: functional.adaptive_avg_pool1d, 2: functional.adaptive_avg_pool2d}
LINEAR = {1: "linear", 2: "bilinear"}

SMALLEST, LARGEST = 1, 40


class Twin:
    """A network whose weights are all one, so that no contribution can cancel another.

    Every tensor has one channel. The batch holds one image per input position, with a one
    there and zeros elsewhere: an output is non-zero exactly where it depends on the position.
    With `autograd` the batch is a single image of ones that asks for its gradient.
    """

    def __init__(self, size, *, autograd=False):
        self.dims = len(size)
        self.pixels = torch.Size(size).numel()
        if autograd:
            self.input = torch.ones(1, 1, *size, dtype=torch.float64, requires_grad=True)
        else:
            self.input = torch.eye(self.pixels, dtype=torch.float64).view(-1, 1, *size)
        self.nodes = [Node(0, tuple(size))]
        self.tensors = [self.input]

    @property
    def last(self):
        return len(self.nodes) - 1

    def size(self, node):
        return self.nodes[node].size

    def graph(self):
        return graph_of(self.nodes)

    def put(self, tensor, *edges):
        """Append a tensor, brought back to the order of 1, and return its id."""
        if not self.input.requires_grad:
            tensor = tensor / tensor.abs().max().clamp_min(1e-300)
        self.tensors.append(tensor)
        inputs = tuple(Edge(node, tuple(maps)) for node, maps in edges)
        self.nodes.append(Node(len(self.nodes), tuple(tensor.shape[2:]), inputs))
        return self.last

    def conv(self, node, kernel_size, stride, padding, dilation):
        weight = torch.ones(1, 1, *kernel_size, dtype=torch.float64)
        arguments = stride, padding, dilation
        out = CONV[self.dims](self.tensors[node], weight, None, *arguments)
        return self.put(out, (node, map(axis_maps.window, kernel_size, *arguments)))

    def conv_transpose(self, node, output_padding, *window):
        """Append a transposed convolution; `window` is as for `conv`."""
        kernel_size, stride, padding, dilation = window
        out = TRANSPOSED[self.dims](
            self.tensors[node],
            torch.ones(1, 1, *kernel_size, dtype=torch.float64),
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            dilation=dilation,
        )
        return self.put(out, (node, map(axis_maps.transposed_window, *window)))

    def pool(self, node, *window, ceil_mode=False, largest=False):
        function = (MAX_POOL if largest else AVG_POOL)[self.dims]
        out = function(self.tensors[node], *window, ceil_mode=ceil_mode)
        return self.put(out, (node, map(axis_maps.window, *window)))

    def adaptive(self, node, output_size):
        out = ADAPTIVE[self.dims](self.tensors[node], output_size)
        return self.put(out, (node, map(axis_maps.adaptive, self.size(node), output_size)))

    def nearest(self, node, output_size, *, exact=False):
        mode = "nearest-exact" if exact else "nearest"
        out = functional.interpolate(self.tensors[node], output_size, mode=mode)
        ratios = map(Fraction, self.size(node), output_size)
        return self.put(out, (node, (axis_maps.nearest(r, exact=exact) for r in ratios)))

    def linear(self, node, output_size, *, align_corners):
        out = functional.interpolate(
            self.tensors[node], output_size, mode=LINEAR[self.dims], align_corners=align_corners
        )
        maps = []
        for size, to in zip(self.size(node), output_size, strict=True):
            corners = Fraction(size - 1, to - 1) if to > 1 else Fraction(0)
            ratio = corners if align_corners else Fraction(size, to)
            maps.append(axis_maps.linear(ratio, align_corners=align_corners))
        return self.put(out, (node, maps))

    def pad(self, node, before, after, mode):
        amounts = [n for pair in zip(before, after, strict=True) for n in pair]
        pairs = [n for axis in reversed(range(self.dims)) for n in amounts[2 * axis : 2 * axis + 2]]
        out = functional.pad(self.tensors[node], pairs, mode=mode)
        edge = {"constant": "drop", "replicate": "clamp", "reflect": "reflect", "circular": "wrap"}
        return self.put(out, (node, (axis_maps.pad(n, edge[mode]) for n in before)))

    def crop(self, node, start, stop, step):
        slices = tuple(slice(*axis) for axis in zip(start, stop, step, strict=True))
        out = self.tensors[node][(..., *slices)]
        return self.put(out, (node, map(axis_maps.crop, start, step)))

    def add(self, first, second):
        """Join two maps, cropped to their common size, as a residual or U-Net does."""
        common = tuple(map(min, self.size(first), self.size(second)))
        zeros, ones = (0,) * self.dims, (1,) * self.dims
        parts = [
            node if self.size(node) == common else self.crop(node, zeros, common, ones)
            for node in (first, second)
        ]
        total = self.tensors[parts[0]] + self.tensors[parts[1]]
        return self.put(total, *((part, ()) for part in parts))

    def cat(self, first, second):
        """Concatenate two maps of any size along the first axis; the others are cropped."""
        common = tuple(map(min, self.size(first)[1:], self.size(second)[1:]))
        ones = (1,) * self.dims
        parts = [
            self.crop(node, (0,) * self.dims, (self.size(node)[0], *common), ones)
            for node in (first, second)
        ]
        out = torch.cat([self.tensors[part] for part in parts], dim=2)
        rest = (axis_maps.IDENTITY,) * (self.dims - 1)
        offsets = (0, self.size(parts[0])[0])
        return self.put(
            out,
            *((part, (axis_maps.piece(o), *rest)) for part, o in zip(parts, offsets, strict=True)),
        )

    def excite(self, node):
        """Add the global mean to every position, as squeeze-and-excitation multiplies it."""
        out = self.tensors[node] + self.tensors[node].mean(
            tuple(range(2, 2 + self.dims)), keepdim=True
        )
        return self.put(out, (node, ()), (node, (axis_maps.WHOLE,) * self.dims))

    def seen(self, node, unit):
        """Return the input positions that a unit depends on, found by perturbation."""
        column = self.tensors[node][(slice(None), 0, *unit)].view(self.input.shape[2:])
        return {tuple(index) for index in above_rounding(column).tolist()}

    def gradient_support(self, node, unit):
        """Return the input positions at which the gradient of a unit is not zero."""
        output = self.tensors[node][(0, 0, *unit)]
        (gradient,) = torch.autograd.grad(output, self.input, retain_graph=True, allow_unused=True)
        if gradient is None:
            return set()
        return {tuple(index) for index in above_rounding(gradient[0, 0]).tolist()}


class Architect:
    """Draws networks at random and builds them twice.

    Args:
        draw: Source of chance.
        regular: Only operations that have a description on an unbounded map.
        smooth: Only operations whose gradient is that of every element (no max pool).
    """

    def __init__(self, draw: random.Random, *, regular=False, smooth=False):
        self.draw = draw
        self.regular = regular
        self.smooth = smooth

    def grow(self, twin, steps):
        for _ in range(steps):
            names = ["conv", "conv", "transposed", "pool", "nearest", "add", "crop", "constant_pad"]
            if not self.regular:
                names += ["linear", "adaptive", "resize", "corners", "pad", "cat", "excite"]
            before = len(twin.nodes), len(twin.tensors)
            try:
                getattr(self, self.draw.choice(names))(twin)
            except (RuntimeError, ValueError):  # torch refuses the arguments: draw others
                del twin.nodes[before[0] :], twin.tensors[before[1] :]
            else:
                fits = all(SMALLEST <= n <= self.largest(twin) for n in twin.size(twin.last))
                if not fits:
                    del twin.nodes[before[0] :], twin.tensors[before[1] :]

    def largest(self, twin):
        return 2 * max(twin.size(0)) if self.regular else LARGEST

    def numbers(self, twin, low, high):
        return tuple(self.draw.randint(low, high) for _ in range(twin.dims))

    def node(self, twin):
        return twin.last if self.draw.random() < 0.7 else self.draw.randint(0, twin.last)

    def conv(self, twin):
        kernel_size = self.numbers(twin, 1, 4)
        stride = self.draw.choice([(1,) * twin.dims, self.numbers(twin, 1, 4)])
        padding, dilation = self.numbers(twin, 0, 4), self.numbers(twin, 1, 3)
        twin.conv(self.node(twin), kernel_size, stride, padding, dilation)

    def transposed(self, twin):
        window = [self.numbers(twin, *limits) for limits in ((1, 4), (1, 3), (0, 2), (1, 3))]
        twin.conv_transpose(self.node(twin), self.numbers(twin, 0, 1), *window)

    def pool(self, twin):
        kernel_size = self.numbers(twin, 1, 4)
        padding = tuple(self.draw.randint(0, k // 2) for k in kernel_size)
        twin.pool(
            self.node(twin),
            kernel_size,
            self.numbers(twin, 1, 4),
            padding,
            ceil_mode=self.draw.random() < 0.5,
            largest=not self.smooth and self.draw.random() < 0.5,
        )

    def nearest(self, twin):
        node = self.node(twin)
        size = [n * f for n, f in zip(twin.size(node), self.numbers(twin, 1, 3), strict=True)]
        twin.nearest(node, size, exact=self.draw.random() < 0.5)

    def resize(self, twin):
        twin.nearest(self.node(twin), self.numbers(twin, 1, 20), exact=self.draw.random() < 0.5)

    def linear(self, twin):
        twin.linear(self.node(twin), self.numbers(twin, 1, 20), align_corners=False)

    def corners(self, twin):
        twin.linear(self.node(twin), self.numbers(twin, 1, 20), align_corners=True)

    def adaptive(self, twin):
        twin.adaptive(self.node(twin), self.numbers(twin, 1, 8))

    def constant_pad(self, twin):
        amounts = self.numbers(twin, -1, 3), self.numbers(twin, -1, 3)
        twin.pad(self.node(twin), *amounts, "constant")

    def pad(self, twin):
        mode = self.draw.choice(["replicate", "reflect", "circular"])
        twin.pad(self.node(twin), self.numbers(twin, 0, 3), self.numbers(twin, 0, 3), mode)

    def crop(self, twin):
        node = self.node(twin)
        start, step = self.numbers(twin, 0, 2), self.numbers(twin, 1, 2)
        twin.crop(node, start, twin.size(node), step)

    def add(self, twin):
        first, second = self.draw.randint(0, twin.last), twin.last
        if self.regular and not self._alike(twin, first, second):
            return
        twin.add(first, second)

    def cat(self, twin):
        twin.cat(self.draw.randint(0, twin.last), twin.last)

    def excite(self, twin):
        twin.excite(self.node(twin))

    def _alike(self, twin, first, second):
        return twin.size(first) == twin.size(second)


def above_rounding(values):
    """Return where values are not zero; linear resizing leaves some at 1e-16 of the largest."""
    return (values > 1e-13 * values.max()).nonzero()


def points(boxes):
    """Return the points of a union of boxes."""
    found = set()
    for box in boxes:
        found.update(product(*map(positions, box)))
    return found


@pytest.fixture
def twin():
    return Twin


@pytest.fixture
def architect():
    return Architect


@pytest.fixture
def points_of():
    return points
