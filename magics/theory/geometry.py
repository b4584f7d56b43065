"""Sizes and windows along one axis: which input elements an output element meets.

Every function is about a single axis and takes plain integers; the families of formulas
multiply over the axes.
"""

from __future__ import annotations


def conv_output_size(
    size: int,
    kernel_size: int,
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    dilation: int = 1,
) -> int:
    """Return the output size of a convolution along one axis [elements].

    Source: torch.nn.Conv2d; Dumoulin and Visin, arXiv:1603.07285, relationship 15.

    Raises:
        ValueError: If the dilated kernel is larger than the padded input.
    """
    room = size + sum(padding) - (dilation * (kernel_size - 1) + 1)
    if room < 0:
        raise ValueError(
            f"conv_output_size: the dilated kernel is larger than the padded input (got size "
            f"{size}, kernel_size {kernel_size}, padding {padding}, dilation {dilation}); "
            f"use a larger input or a smaller kernel",
        )
    return room // stride + 1


def same_padding(kernel_size: int, dilation: int = 1) -> tuple[int, int]:
    """Return (before, after) of ``padding='same'`` along one axis [elements].

    An odd total puts the extra element after.

    Source: torch.nn.modules.conv, `_reversed_padding_repeated_twice`.
    """
    total = dilation * (kernel_size - 1)
    return total // 2, total - total // 2


def conv_transpose_output_size(  # noqa: PLR0913, one argument per argument of the layer
    size: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    *,
    output_padding: int = 0,
    dilation: int = 1,
) -> int:
    """Return the output size of a transposed convolution along one axis [elements].

    Source: torch.nn.ConvTranspose2d.

    Raises:
        ValueError: If `output_padding` is not below `stride` or `dilation`.
    """
    if not 0 <= output_padding < max(stride, dilation):
        raise ValueError(
            f"conv_transpose_output_size: output_padding must be from 0 to "
            f"{max(stride, dilation) - 1} (got {output_padding}); "
            f"use a smaller one or a larger stride or dilation",
        )
    return (size - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1


def pool_output_size(  # noqa: PLR0913, one argument per argument of the layer
    size: int,
    kernel_size: int,
    stride: int,
    padding: int = 0,
    *,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> int:
    """Return the output size of a pool along one axis [elements].

    In ceil mode a last window that would start in the padding after the input is dropped.

    Source: torch.nn.MaxPool2d; ATen/native/Pool.h, `pooling_output_shape_pad_lr`.
    """
    room = size + 2 * padding - dilation * (kernel_size - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    output = -(-room // stride) + 1
    return output - 1 if (output - 1) * stride >= size + padding else output


def adaptive_window(unit: int, size: int, output_size: int) -> tuple[int, int]:
    """Return (start, stop) of the input that one unit of an adaptive pool meets.

    Source: ATen/native/AdaptivePooling.h, `start_index` and `end_index`.
    """
    return unit * size // output_size, -(-(unit + 1) * size // output_size)


def adaptive_taps(size: int, output_size: int) -> int:
    """Return how many (output, input) pairs an adaptive pool visits along one axis."""
    windows = (adaptive_window(unit, size, output_size) for unit in range(output_size))
    return sum(stop - start for start, stop in windows)


def output_padding_for(
    size: int, kernel_size: int, stride: int, padding: int, dilation: int
) -> int:
    """Return the output padding with which a transposed convolution gives `size` back.

    Several input sizes of a strided convolution share one output size; the transposed
    convolution needs this argument to know which one it came from.

    Source: Dumoulin and Visin, arXiv:1603.07285, relationship 14 (its `a`).
    """
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) % stride


def useful_taps(  # noqa: PLR0913, one argument per argument of the layer
    outer: int,
    inner: int,
    kernel_size: int,
    *,
    stride: int,
    padding: int,
    dilation: int,
) -> int:
    """Count the taps along one axis that fall on real elements and not on padding.

    Counts the pairs (u, q), ``0 <= u < outer`` and ``0 <= q < kernel_size``, for which
    ``0 <= u * stride - padding + q * dilation < inner``. For a convolution or a pool `outer`
    is the output and `inner` the input; for a transposed convolution the other way round.

    Args:
        outer: Size of the map whose element the kernel is laid on [elements].
        inner: Size of the map that the taps reach into [elements].
        kernel_size: Taps along the axis.
        stride: Step of the kernel in the inner map [elements].
        padding: Padding before the inner map [elements].
        dilation: Distance of two taps [elements].

    Source: the definition of the convolution sum.
    """
    count = 0
    for tap in range(kernel_size):
        offset = tap * dilation - padding
        first = max(0, -(offset // stride))  # ceil(-offset / stride)
        last = min(outer - 1, (inner - 1 - offset) // stride)
        count += max(0, last - first + 1)
    return count
