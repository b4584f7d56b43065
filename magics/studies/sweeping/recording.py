"""From a book to the record of a sweep: what all points share, and what must be known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.measurement.machine.contention import CONTENDED
from magics.records import Sweep, SweepAxis, SweepPoint
from magics.records.sweep import COUNTED, MEASURED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from magics.studies.sweeping.book import Book
    from magics.studies.sweeping.planning import Plan

_VARYING = frozenset({"date", "rounds", "contention"})
"""What is another at every point anyway."""

_UNLIKE = 1.5
"""How many times the contention of one point may be that of another [1]."""

_MOST_WARNINGS = 12


def recorded(
    book: Book,
    plan: Plan,
    before: Collection[SweepPoint],
    elapsed_s: float | None,
    more: Iterable[str] = (),
) -> Sweep:
    """Return the record of a sweep as it stands.

    Args:
        book: Its book.
        plan: What was asked for.
        before: Points that were measured by an earlier sweep.
        elapsed_s: How long this one has taken; `None` where points run elsewhere [s].
        more: Warnings from where points run.
    """
    points = book.points()
    measured = [point for point in points if point.status in {MEASURED, COUNTED}]
    here = {id(point) for point in before}
    mine = [point for point in points if id(point) not in here]
    axes = book.recorded_axes()
    return Sweep(
        model=plan.title,
        inputs=plan.words,
        axes=axes,
        points=tuple(points),
        environment=_shared(measured),
        options=plan.remembered(),
        warnings=tuple(dict.fromkeys([*_warnings(measured, axes), *more])),
        overhead=_overhead(points, mine, elapsed_s),
    )


def _overhead(
    points: Sequence[SweepPoint], mine: Sequence[SweepPoint], elapsed_s: float | None
) -> float | None:
    """Return the time beyond the forwards and backwards of measured points, as a share of theirs.

    A point's time is read on the clock of its forwards; what is between points, on the wall's.
    """
    done = [point for point in points if point.status == MEASURED]
    own = sum(point.runs * (point.seconds_per_call or 0.0) for point in done)
    if not own:
        return None
    between = 0.0
    if elapsed_s is not None:
        between = max(0.0, elapsed_s - sum(point.seconds for point in mine))
    return (sum(point.busy_s for point in done) + between) / own - 1


def _shared(measured: Sequence[SweepPoint]) -> dict[str, str]:
    """Return what is the same wherever points were measured."""
    if not measured:
        return {}
    first, *others = (point.environment for point in measured)
    return {
        name: value
        for name, value in first.items()
        if (name not in _VARYING or name == "date")
        and (name == "date" or all(other.get(name) == value for other in others))
    }


def _warnings(measured: Sequence[SweepPoint], axes: Sequence[SweepAxis]) -> Iterator[str]:
    names = {axis.name for axis in axes}
    yield from _of_points(measured)
    ratios = [_contention(point) for point in measured]
    most, least = max(ratios, default=1.0), min(ratios, default=1.0)
    by_processor = [point for point in measured if point.forward and point.forward.clock == "cpu"]
    busy = (
        f"Other programs kept this machine busy (wall time up to {most:.1f} times the processor "
        f"time)"
    )
    if most >= CONTENDED and len(by_processor) == len(measured):
        yield (
            f"{busy}. Times are processor time: fit for comparing points, not for saying how long "
            f"a user waits."
        )
    elif most >= CONTENDED:
        yield f"{busy}, and not all times are processor time: repeat this on a quiet machine."
    if most >= _UNLIKE * least and len(by_processor) < len(measured):
        yield (
            f"They did so more at some points than at others ({least:.1f} to {most:.1f} times): "
            f"differences between points may be theirs."
        )
    for name, word in (
        ("threads", "threads"),
        ("machine", "machines"),
        ("torch", "versions of torch"),
    ):
        values = {point.environment.get(name, "") for point in measured}
        if name not in names and len(values) > 1:
            yield (
                f"Points were measured with different {word} ({', '.join(sorted(values))}): "
                f"compare only those with the same."
            )


def _contention(point: SweepPoint) -> float:
    return float(point.environment.get("contention", "1x").removesuffix("x"))


def _of_points(measured: Sequence[SweepPoint]) -> list[str]:
    """Return the warnings of points; one that holds for some only names the first of them."""
    holds: dict[str, list[SweepPoint]] = {}
    for point in measured:
        for warning in point.warnings:
            holds.setdefault(warning, []).append(point)
    found = []
    for warning, points in holds.items():
        where = ", ".join(f"{name} {value}" for name, value in points[0].values.items())
        more = f" and {len(points) - 1} more" if len(points) > 1 else ""
        everywhere = len(points) == len(measured)
        found.append(warning if everywhere else f"At {where}{more}: {warning}")
    return found[:_MOST_WARNINGS]
