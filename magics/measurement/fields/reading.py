"""Reading a tape: the place of every tensor, one operator after another.

Memory can be seen through several tensors. A tensor made by a view remembers the view; a
write goes up through the views to the whole memory, and every other view of it is read
anew when it is used next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magics.measurement.fields import moves, pooling, products
from magics.measurement.fields.layout import LostError
from magics.measurement.fields.places import Place, permuted, resized, viewed
from magics.measurement.fields.rules import CONSTANTS, POINTWISE, RULES, pointwise
from magics.measurement.fields.settling import settled
from magics.measurement.fields.slicing import sliced
from magics.measurement.fields.tape import Mark, Ref, Step
from magics.measurement.fields.writing import slice_written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magics.measurement.fields.canvas import Canvas
    from magics.theory.axis_maps import AxisMap

del pooling, products  # imported for their rules

_UNREAD = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError)
"""What a rule raises for arguments that another version of torch gave a new meaning."""

Value = Place | LostError | None
"""Where a tensor stands; why nobody knows; or `None` for a constant."""


@dataclass(slots=True)
class _Tensor:
    """What is known of one tensor.

    Attributes:
        value: Its value after `seen` writes to its memory.
        seen: Writes to the memory that the value knows of.
        view: The step that made it a view, and which output it was; `None` for a whole memory.
    """

    value: Value
    seen: int
    view: tuple[Step, int] | None = None


class Reading:
    """The places of all tensors, as the tape is read.

    Args:
        canvas: Where nodes are drawn.
        source: The input looked at.
        place: Where it stands.
        first_windows: Told the last dimensions' axes of the first input of a sliding window.
    """

    def __init__(
        self,
        canvas: Canvas,
        source: Ref,
        place: Place,
        first_windows: Callable[[Place, int], None] | None = None,
    ) -> None:
        self.canvas = canvas
        self._tensors: dict[int, _Tensor] = {source.number: _Tensor(place, 0)}
        self._writes: dict[int, int] = {}
        self._whole: dict[int, Ref] = {source.memory: source}
        self._dependent = {source.memory}
        self._first_windows = first_windows
        self._pools: dict[int, Step] = {}
        self.marks: dict[int, Value] = {}

    def read(self, events: Iterable[Step | Mark]) -> None:
        """Read what ran."""
        for event in events:
            if isinstance(event, Mark):
                self.marks[event.token] = self._value(event.ref)
            else:
                self._step(event)

    def place(self, ref: object) -> Place | None:
        """Return where a tensor stands, `None` for a constant.

        Raises:
            LostError: If nobody knows.
        """
        if not isinstance(ref, Ref):
            return None
        value = self._value(ref)
        if isinstance(value, LostError):
            raise value
        return value

    def meets(self, place: Place, count: int) -> None:
        """Tell that a window slides over the last dimensions of a place."""
        if self._first_windows is not None:
            self._first_windows(place, count)

    def chose(self, step: Step) -> None:
        """Note which pool the indices of the largest elements are from."""
        indices = step.outputs[1]
        if indices is not None:
            self._pools[indices.memory] = step

    def pool_of(self, indices: Ref) -> Step | None:
        """Return the pool that indices of largest elements are from."""
        return self._pools.get(indices.memory)

    def sliced(self, ref: Ref, dim: int, part: int, parts: int) -> Place | None:
        """Return the place of one of several equal parts of a tensor."""
        place = self.place(ref)
        length = ref.shape[dim] // parts
        indices = range(part * length, (part + 1) * length)
        return None if place is None else sliced(self.canvas, place, dim, indices)

    def along(self, ref: Ref, dim: int, how: AxisMap) -> Place | None:
        """Return the place of a tensor read through a map along one dimension, as long as it."""
        place = self.place(ref)
        if place is None:
            return None
        place, axis = settled(self.canvas, place, dim)
        if axis is None:
            if not isinstance(place.labels, int):
                raise LostError("elements with different fields follow one another")
            return place
        size = ref.shape[dim]
        return resized(self.canvas, place, {dim: (axis, how, size)})

    def lost(self, reason: str) -> Place:
        """Say that a place can't be followed.

        Raises:
            LostError: Always.
        """
        raise LostError(reason)

    def _value(self, ref: Ref) -> Value:
        if ref.number < 0:
            return LostError("a sparse or opaque tensor") if self._dependent else None
        if ref.memory not in self._dependent:
            return None
        known = self._tensors.get(ref.number)
        if known is None:
            whole = self._whole.get(ref.memory)
            if whole is None or self._value(whole) is None:
                return None
            return LostError("memory is read through a tensor of unknown origin")
        writes = self._writes.get(ref.memory, 0)
        if known.seen != writes and known.view is not None:
            step, index = known.view
            known.value = self._results(step)[index]
        known.seen = writes
        return known.value

    def _step(self, step: Step) -> None:
        refs = step.refs()
        if not any(ref.memory in self._dependent or ref.number < 0 for ref in refs):
            self._constant(step, refs)
            return
        values = self._results(step)
        written = {ref.number for ref in step.written}
        for output, value in zip(step.outputs, values, strict=True):
            if output is None or output.number < 0:
                continue
            if output.number in written and step.name not in moves.RESHAPES:
                self._write(output, value)
            else:
                self._enter(step, output, value, refs)
        outputs = {output.number for output in step.outputs if output is not None}
        for ref in step.written:
            if ref.number not in outputs and "batch_norm" not in step.name:
                self._write(ref, LostError(f"{step.name} writes into an argument"))

    def _constant(self, step: Step, refs: list[Ref]) -> None:
        """Note tensors that don't depend on the input; something may be written into them."""
        for output in step.outputs:
            if output is None or output.number in self._tensors:
                continue
            parent = next((ref for ref in refs if ref.memory == output.memory), None)
            if parent is not None and parent.number not in self._tensors:
                self._whole.setdefault(parent.memory, parent)
                self._tensors[parent.number] = _Tensor(None, 0)
            self._enter(step, output, None, refs)

    def _enter(self, step: Step, output: Ref, value: Value, refs: list[Ref]) -> None:
        """Note a tensor that an operator returned."""
        writes = self._writes.get(output.memory, 0)
        known = self._tensors.get(output.number)
        shares = any(ref.memory == output.memory for ref in refs)
        if shares and known is not None and refs[0].memory == output.memory:
            known.value, known.seen = value, writes
            return
        view = (step, self._index(step, output)) if shares else None
        self._tensors[output.number] = _Tensor(value, writes, view)
        if not shares:
            self._whole[output.memory] = output
        if value is not None:
            self._dependent.add(output.memory)

    @staticmethod
    def _index(step: Step, output: Ref) -> int:
        return next(i for i, o in enumerate(step.outputs) if o is not None and o == output)

    def _write(self, ref: Ref, value: Value) -> None:
        """Note that a tensor has a new value, and with it all that share its memory."""
        if value is not None:
            self._dependent.add(ref.memory)
        if ref.memory not in self._dependent:
            return
        known = self._tensors.setdefault(ref.number, _Tensor(None, 0))
        chain = [(ref, value)]
        while known.view is not None:
            step, index = known.view
            parent = step.refs()[0]
            if parent.number == ref.number:
                break
            chain.append((parent, self._written_back(step, index, chain[-1][1])))
            ref = parent
            known = self._tensors.setdefault(parent.number, _Tensor(None, 0))
        writes = self._writes.get(ref.memory, 0) + 1
        self._writes[ref.memory] = writes
        for each, new in chain:
            tensor = self._tensors[each.number]
            tensor.value, tensor.seen = new, writes

    def _written_back(  # noqa: PLR0911, one return per kind of view
        self, step: Step, index: int, value: Value
    ) -> Value:
        """Return what a tensor is after a view of it was written."""
        parent = step.refs()[0]
        try:
            old = self.place(parent)
            if isinstance(value, LostError):
                raise value
            if step.name in moves.SAME_ORDER:
                return None if value is None else viewed(value, parent.shape)
            if step.name in {"permute", "transpose", "t"}:
                if value is None:
                    return None
                order = moves.order(step)
                return permuted(value, [order.index(dim) for dim in range(len(order))])
            if step.name in moves.SLICES:
                return slice_written(self.canvas, step, index, old, value)
        except LostError as lost:
            return lost
        except _UNREAD as error:
            return LostError(f"aten::{step.name} has unknown arguments ({error!r})")
        return LostError(f"memory is written through aten::{step.name}")

    def _results(self, step: Step) -> list[Value]:
        count = len(step.outputs)
        if step.name in CONSTANTS:
            return [None] * count
        rule = RULES.get(step.name)
        if rule is None and (step.pointwise or step.name in POINTWISE):
            rule = pointwise
        try:
            result: Any = (rule or _unknown)(self, step)
        except LostError as lost:
            return [lost] * count
        except _UNREAD as error:
            return [LostError(f"aten::{step.name} has unknown arguments ({error!r})")] * count
        found = list(result) if isinstance(result, tuple) else [result] * count
        if len(found) != count:
            return [LostError(f"aten::{step.name} has {count} outputs, not {len(found)}")] * count
        return [self._checked(step, o, v) for o, v in zip(step.outputs, found, strict=True)]

    @staticmethod
    def _checked(step: Step, output: Ref | None, value: Value) -> Value:
        """Make sure that a rule speaks of the tensor that came out."""
        if isinstance(value, Place) and output is not None and value.shape != output.shape:
            try:
                return viewed(value, output.shape)
            except LostError:
                return LostError(f"aten::{step.name} has an output of another shape")
        return value


def _unknown(run: Reading, step: Step) -> None:
    """Follow what has no rule, as far as it depends on constants only."""
    if any(run.place(ref) is not None for ref in step.refs()):
        raise LostError(f"aten::{step.name} can't be followed")
