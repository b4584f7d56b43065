"""What a sweep tells, a sentence each: where the knee is, what is faster, how memory grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magics import units
from magics.records import Measurement
from magics.records.ratio import of_times
from magics.records.sweep import COUNTED, KNEE
from magics.renderers.ratio_words import timed
from magics.renderers.sweep.words import at, line_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from magics.records import Sweep, SweepPoint
    from magics.records.ratio import Ratio

_PROPORTIONAL = 0.05  # largest distance from a straight line that still counts as one
_COMPARED = 6  # values of an axis that are compared in a sentence each
_EXACT = 1e-3  # error of a prediction that is not worth a number
_SURE = 2  # points that a straight line goes through


@dataclass(frozen=True, slots=True)
class Growth:
    """Memory as a straight line: so much for every sample, and so much whatever the batch.

    Attributes:
        per_sample: Slope, fitted by least squares [bytes].
        fixed: What remains for an empty batch [bytes].
        error: Largest distance of a point from the line, relative to its memory [1].
    """

    per_sample: float
    fixed: float
    error: float


def findings(sweep: Sweep) -> list[str]:
    """Return what the sweep tells: what is faster, knees, how memory grows."""
    lines = sweep.lines()
    times = [
        (_knee(sweep, line, knee), _change(sweep, line))
        for line, knee in zip(lines, sweep.knees, strict=True)
    ]
    found = [
        *_of_lines(sweep, [" ".join(filter(None, some)) for some in times]),
        *_of_lines(sweep, [_memory(sweep, line) for line in lines]),
    ]
    return [*_between(sweep, lines), *found]


def _of_lines(sweep: Sweep, texts: Sequence[str]) -> list[str]:
    """Say of which line a sentence is, or say it once where it is that of all."""
    lines = sweep.lines()
    if len(set(texts)) == 1:
        return [texts[0]] if texts[0] else []
    return [
        _begun(f"{line_name(sweep, line)}: {text[0].lower()}{text[1:]}")
        for line, text in zip(lines, texts, strict=True)
        if text
    ]


def _begun(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def knees(sweep: Sweep) -> tuple[SweepPoint | None, ...]:
    """Return the knee of each line; none where the line ends there, and may well go on falling."""
    ends = [_measured(line) for line in sweep.lines()]
    return tuple(
        None if not end or knee is end[-1] else knee
        for knee, end in zip(sweep.knees, ends, strict=True)
    )


def _measured(line: Iterable[SweepPoint]) -> list[SweepPoint]:
    return [point for point in line if point.seconds_per_call]


def _knee(sweep: Sweep, line: Sequence[SweepPoint], knee: SweepPoint | None) -> str:
    known, name = _measured(line), sweep.main.name
    if knee is None or len(known) < _SURE or not knee.seconds_per_sample:
        return ""
    here = at(name, knee.values[name])
    takes = units.seconds(knee.seconds_per_sample)
    if knee is known[-1]:
        before = at(name, known[-2].values[name])
        return (
            f"No knee up to {here}: a sample takes {takes} there, and over 10 % longer at {before}."
        )
    later = known[known.index(knee) + 1 :]
    changes = [(point.seconds_per_sample or 0.0) / knee.seconds_per_sample for point in later]
    text = f"From {here} on, a sample takes {takes}"
    worst = later[changes.index(max(changes))]
    ratio = _ratio(knee, worst)
    longer = units.ratio(max(changes), 2)
    if max(changes) <= 1 + KNEE:
        most = max(abs(change - 1) for change in changes)
        text += f"; more changes that by {units.percent(most, 0)} at most"
    elif ratio is not None and ratio.is_loss:
        text += f"; more does not help: at {at(name, worst.values[name])} it takes {longer} as long"
    else:
        text += f"; what more changes is lost in noise (up to {longer} as long)"
    gain = _ratio(known[0], knee)
    if gain is not None and gain.is_gain:
        text += f". At {at(name, known[0].values[name])} it takes {units.ratio(gain.value, 2)} "
        text += "as long"
    return f"{text}."


def _ratio(first: SweepPoint, other: SweepPoint, claims: int = 1) -> Ratio | None:
    """Return how many times as long a sample takes at the first point, with its interval."""
    times = [
        Measurement(replicates_s=tuple(value / (point.batch or 1) for value in _replicates(point)))
        for point in (first, other)
        if point.forward
    ]
    return of_times(times[0], times[1], paired=False, claims=claims) if len(times) > 1 else None


def _replicates(point: SweepPoint) -> list[float]:
    forward = point.forward.replicates_s if point.forward else ()
    if point.backward is None:
        return list(forward)
    return [sum(pair) for pair in zip(forward, point.backward.replicates_s, strict=False)]


def _change(sweep: Sweep, line: Sequence[SweepPoint]) -> str:
    """Say how the cost goes along an axis of numbers on which there is no knee to look for."""
    known, name = _measured(line), sweep.main.name
    known = known or [point for point in line if point.status == COUNTED]
    if len(known) < _SURE or not sweep.main.is_numeric or any(sweep.knees):
        return ""
    first, last = known[0], known[-1]
    ratio, time = _ratio(first, last), ""
    if ratio is not None:
        sure = ratio.is_gain or ratio.is_loss
        time = _grown("time", ratio.value, 1.0) if sure else "time stays the same within noise"
    parts = [
        time,
        _grown("MACs", first.macs, last.macs),
        _grown("memory", first.peak_bytes, last.peak_bytes),
    ]
    ends = f"From {at(name, first.values[name])} to {at(name, last.values[name])}"
    return f"{ends}, {', '.join(filter(None, parts))}."


def _grown(what: str, first: float | None, last: float | None) -> str:
    if not first or not last:
        return ""
    if first == last:
        return f"{what} stays the same" if what != "MACs" else "MACs stay the same"
    verb = ("grow" if last > first else "fall") + ("" if what == "MACs" else "s")
    return f"{what} {verb} {units.ratio(max(first / last, last / first), 2)}"


def growth(line: Sequence[SweepPoint]) -> Growth | None:
    """Fit memory over the batch with a straight line; `None` for fewer than two batches."""
    points = [(p.batch, p.peak_bytes) for p in line if p.batch and p.peak_bytes]
    batches = [batch for batch, _ in points]
    if len(set(batches)) < _SURE:
        return None
    mean_x, mean_y = (sum(some) / len(points) for some in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x in batches)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    fixed = mean_y - slope * mean_x
    return Growth(slope, fixed, max(abs(fixed + slope * x - y) / y for x, y in points))


def _memory(sweep: Sweep, line: Sequence[SweepPoint]) -> str:
    sizes = [point for point in line if point.peak_bytes]
    found = growth(line) if sweep.main.name == "batch" else None
    text = ""
    if found is not None and found.error <= _PROPORTIONAL and found.per_sample > 0:
        text = f"Each sample adds {units.size(round(found.per_sample))} of memory"
        if found.fixed > _PROPORTIONAL * found.per_sample:
            text += f", beside {units.size(round(found.fixed))} whatever the batch"
    elif found is not None:
        ends = [f"{units.size(p.peak_bytes)} at {at('batch', p.batch)}" for p in sizes]
        text = f"Memory is not in proportion to the batch: {ends[0]}, {ends[-1]}"
    errors = [
        abs(point.predicted_bytes / point.peak_bytes - 1)
        for point in sizes
        if point.predicted_bytes and point.peak_bytes
    ]
    if errors:
        within = f"to within {units.percent(max(errors))}" if max(errors) > _EXACT else "exactly"
        how = f"predicted {within} before each point ran"
        text = f"{text}, {how}" if text else f"Memory was {how}"
    return f"{text}." if text else ""


def _between(sweep: Sweep, lines: Sequence[Sequence[SweepPoint]]) -> list[str]:
    """Compare what is no number, or the lines with one another."""
    main = sweep.main
    if not main.is_numeric:
        return _compared(_measured(sweep.points), "", ())
    known = [{point.values[main.name] for point in _measured(line)} for line in lines]
    common = set.intersection(*known) if known else set()
    if not common:
        return []
    knees = {knee.values[main.name] for knee in sweep.knees if knee} & common
    chosen = max(knees or common, key=float)
    points = [point for line in lines for point in line if point.values[main.name] == chosen]
    return _compared(points, f"At {at(main.name, chosen)}, ", [main.name])


def _compared(points: Sequence[SweepPoint], begin: str, alike: Sequence[str]) -> list[str]:
    """Compare points with the first of them, a sentence each.

    Args:
        points: What is compared.
        begin: What stands before each sentence.
        alike: Axes on which all points lie at the same place.
    """

    def named(point: SweepPoint) -> str:
        return ", ".join(at(name, x) for name, x in point.values.items() if name not in alike)

    found = []
    for other in points[1 : 1 + _COMPARED]:
        ratio = _ratio(points[0], other, claims=len(points) - 1)
        if ratio is not None:
            found.append(
                _begun(f"{begin}{named(other)} is {timed(ratio)} than {named(points[0])}.")
            )
    return found
