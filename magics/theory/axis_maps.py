"""Which input positions an output position meets along one axis, for each kind of operation.

Every operation that a receptive field passes through repeats itself along an axis: the output
positions ``period * n + phase`` meet the input positions ``step * n + tap`` for each tap of
the phase. A convolution has one phase and its stride as step; a transposed convolution with
stride s has s phases and step 1. Positions outside the input are dealt with by `edge`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Literal

from magics.theory.geometry import adaptive_window
from magics.theory.index_sets import positions, sample, spread

Edge = Literal["drop", "clamp", "reflect", "wrap"]


@dataclass(frozen=True, slots=True)
class AxisMap:
    """How one axis of an output depends on the same axis of an input.

    Attributes:
        taps: For each phase, the input positions that phase meets when n = 0.
        step: Input positions per period.
        edge: What a position outside the input means: nothing there (zero padding), the
            nearest position (clamp), the mirrored one (reflect), the opposite one (wrap).
        regular: The map holds on an unbounded axis too. False for pieces of a concatenation,
            broadcasts and whole-axis operations.
        whole: Every output position meets every input position.
        running: Every output position meets its own and all before it, or all after it; there
            are no taps then, for they would be as many as the square of the size.
    """

    taps: tuple[tuple[int, ...], ...] = ((0,),)
    step: int = 1
    edge: Edge = "drop"
    regular: bool = True
    whole: bool = False
    running: Literal["", "before", "after"] = ""

    @property
    def period(self) -> int:
        """Output positions after which the pattern repeats."""
        return len(self.taps)

    @property
    def is_identity(self) -> bool:
        """Whether every output position meets the same input position and no other."""
        return self == IDENTITY

    def image(self, mask: int, size: int) -> int:
        """Return the input positions that the output positions in `mask` meet.

        Args:
            mask: Set of output positions.
            size: Number of input positions; others are dealt with by `edge`.
        """
        if not mask:
            return 0
        if self.whole:
            return (1 << size) - 1
        if self.running == "before":
            return (1 << min(mask.bit_length(), size)) - 1
        if self.running == "after":
            return max(0, (1 << size) - (mask & -mask))
        margin = max(0, -min((tap for taps in self.taps for tap in taps), default=0))
        reached = 0
        if mask.bit_count() < self.period or mask.bit_length() <= self.period:
            for position in positions(mask):
                turn, phase = divmod(position, self.period)
                for tap in self.taps[phase]:
                    reached |= 1 << margin + turn * self.step + tap
            return self._bounded(reached, margin, size)
        for phase, taps in enumerate(self.taps):
            origins = spread(sample(mask, self.period, phase), self.step) << margin
            for tap in taps:
                reached |= origins << tap if tap >= 0 else origins >> -tap
        return self._bounded(reached, margin, size)

    def _bounded(self, reached: int, margin: int, size: int) -> int:
        inside = (reached >> margin) & ((1 << size) - 1)
        if self.edge == "drop" or not size:
            return inside
        before = reached & ((1 << margin) - 1)
        after = reached >> (margin + size)
        outside = [index - margin for index in positions(before)]
        outside += [index + size for index in positions(after)]
        for position in outside:
            inside |= 1 << self._folded(position, size)
        return inside

    def _folded(self, position: int, size: int) -> int:
        if self.edge == "clamp":
            return min(max(position, 0), size - 1)
        if self.edge == "wrap":
            return position % size
        if size == 1:
            return 0
        position %= 2 * (size - 1)
        return min(position, 2 * (size - 1) - position)


IDENTITY = AxisMap()
WHOLE = AxisMap(regular=False, whole=True)
BROADCAST = AxisMap(step=0, regular=False)
"""Every output position meets position 0 of an axis of size 1."""


def window(kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> AxisMap:
    """Return the map of a convolution or a pool: ``u * stride - padding + q * dilation``.

    Args:
        kernel_size: Taps along the axis.
        stride: Input positions per output position.
        padding: Padding before the input [elements].
        dilation: Distance of two taps [elements].

    Source: torch.nn.Conv2d; Araujo, Norris and Sim, Distill 2019.
    """
    return AxisMap((tuple(q * dilation - padding for q in range(kernel_size)),), stride)


def transposed_window(
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> AxisMap:
    """Return the map of a transposed convolution: ``(u + padding - q * dilation) / stride``.

    Only the taps for which the quotient is an integer count. The output padding makes the
    output longer and changes nothing here.

    Source: torch.nn.ConvTranspose2d: output position ``v * stride - padding + q * dilation``
    gets a contribution of input position v.
    """
    phases = []
    for phase in range(stride):
        offsets = (phase + padding - q * dilation for q in range(kernel_size))
        phases.append(tuple(sorted(o // stride for o in offsets if o % stride == 0)))
    return AxisMap(tuple(phases))


def adaptive(size: int, output_size: int) -> AxisMap:
    """Return the map of an adaptive pool from `size` to `output_size` positions.

    Source: ATen/native/AdaptivePooling.h.
    """
    if output_size == 1:
        return WHOLE
    ratio = Fraction(size, output_size)
    windows = (adaptive_window(unit, size, output_size) for unit in range(ratio.denominator))
    return AxisMap(tuple(tuple(range(*pair)) for pair in windows), ratio.numerator)


def nearest(ratio: Fraction, *, exact: bool = False) -> AxisMap:
    """Return the map of nearest-neighbour resizing: ``floor(u * ratio)``.

    Args:
        ratio: Input positions per output position.
        exact: Look at the middle of the output position ("nearest-exact").

    Source: ATen/native/UpSample.h, `nearest_neighbor_compute_source_index`.
    """
    middle = Fraction(1, 2) if exact else Fraction(0)
    units = range(ratio.denominator)
    return AxisMap(
        tuple((floor((unit + middle) * ratio),) for unit in units),
        ratio.numerator,
        edge="clamp",
    )


def linear(ratio: Fraction, *, align_corners: bool = False) -> AxisMap:
    """Return the map of linear resizing: the two neighbours, or one where it is hit exactly.

    Args:
        ratio: Input positions per output position; with `align_corners`
            (size - 1) / (output_size - 1).
        align_corners: The first positions of input and output coincide.

    Source: ATen/native/UpSample.h, `area_pixel_compute_source_index`.
    """
    phases = []
    for unit in range(ratio.denominator):
        at = unit * ratio if align_corners else (unit + Fraction(1, 2)) * ratio - Fraction(1, 2)
        first = floor(at)
        phases.append((first,) if at == first else (first, first + 1))
    return AxisMap(tuple(phases), ratio.numerator, edge="clamp")


def cubic(ratio: Fraction, *, align_corners: bool = False) -> AxisMap:
    """Return the map of cubic resizing: four neighbours, or one where it is hit exactly.

    Args:
        ratio: As for `linear`.
        align_corners: As for `linear`.

    Source: ATen/native/UpSample.h, `get_cubic_upsample_coefficients`.
    """
    phases = []
    for unit in range(ratio.denominator):
        at = unit * ratio if align_corners else (unit + Fraction(1, 2)) * ratio - Fraction(1, 2)
        first = floor(at)
        phases.append((first,) if at == first else tuple(range(first - 1, first + 3)))
    return AxisMap(tuple(phases), ratio.numerator, edge="clamp")


def antialiased(ratio: Fraction, reach: int, *, align_corners: bool = False) -> AxisMap:
    """Return the map of shrinking with a filter as wide as an output position.

    Args:
        ratio: As for `linear`, above 1.
        reach: Output positions that the filter reaches to each side: 1 linear, 2 cubic.
        align_corners: As for `linear`.

    Source: ATen/native/cpu/UpSampleKernel.cpp, `_compute_indices_min_size_weights_aa`.
    """
    del align_corners  # only decides on the ratio
    phases = []
    for unit in range(ratio.denominator):
        centre = (unit + Fraction(1, 2)) * ratio - Fraction(1, 2)
        low, high = floor(centre - reach * ratio), floor(centre + reach * ratio) + 1
        distances = ((at, abs(at - centre) / ratio) for at in range(low, high + 1))
        # The filters are zero at whole distances, except in the middle.
        phases.append(
            tuple(at for at, far in distances if far < reach and (far == 0 or far.denominator > 1))
        )
    return AxisMap(tuple(phases), ratio.numerator)


def running(*, reverse: bool = False) -> AxisMap:
    """Return the map of a running operation: every position meets those up to it, or from it."""
    return AxisMap((), 0, regular=False, running="after" if reverse else "before")


def pad(before: int, edge: Edge = "drop") -> AxisMap:
    """Return the map of a padding layer; `before` may be negative, which crops.

    Source: torch.nn.functional.pad.
    """
    return AxisMap(((-before,),), edge=edge)


def crop(start: int, step: int = 1) -> AxisMap:
    """Return the map of a slice ``[start::step]``."""
    return AxisMap(((start,),), step)


def piece(offset: int) -> AxisMap:
    """Return the map of one part of a concatenation along this axis.

    Args:
        offset: Output position at which the part begins.
    """
    return AxisMap(((-offset,),), regular=False)
