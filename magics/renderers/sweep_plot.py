"""The pictures of a sweep as figures of matplotlib, an optional extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magics.errors import RecordError
from magics.renderers import sweep_series as series
from magics.renderers import sweep_words as words
from magics.renderers.plots import DASHED, GREY, chosen, made, plain

if TYPE_CHECKING:
    from magics.records import Sweep
    from magics.renderers.sweep_series import Quantity

_WRITTEN = 12  # values of an axis that are all written below it


def figure(sweep: Sweep, kind: str) -> Any:  # noqa: ANN401, matplotlib is an optional extra
    """Return a figure.

    Args:
        sweep: What to draw.
        kind: 'throughput', 'time' or 'memory'.

    Raises:
        InputError: If there is no such picture.
        RecordError: If no point has anything to show in it.
        ModuleNotFoundError: If matplotlib is not installed.
    """
    quantity = chosen(series.QUANTITIES, kind)
    if not any(line.marks for line in series.drawn(sweep, quantity)):
        raise RecordError(
            f"plot: {kind}: nothing to show in the sweep of {sweep.model}; it needs measured "
            f"points",
        )
    return made(lambda drawn: _draw(drawn, sweep, quantity), words.title(sweep))


def _draw(drawn: Any, sweep: Sweep, quantity: Quantity) -> None:  # noqa: ANN401, a figure
    axes = drawn.subplots()
    lines = series.drawn(sweep, quantity)
    scale = quantity.scale(mark.y for line in lines for mark in (*line.marks, *line.predicted))
    for line in lines:
        name = line.name or "measured"
        style = "solid" if sweep.main.is_numeric else "none"
        axes.plot([mark.x for mark in line.marks], [mark.y / scale.factor for mark in line.marks],
                  color=line.colour, marker=line.marker, linestyle=style, label=plain(name),
                  zorder=3)  # fmt: skip
        if line.predicted:
            axes.plot([mark.x for mark in line.predicted],
                      [mark.y / scale.factor for mark in line.predicted], color=line.colour,
                      linestyle=DASHED, label=plain(f"predicted, {name}"))  # fmt: skip
        for mark in line.marks:
            if mark.knee:
                axes.annotate("knee", (mark.x, mark.y / scale.factor), xytext=(0, 10),
                              textcoords="offset points", ha="center")  # fmt: skip
    lost = series.missing(sweep)
    if lost:
        axes.scatter(lost, [0.02] * len(lost), transform=axes.get_xaxis_transform(), c=GREY,
                     marker="x", label="not measured", zorder=3)  # fmt: skip
    named = series.ticks(sweep)
    if series.is_logarithmic(sweep):
        axes.set_xscale("log", base=2)
    if len(named) <= _WRITTEN or not sweep.main.is_numeric:
        axes.set_xticks(list(named), list(map(plain, named.values())))
        axes.minorticks_off()
    if series.is_steep(lines):
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, None)
    axes.set(xlabel=sweep.main.name, ylabel=quantity.axis(scale))
    axes.set_title(plain(series.reading(sweep, quantity)), fontsize="small")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
