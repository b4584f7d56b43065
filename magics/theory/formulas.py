"""The registry of formulas: what a layer is, what it costs, and who says so.

A formula takes a `Layer` (shapes and arguments) and returns a `Cost` (integers).
The formulas themselves live beside this file, one family to a module; importing
`magics.theory` registers them all. Neither torch nor a clock is known here.

One multiply-add is one MAC; FLOPs are derived from MACs in one place, `Cost.flops`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, TypeVar

from magics.errors import ConvProfileError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_POOL_INDEX_BYTES = 8
"""Bytes of one index of a max pool: torch stores them as int64."""

KINDS = (
    *(f"{family}{n}d" for family in ("conv", "conv_transpose") for n in (1, 2, 3)),
    *(f"{family}{n}d" for family in ("max_pool", "avg_pool", "lp_pool") for n in (1, 2, 3)),
    *(f"adaptive_{family}{n}d" for family in ("avg_pool", "max_pool") for n in (1, 2, 3)),
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "batch_norm",
    "sync_batch_norm",
    "linear",
    "matmul",
    "other",
)
"""Every kind of layer that has a formula here; 'other' is what is none of the rest."""


class UnknownKindError(ConvProfileError):
    """No formula is registered for a layer's kind: list the layer as uncounted.

    Attributes:
        kind: The kind that was asked for.
    """

    def __init__(self, kind: str, direction: str = "forward") -> None:
        super().__init__(
            f"no {direction} formula for kind {kind!r}; "
            f"register one with magics.register_formula({kind!r})",
        )
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One call of one layer: what the arithmetic needs, and no more.

    Shapes always carry the batch: an unbatched call has N = 1. A tuple with one entry
    per spatial axis may stay empty where the kind has no such argument.

    Attributes:
        kind: One of the kinds in `KINDS`, or one registered by a user.
        input_shape: (N, C_in, *spatial); for linear (*, in_features); for matmul (*, m, k).
        output_shape: (N, C_out, *spatial); for linear (*, out_features); for matmul (*, m, n).
        other_shape: Second operand of a matmul, (*, k, n), or of a binary 'other'.
        kernel_size: Window per axis [elements].
        stride: Step per axis [elements].
        dilation: Distance of two taps per axis [elements].
        padding: (before, after) per axis [elements].
        output_padding: Extra output elements per axis of a transposed convolution.
        groups: Number of groups that the channels are split into.
        bias: Whether a bias is added.
        itemsize: Bytes of one element.
        zero_padding: False when the padded elements are real values (reflect, replicate,
            circular): then every tap is useful.
        training: Batch norm: the statistics come from this batch (train mode, or no
            running statistics).
        affine: Batch norm: has weight and bias.
        running_stats: Batch norm: has running mean and variance.
        needs_input_grad: Backward also computes the gradient of the input.
        needs_weight_grad: Backward also computes the gradients of the parameters; for
            matmul, of the second operand.
        return_indices: Max pool: int64 indices are written, as training does.
        ceil_mode: Pools: the output size is rounded up.
        flops_per_output: 'other' only: elementwise operations per output element; `None`
            means unknown, and the layer stays uncounted.
    """

    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    other_shape: tuple[int, ...] = ()
    kernel_size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    output_padding: tuple[int, ...] = ()
    groups: int = 1
    bias: bool = False
    itemsize: int = 4
    zero_padding: bool = True
    training: bool = False
    affine: bool = True
    running_stats: bool = True
    needs_input_grad: bool = True
    needs_weight_grad: bool = True
    return_indices: bool = False
    ceil_mode: bool = False
    flops_per_output: int | None = None

    @property
    def batch(self) -> int:
        """Number of samples N."""
        return self.input_shape[0]

    @property
    def in_channels(self) -> int:
        """Number of input channels C_in."""
        return self.input_shape[1]

    @property
    def out_channels(self) -> int:
        """Number of output channels C_out."""
        return self.output_shape[1]

    @property
    def input_size(self) -> tuple[int, ...]:
        """Spatial sizes of the input."""
        return self.input_shape[2:]

    @property
    def output_size(self) -> tuple[int, ...]:
        """Spatial sizes of the output."""
        return self.output_shape[2:]

    @property
    def input_elements(self) -> int:
        """Elements of the input, all samples."""
        return prod(self.input_shape)

    @property
    def output_elements(self) -> int:
        """Elements of the output, all samples."""
        return prod(self.output_shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one pass of one layer costs. Costs add up with ``+``.

    Attributes:
        macs: Multiply-adds of convolutions, transposed convolutions and matrix products;
            for backward, `grad_input_macs + grad_weight_macs`.
        elementwise_flops: Additions, multiplications and comparisons of everything else:
            bias, batch norm, pooling, activations. Apart from `macs`.
        bytes_read: Input, weights and indices, each once [bytes].
        bytes_written: Output and indices, each once [bytes].
        useful_macs: The part of `macs` whose input element is not zero padding.
        grad_input_macs: Backward only: the part of `macs` for the input's gradient.
        grad_weight_macs: Backward only: the part of `macs` for the weight's gradient.
        repeat_bytes: Read again where the tensors don't stay in a cache between the passes
            that the algorithm makes over them (batch statistics) [bytes].
    """

    macs: int = 0
    elementwise_flops: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    useful_macs: int = 0
    grad_input_macs: int = 0
    grad_weight_macs: int = 0
    repeat_bytes: int = 0

    @property
    def flops(self) -> int:
        """FLOPs of the multiply-adds: twice the MACs."""
        return 2 * self.macs

    @property
    def total_flops(self) -> int:
        """FLOPs of the multiply-adds and the elementwise work together."""
        return self.flops + self.elementwise_flops

    @property
    def bytes_moved(self) -> int:
        """Compulsory traffic: input, weights and output, each once [bytes]."""
        return self.bytes_read + self.bytes_written

    @property
    def useful_fraction(self) -> float:
        """`useful_macs / macs`, from 0 to 1; 1 where there are no MACs."""
        return self.useful_macs / self.macs if self.macs else 1.0

    @property
    def arithmetic_intensity(self) -> float:
        """All FLOPs over the bytes moved [FLOP/byte]; 0 where nothing is moved."""
        return self.total_flops / self.bytes_moved if self.bytes_moved else 0.0

    def __add__(self, other: Cost) -> Cost:
        # Spelled out, because a profile adds up thousands of these.
        return Cost(
            macs=self.macs + other.macs,
            elementwise_flops=self.elementwise_flops + other.elementwise_flops,
            bytes_read=self.bytes_read + other.bytes_read,
            bytes_written=self.bytes_written + other.bytes_written,
            useful_macs=self.useful_macs + other.useful_macs,
            grad_input_macs=self.grad_input_macs + other.grad_input_macs,
            grad_weight_macs=self.grad_weight_macs + other.grad_weight_macs,
            repeat_bytes=self.repeat_bytes + other.repeat_bytes,
        )


if TYPE_CHECKING:
    Formula = Callable[[Layer], Cost]
    FormulaT = TypeVar("FormulaT", bound=Formula)

_forward: dict[str, Formula] = {}
_backward: dict[str, Formula] = {}


def register_formula(*kinds: str, backward: bool = False) -> Callable[[FormulaT], FormulaT]:
    """Register the decorated function as the formula of one or more kinds.

    Args:
        *kinds: Kinds of layer that the formula is for.
        backward: The formula gives the cost of the backward pass.

    Returns:
        A decorator that returns the function unchanged.

    Raises:
        InputError: If no kind is given, or a kind has a formula already.
    """
    registry = _backward if backward else _forward
    direction = "backward" if backward else "forward"
    if not kinds:
        raise InputError("register_formula: no kind given; name at least one")

    def register(formula: FormulaT) -> FormulaT:
        for kind in kinds:
            if kind in registry:
                raise InputError(
                    f"register_formula: kind {kind!r} has a {direction} formula already "
                    f"({registry[kind].__name__}); choose another kind",
                )
        registry.update(dict.fromkeys(kinds, formula))
        return formula

    return register


def has_formula(kind: str) -> bool:
    """Return whether a formula for the forward pass is registered for a kind."""
    return kind in _forward


def cost(layer: Layer) -> Cost:
    """Return what one forward pass of a layer costs.

    Raises:
        UnknownKindError: If no formula is registered for the layer's kind.
    """
    formula = _forward.get(layer.kind)
    if formula is None:
        raise UnknownKindError(layer.kind)
    return formula(layer)


def backward_cost(layer: Layer) -> Cost:
    """Return what one backward pass of a layer costs, the forward pass not included.

    Raises:
        UnknownKindError: If no backward formula is registered for the layer's kind.
    """
    formula = _backward.get(layer.kind)
    if formula is None:
        raise UnknownKindError(layer.kind, "backward")
    return formula(layer)
