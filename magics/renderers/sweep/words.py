"""The sentences of a sweep: what was swept, where the knee is, how memory grows, what failed."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from magics import units
from magics.renderers.column import clean, printable
from magics.renderers.words import CLOCKS, contention, setting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magics.records import Sweep, SweepPoint
    from magics.records.sweep import SweepAxis
    from magics.renderers.column import Column

Line = tuple["SweepPoint", ...]

STATUS = {"failed": "failed", "out_of_memory": "out of memory", "not_run": "not run"}
"""What became of a point that was not measured, in words."""

_LISTED = 8  # values of an axis that are listed one by one


def title(sweep: Sweep) -> str:
    """Say what was swept."""
    axes = " and ".join(printable(axis.name) for axis in sweep.axes)
    inputs = printable(sweep.inputs, 200) or "no input"
    return f"{printable(sweep.model)} on {inputs}, swept over {axes}"


def at(name: str, value: object) -> str:
    """Return a place on an axis in words: 'batch 8', '2 threads'."""
    if name == "threads":
        return f"{value} thread{'' if value == 1 else 's'}"
    return f"{printable(name)} {printable(str(value), 40)}"


def place(point: SweepPoint) -> str:
    """Return where a point lies: 'batch 8, layout channels_last'."""
    return ", ".join(at(name, value) for name, value in point.values.items())


def line_name(sweep: Sweep, line: Line) -> str:
    """Return the other axis' value, which all points of a line have; '' for a single axis."""
    values = line[0].values.items()
    return ", ".join(at(name, value) for name, value in values if name != sweep.main.name)


def facts(sweep: Sweep) -> list[tuple[str, str]]:
    """Return the header: a word and a sentence each; without those that have nothing to say."""
    found = [
        ("swept", _swept(sweep)),
        ("time", _time(sweep)),
        ("quality", _quality(sweep)),
        ("model", _model(sweep)),
        ("setting", setting(sweep.environment)),
    ]
    return [(word, clean(sentence)) for word, sentence in found if sentence]


def warnings(sweep: Sweep) -> list[str]:
    """Return what to know before trusting a number."""
    return [clean(text) for text in sweep.warnings if text]


def _swept(sweep: Sweep) -> str:
    axes = " by ".join(map(_axis, sweep.axes))
    statuses = [point.status for point in sweep.points]
    words = {"measured": "measured", "counted": "counted", **STATUS}
    known = [status for status in words if status in statuses]
    parts = [f"{statuses.count(status)} {words[status]}" for status in known]
    if len(known) == 1:
        parts = [f"all {words[known[0]]}"] if len(statuses) > 1 else [words[known[0]]]
    points = f"{len(statuses)} point{'' if len(statuses) == 1 else 's'}"
    return f"{axes}; {', '.join([points, *parts])}"


def _axis(axis: SweepAxis) -> str:
    values = [printable(str(value), 40) for value in axis.values]
    if len(values) > _LISTED:
        values = [*values[:3], "…", values[-1]]
    goes_on = " and on, until more is no gain or memory ends" if axis.open_ended else ""
    return f"{printable(axis.name)} {', '.join(values)}{goes_on}"


def _time(sweep: Sweep) -> str:
    timed_points = [point.forward for point in sweep.points if point.forward]
    if not timed_points:
        counted = any(point.status == "counted" for point in sweep.points)
        return "not measured: these are counts only" if counted else "nothing was measured"
    counts = sorted({item.count for item in timed_points})
    clocks = " or ".join(dict.fromkeys(CLOCKS.get(t.clock, t.clock) for t in timed_points))
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    what = "forward" if counts == [1] else "forwards"
    if any(point.backward for point in sweep.points):
        what += " and as many backwards"
    return f"each point is the median of {many} {what} of the model as it is ({clocks})"


def _model(sweep: Sweep) -> str:
    sizes = {point.params for point in sweep.points if point.params is not None}
    return f"{units.whole(sizes.pop())} parameters" if len(sizes) == 1 else ""


def _quality(sweep: Sweep) -> str:
    parts = []
    if sweep.overhead is not None:
        parts.append(
            f"the sweep took {units.percent(max(0.0, sweep.overhead))} longer than its own "
            f"runs of the model"
        )
    parts += contention(point.environment for point in sweep.points)
    return "; ".join(parts)


def troubles(sweep: Sweep) -> list[str]:
    """Say what was not measured and why, what belongs together in one sentence."""
    missing = [point for line in sweep.lines() for point in line if point.status in STATUS]
    found = []
    for (status, reason), some in groupby(missing, lambda point: (point.status, point.reason)):
        places = [place(point) for point in some]
        where = "; ".join(places[:3])
        if len(places) > 3:  # noqa: PLR2004, more would be a list
            where += f" and {len(places) - 3} more"
        why = f": {printable(reason, 300)}" if reason else ""
        found.append(f"{where}: {STATUS[status]}{why}")
    return found


def of_time(sweep: Sweep) -> str:
    """Return what times are those of: samples, or calls where samples are not known."""
    batched = any(point.seconds_per_sample for point in sweep.points)
    return "Time per sample" if batched else "Time per call"


def legend(shown: Iterable[Column]) -> str:
    """Explain the columns that are shown."""
    heads = {column.head for column in shown if column.head != "note" or "knee" in column.cells}
    return "; ".join(meaning for head, meaning in _MEANINGS.items() if head in heads)


_MEANINGS = {
    "± forward": "±: distance of the quartiles of a time",
    "per sample": "per sample: time of a call over the batch",
    "memory": "memory: most that is alive at once of what a run makes, without parameters "
    "and inputs",
    "predicted": "predicted: the same, said before the point ran",
    "mem/sample": "mem/sample: memory over the batch",
    "moved": "moved: input, weights and output of every layer, each once",
    "note": "knee: from here on a sample takes at most 10 % longer than at best",
}
