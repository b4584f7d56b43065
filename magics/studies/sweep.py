"""Sweep a model over batch sizes, widths, layouts, devices: one axis or two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magics.measurement.machine.clock import NANOSECOND, WALL
from magics.options import Options
from magics.progress import part, report
from magics.session import Interrupted
from magics.studies import cluster
from magics.studies.sweeping.book import Book
from magics.studies.sweeping.measuring import measured
from magics.studies.sweeping.planning import Plan
from magics.studies.sweeping.recording import recorded
from magics.studies.sweeping.resuming import Ledger

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from magics.records import Sweep, SweepPoint
    from magics.studies.sweeping.tasks import Task

    NextTask = Callable[[], Task | None]
    Done = Callable[[Task, SweepPoint], None]
    Place = Callable[[NextTask, Done], None]
    """Where points run: it asks for tasks as long as there are some, and hands in results."""


def sweep(
    model: object,
    *inputs: object,
    on: object = None,
    resume: str | os.PathLike[str] | None = None,
    budget: float | None = None,
    **axes_and_options: Any,  # noqa: ANN401, axes, options and model inputs alike
) -> Sweep:
    """Measure a model at many settings: time, throughput and memory along one axis or two.

    An axis is a keyword with several values: a list, a range, or text such as '1,2,4'. The axes
    are batch, size, channels, groups, dilation, threads, dtype, layout and device. With '...' at
    the end (``batch="1,2,4,..."``), values go on until memory or the budget ends, or more is no
    gain any more; with a value after it ('1,2,4,...,64'), up to that.

    The model is left as it was found. For channels, groups and dilation a copy of it is altered,
    or, if `model` is a function or class with an argument of that name, called for a new one.

    Args:
        model: As for `magics.profile`; or what makes a model.
        *inputs: What to call it with; batch, size and channels change shapes and tensors.
        on: A dask cluster to run on, its address or a Client; here by default.
        resume: A JSON file to which every point is written when it is done, and from which an
            earlier sweep goes on.
        budget: How long the whole sweep may take [s]; without limit by default, where each
            point is measured for about a second, or five runs.
        **axes_and_options: Axes; options and keyword arguments as for `magics.profile`.

    Returns:
        The record of the sweep. A point that fails, or does not fit into memory, is in it with
        the reason.

    Raises:
        ConvProfileError: If the model, an input, an axis or an option is wrong, or the cluster is
            not there. One that is lost on the way is told in the record.
        Interrupted: On Ctrl-C; a KeyboardInterrupt, whose `partial` is the sweep so far.
    """
    begin = WALL.read()
    plan = Plan(model, inputs, axes_and_options, here=on is None)
    limit = Options(budget=budget).budget  # checked as that of a profile
    # On a cluster, workers of one host, the scheduler and whoever else share its processor.
    book = Book(plan.axes, plan.task, dimensions=plan.dimensions, budget_s=limit,
                among_others=on is not None)  # fmt: skip
    place: Place = _here(book) if on is None else cluster.place(on)
    ledger = Ledger(resume)
    before: tuple[SweepPoint, ...] = ()

    def now() -> Sweep:
        elapsed = (WALL.read() - begin) * NANOSECOND if on is None else None
        return recorded(book, plan, before, elapsed, getattr(place, "warnings", ()))

    saved = ledger.read()
    if saved is not None:
        ledger.check(saved, now())
        before = saved.points
        book.take_over(before)
    ledger.write(now)

    def next_task() -> Task | None:
        task = book.next_task()
        if task is not None:
            begun, _, text = book.progress(task.values)
            report(begun, text)
        return task

    came = 0

    def done(task: Task, point: SweepPoint) -> None:
        nonlocal came
        came += 1
        book.note(task.values, point)
        ledger.write(now)

    try:
        place(next_task, done)
    except cluster.LostError as loss:
        # What has come is good; the rows of the others say why there is no more.
        book.end(str(loss))
        ledger.write(now)
        if not came:
            raise
    except KeyboardInterrupt:
        book.end("interrupted")
        ledger.write(now)
        raise Interrupted(now()) from None
    return now()


def _here(book: Book) -> Place:
    """Return this process as the place where points run, one after another."""

    def place(next_task: NextTask, done: Done) -> None:
        while (task := next_task()) is not None:
            with part(*book.progress(task.values)):
                point = measured(task)
            done(task, point)

    return place
