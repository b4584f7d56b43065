"""Rules of pools that slide over a map, and of what undoes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magics.measurement.fields.combining import joined
from magics.measurement.fields.layout import LostError
from magics.measurement.fields.rules import Result, rule
from magics.measurement.fields.windows import axes_named, each_of, slide, sliding_rule
from magics.theory import axis_maps
from magics.theory.axis_maps import IDENTITY

if TYPE_CHECKING:
    from magics.measurement.fields.places import Place
    from magics.measurement.fields.reading import Reading
    from magics.measurement.fields.tape import Step
    from magics.measurement.fields.windows import Sizes


@sliding_rule(
    *"""max_pool1d max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d
    avg_pool3d mkldnn_max_pool2d mkldnn_max_pool3d max_pool2d max_pool3d
    quantized_max_pool2d quantized_max_pool3d quantized_max_pool1d""".split()
)
def _pool(run: Reading, step: Step, place: Place, sizes: Sizes) -> Result:
    if len(step.outputs) > 1:
        run.chose(step)
    maps = [axis_maps.window(*one) for one in _windows(step.arguments, len(sizes))]
    return (slide(run, place, maps, sizes),) * len(step.outputs)


def _windows(given: Any, count: int) -> list[tuple[int, ...]]:  # noqa: ANN401, a mapping of arguments
    """Return kernel size, stride, padding and dilation of a pool, along each axis."""
    kernel = each_of(given["kernel_size"], count)
    stride = each_of(given.get("stride") or kernel, count)
    padding = each_of(given.get("padding", 0), count)
    dilation = each_of(given.get("dilation", 1), count)
    return list(zip(kernel, stride, padding, dilation, strict=True))


@rule("max_unpool2d", "max_unpool3d")
def _unpool(run: Reading, step: Step) -> Result:
    """Follow elements back to where in their windows the largest was; it can be anywhere."""
    ref, indices = step.arguments["self"], step.arguments["indices"]
    output, pool = step.outputs[0], run.pool_of(indices)
    count = axes_named(step.name)
    if output is None or pool is None:
        raise LostError(f"aten::{step.name} with indices that aren't those of a max pool")
    sizes = output.shape[-count:]
    pooled = pool.refs()[0].shape[-axes_named(pool.name) :]
    windows = _windows(pool.arguments, len(pooled))
    # The indices count the elements of the map that was pooled; a signal is one of height 1
    # there, and one of width 1 here.
    if [size for size in sizes if size > 1] != [size for size in pooled if size > 1]:
        raise LostError(f"aten::{step.name} to another size than was pooled")
    each = iter([window for window, size in zip(windows, pooled, strict=True) if size > 1])
    maps = [axis_maps.transposed_window(*next(each)) if n > 1 else IDENTITY for n in sizes]
    places = [run.place(ref), run.place(indices)]
    spread = [None if place is None else slide(run, place, maps, sizes) for place in places]
    return joined(run.canvas, spread, output.shape)


@sliding_rule(
    *"""adaptive_avg_pool1d _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool2d
    adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
    mkldnn_adaptive_avg_pool2d""".split()
)
def _adaptive_pool(run: Reading, step: Step, place: Place, sizes: Sizes) -> Result:
    maps = map(axis_maps.adaptive, place.shape[-len(sizes) :], sizes)
    return (slide(run, place, list(maps), sizes),) * len(step.outputs)
