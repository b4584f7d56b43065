"""What pools cost: no MACs, but comparisons or additions, and the traffic of two maps.

The count per window is the dense one, padding and cut-off last windows included, except for
adaptive and fractional pools, whose windows have no padding.
"""

from __future__ import annotations

from math import prod

from magics.theory.formulas import MAX_POOL_INDEX_BYTES, Cost, Layer, register_formula
from magics.theory.geometry import adaptive_taps

_AXES = (1, 2, 3)
MAX_POOLS = tuple(f"max_pool{n}d" for n in _AXES)
AVG_POOLS = tuple(f"avg_pool{n}d" for n in _AXES)
LP_POOLS = tuple(f"lp_pool{n}d" for n in _AXES)
ADAPTIVE_AVG_POOLS = tuple(f"adaptive_avg_pool{n}d" for n in _AXES)
ADAPTIVE_MAX_POOLS = tuple(f"adaptive_max_pool{n}d" for n in _AXES)
FRACTIONAL_MAX_POOLS = ("fractional_max_pool2d", "fractional_max_pool3d")


def _taps(layer: Layer) -> int:
    """Return how many input elements all windows of a pool visit together."""
    channels = prod(layer.output_shape[:2])
    if layer.kind.startswith("adaptive"):
        sizes = zip(layer.input_size, layer.output_size, strict=True)
        return channels * prod(adaptive_taps(size, output) for size, output in sizes)
    return layer.output_elements * prod(layer.kernel_size)


def _traffic(layer: Layer, flops: int) -> Cost:
    return Cost(
        elementwise_flops=flops,
        bytes_read=layer.itemsize * layer.input_elements,
        bytes_written=layer.itemsize * layer.output_elements,
    )


@register_formula(*MAX_POOLS, *ADAPTIVE_MAX_POOLS, *FRACTIONAL_MAX_POOLS)
def max_pool_cost(layer: Layer) -> Cost:
    """Return the forward cost of a max pool: one comparison less than a window has elements.

    Source: torch.nn.MaxPool2d; the indices are int64, one per output element.
    """
    indices = MAX_POOL_INDEX_BYTES * layer.output_elements if layer.return_indices else 0
    return _traffic(layer, _taps(layer) - layer.output_elements) + Cost(bytes_written=indices)


@register_formula(*AVG_POOLS, *ADAPTIVE_AVG_POOLS)
def avg_pool_cost(layer: Layer) -> Cost:
    """Return the forward cost of an average pool: n - 1 additions and a multiplication.

    Source: torch.nn.AvgPool2d.
    """
    return _traffic(layer, _taps(layer))


@register_formula(*LP_POOLS)
def lp_pool_cost(layer: Layer) -> Cost:
    """Return the forward cost of a power-average pool.

    A power per input element, n - 1 additions and a root per output element; a power or
    a root counts as one operation.

    Source: torch.nn.LPPool2d.
    """
    return _traffic(layer, layer.input_elements + _taps(layer))


@register_formula(*MAX_POOLS, *ADAPTIVE_MAX_POOLS, *FRACTIONAL_MAX_POOLS, backward=True)
def max_pool_backward_cost(layer: Layer) -> Cost:
    """Return the backward cost of a max pool: one addition at the index of each output.

    Source: ATen `max_pool2d_with_indices_backward`, which scatters by the saved indices.
    """
    if not layer.needs_input_grad:
        return Cost()
    outputs = layer.output_elements
    return Cost(
        elementwise_flops=outputs,
        bytes_read=(layer.itemsize + MAX_POOL_INDEX_BYTES) * outputs,
        bytes_written=layer.itemsize * layer.input_elements,
    )


@register_formula(*AVG_POOLS, *ADAPTIVE_AVG_POOLS, backward=True)
def avg_pool_backward_cost(layer: Layer) -> Cost:
    """Return the backward cost of an average pool.

    A multiplication per output element and an addition per element of its window.

    Source: ATen `avg_pool2d_backward`.
    """
    if not layer.needs_input_grad:
        return Cost()
    return Cost(
        elementwise_flops=layer.output_elements + _taps(layer),
        bytes_read=layer.itemsize * layer.output_elements,
        bytes_written=layer.itemsize * layer.input_elements,
    )


@register_formula(*LP_POOLS, backward=True)
def lp_pool_backward_cost(layer: Layer) -> Cost:
    """Return the backward cost of a power-average pool.

    With y = (sum x^p)^(1/p): dx = x^(p-1) * sum(dy * y^(1-p)): a power and a product per
    output element, an addition per element of a window, a power and a product per input.

    Source: the chain rule applied to torch.nn.LPPool2d; input and output are read again.
    """
    if not layer.needs_input_grad:
        return Cost()
    elements = layer.input_elements + layer.output_elements
    return Cost(
        elementwise_flops=2 * elements + _taps(layer),
        bytes_read=layer.itemsize * (elements + layer.output_elements),
        bytes_written=layer.itemsize * layer.input_elements,
    )
