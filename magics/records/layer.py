"""One call of one layer: what it is, what it costs, how long it took."""

from __future__ import annotations

from dataclasses import dataclass

from magics.records.measurement import Measurement  # noqa: TC001, read when decoding


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceptiveField:
    """What of the input one output element sees; every tuple has one entry per axis.

    Attributes:
        size: Extent in the input [elements].
        stride: Step in the input between neighbouring outputs; 0.5 after upsampling by two.
        padding: How far the first output's field starts before the input [elements].
        coverage: Share of the extent that is really touched, from 0 to 1 (gridding).
        whole_input: The field is the input, whatever its size (global pool, linear).
    """

    size: tuple[int, ...]
    stride: tuple[float, ...] = ()
    padding: tuple[float, ...] = ()
    coverage: float = 1.0
    whole_input: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProfile:
    """One call of one layer, or several of them summed up.

    Attributes:
        name: Dotted path of the module; ``path.conv2d()`` for a functional call in it.
        kind: 'conv2d', 'max_pool2d', 'batch_norm', 'linear', ... or 'other'.
        type: Class of the module, or name of the function.
        call_index: 0 for the first call of this name in one forward, 1 for the second.
        calls: How many calls this is the sum of.
        input_shape: (N, C_in, *spatial), or as the layer got it.
        output_shape: (N, C_out, *spatial), or as the layer gave it.
        dtype: Element type of the output.
        kernel_size: Window per axis [elements].
        stride: Step per axis [elements].
        padding: (before, after) per axis [elements].
        dilation: Distance of two taps per axis [elements].
        groups: Groups of channels.
        params: Parameters, counted at the first layer that uses them.
        macs: Multiply-adds of convolutions and matrix products.
        useful_macs: Those whose input element is not zero padding.
        elementwise_flops: Operations of all else: bias, norm, pool, activation.
        bytes_moved: Input, weights and output, each once [bytes].
        backward_macs: Multiply-adds of the backward pass.
        backward_elementwise_flops: Its other operations.
        backward_bytes_moved: Its compulsory traffic [bytes].
        forward: Time of one forward, or `None` where it was not measured.
        backward: Time of one backward, or `None`.
        per_call: Times of single forwards among `calls`, or `None` where `forward` is of one.
        saved_bytes: Kept from forward for backward, first saved by this layer [bytes].
        output_bytes: Size of the output [bytes].
        peak_bytes: Most memory of tensors alive during the call [bytes].
        bound: 'compute', 'memory', 'kernel' or 'overhead', or `None`.
        roof_s: Shortest time that the measured ceilings allow [s].
        receptive_field: Size, effective stride and padding per axis, or `None`.
        kernel: Name of the implementation that ran.
        note: What a reader should know about this row.
    """

    name: str
    kind: str
    type: str = ""
    call_index: int = 0
    calls: int = 1
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    dtype: str = ""
    kernel_size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    params: int = 0
    macs: int = 0
    useful_macs: int = 0
    elementwise_flops: int = 0
    bytes_moved: int = 0
    backward_macs: int = 0
    backward_elementwise_flops: int = 0
    backward_bytes_moved: int = 0
    forward: Measurement | None = None
    backward: Measurement | None = None
    per_call: Measurement | None = None
    saved_bytes: int | None = None
    output_bytes: int | None = None
    peak_bytes: int | None = None
    bound: str | None = None
    roof_s: float | None = None
    receptive_field: ReceptiveField | None = None
    kernel: str | None = None
    note: str = ""

    @property
    def flops(self) -> int:
        """FLOPs of the multiply-adds: twice the MACs."""
        return 2 * self.macs

    @property
    def arithmetic_intensity(self) -> float | None:
        """FLOPs, elementwise ones included, per byte moved [FLOP/byte]."""
        if not self.bytes_moved:
            return None
        return (self.flops + self.elementwise_flops) / self.bytes_moved

    @property
    def flops_per_s(self) -> float | None:
        """FLOPs, elementwise ones included, per second of the forward."""
        if self.forward is None or not self.forward.median_s:
            return None
        return (self.flops + self.elementwise_flops) / self.forward.median_s

    @property
    def bytes_per_s(self) -> float | None:
        """Bytes moved per second of the forward."""
        if self.forward is None or not self.forward.median_s:
            return None
        return self.bytes_moved / self.forward.median_s

    @property
    def efficiency(self) -> float | None:
        """Share of the attainable speed that was reached: roof over time, 1 at the roof."""
        if self.roof_s is None or self.forward is None or not self.forward.median_s:
            return None
        return self.roof_s / self.forward.median_s

    @property
    def useful_taps(self) -> float:
        """Share of the MACs that don't fall on zero padding, from 0 to 1."""
        return self.useful_macs / self.macs if self.macs else 1.0
