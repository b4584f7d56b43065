"""From the tape of a run to the receptive field of every tensor that was asked about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from magics.measurement.fields.canvas import Canvas
from magics.measurement.fields.layout import LostError, along, free
from magics.measurement.fields.places import Place
from magics.measurement.fields.reading import Reading, Value
from magics.measurement.fields.settling import as_units
from magics.measurement.fields.tape import Mark
from magics.theory.graph import Graph, graph_of
from magics.theory.receptive_field import ReceptiveField, ReceptiveFields

if TYPE_CHECKING:
    from magics.measurement.fields.tape import Ref, Tape

MAX_STEPS = 60_000
"""Operators read at most; a longer run has no fields."""


@dataclass(slots=True)
class Survey:
    """The receptive fields of a run.

    Attributes:
        fields: By the identity of who asked.
        reasons: Why somebody who asked gets no field.
        source: Shape of the input that the fields are in; empty if there is none.
        axes: Its dimensions that are the axes of the fields.
        graph: What was drawn.
        nodes: The node of everybody who asked and whose place is known.
    """

    fields: dict[int, ReceptiveField] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    source: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()
    graph: Graph = field(default_factory=dict)
    nodes: dict[int, int] = field(default_factory=dict)


class _Met(Exception):  # noqa: N818, not an error
    """A window slides.

    Attributes:
        axes: What it slides over; `None` where that is not known.
        flat: How many dimensions are of size 1.
    """

    def __init__(self, axes: list[int | None], *, flat: int) -> None:
        super().__init__()
        self.axes = axes
        self.flat = flat


def survey(tape: Tape) -> Survey:
    """Work out the receptive fields of what was marked on a tape.

    They are fields in the first input that looks like an image, a signal or a volume.
    """
    found = Survey()
    for source in tape.sources:
        axes = _axes(tape, source)
        if axes:
            found.source, found.axes = source.shape, tuple(axes)
            _read(tape, source, axes, found)
            break
    return found


def _axes(tape: Tape, source: Ref) -> list[int]:
    """Return the dimensions of an input over which the first sliding window goes.

    Every dimension is followed as if it were an axis, up to the first window.
    """
    rank = len(source.shape)
    canvas = Canvas(source.shape)
    layout = tuple(along(dim, size) for dim, size in enumerate(source.shape))
    try:
        Reading(canvas, source, Place(layout, canvas.source), _meet).read(tape.events[:MAX_STEPS])
    except _Met as met:
        known = [axis for axis in met.axes if axis is not None]
        count = len(met.axes)
        # Pooling a signal, torch makes it an image of height 1, which has no such axis.
        if len(set(known)) == count:
            return known
        if rank == count + 1 and met.flat:
            return known if len(known) == count - met.flat else list(range(2, rank))
        return list(range(rank - count, rank)) if rank >= count else known
    # Nothing slides: four dimensions are an image, three may be a sequence of anything.
    return list(range(2, rank)) if rank >= 4 else []  # noqa: PLR2004, (N, C, H, W)


def _meet(place: Place, count: int) -> None:
    last = place.layout[-count:]
    axes = []
    for dim in last:
        followed = [atom for atom in dim if atom.axis >= 0]
        axes.append(max(followed, key=lambda atom: atom.size).axis if followed else None)
    raise _Met(axes, flat=sum(not dim for dim in last))


def _read(tape: Tape, source: Ref, axes: list[int], found: Survey) -> None:
    shape = source.shape
    canvas = Canvas(tuple(shape[dim] for dim in axes))
    layout = tuple(
        along(axes.index(dim), size) if dim in axes else free(size)
        for dim, size in enumerate(shape)
    )
    reading = Reading(canvas, source, Place(layout, canvas.source))
    asked = found.nodes
    known: dict[int, tuple[Value, int | str]] = {}  # by identity, so values are kept alive
    # A mark is answered at once: what comes after it may be too much work.
    for event in tape.events[:MAX_STEPS]:
        reading.read((event,))
        if not isinstance(event, Mark):
            continue
        value = reading.marks[event.token]
        if id(value) not in known:
            known[id(value)] = value, _node(canvas, value)
        node = known[id(value)][1]
        asked.pop(event.token, None)
        found.reasons.pop(event.token, None)
        if isinstance(node, str):
            found.reasons[event.token] = node
        else:
            asked[event.token] = node
    for event in tape.events[MAX_STEPS:]:
        if isinstance(event, Mark):
            found.reasons[event.token] = f"the model runs more than {MAX_STEPS:,} operators"
    found.graph = graph_of(canvas.nodes.values())
    fields = ReceptiveFields(found.graph, canvas.source)
    answers: dict[int, ReceptiveField | None] = {}
    for token, node in asked.items():
        if node not in answers:
            answers[node] = fields[node]
        answer = answers[node]
        if answer is None:
            found.reasons[token] = fields.obstacle(node)
        else:
            found.fields[token] = answer


def _node(canvas: Canvas, value: Value) -> int | str:
    """Return the node of a tensor, or why it has none."""
    if value is None:
        return "doesn't depend on the input"
    if isinstance(value, LostError):
        return str(value)
    try:
        value = as_units(canvas, value)
        node = canvas.union(value.nodes())
        whole = canvas.union([*value.nodes(), *value.loose()])
    except LostError as lost:
        return str(lost)
    return node if whole == node else "tokens of unknown place"
