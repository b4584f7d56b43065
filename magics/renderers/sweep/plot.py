"""The pictures of a sweep as figures of matplotlib, an optional extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magics.errors import RecordError
from magics.renderers.plots import DASHED, GREY, chosen, made, plain
from magics.renderers.sweep import series, words

if TYPE_CHECKING:
    from magics.records import Sweep
    from magics.renderers.sweep.series import Drawn, Quantity

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
    for number, line in enumerate(lines):
        if sweep.main.is_numeric:
            _joined(axes, line, scale.factor)
        else:
            _bars(axes, line, scale.factor, number, len(lines))
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
    if not sweep.main.is_numeric:
        axes.set_xlim(min(named) - 0.6, max(named) + 0.6)
    axes.set(xlabel=sweep.main.name, ylabel=quantity.axis(scale))
    axes.set_title(plain(series.reading(sweep, quantity)), fontsize="small")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")


def _joined(axes: Any, line: Drawn, factor: float) -> None:  # noqa: ANN401, axes
    axes.plot([mark.x for mark in line.marks], [mark.y / factor for mark in line.marks],
              color=line.colour, marker=line.marker, label=plain(line.name or "measured"),
              zorder=3)  # fmt: skip
    if line.predicted:
        name = f"{line.name}, predicted" if line.name else "predicted"
        axes.plot([mark.x for mark in line.predicted], [mark.y / factor for mark in line.predicted],
                  color=line.colour, linestyle=DASHED, label=plain(name))  # fmt: skip
    for mark in line.marks:
        if mark.knee:
            axes.annotate("knee", (mark.x, mark.y / factor), xytext=(0, 10),
                          textcoords="offset points", ha="center")  # fmt: skip


def _bars(axes: Any, line: Drawn, factor: float, number: int, count: int) -> None:  # noqa: ANN401, axes
    """Draw a bar for each mark; beside one another, where there are several lines."""
    wide = 0.6 / count
    places = [mark.x + wide * (number - (count - 1) / 2) for mark in line.marks]
    heights = [mark.y / factor for mark in line.marks]
    axes.bar(places, heights, width=0.9 * wide, color=line.colour, zorder=2)
    axes.plot(places, heights, color=line.colour, marker=line.marker, markersize=9,
              markeredgecolor="white", linestyle="none", label=plain(line.name or "measured"),
              zorder=3)  # fmt: skip
