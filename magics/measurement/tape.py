"""Which operator read and wrote which tensor, noted while a model runs.

A tensor is known by a number, and gets a new one whenever an operator writes it in place:
a number stands for one value. What the operators mean is none of the tape's business; see
`graph`. Tensors are not kept alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Ref:
    """One value of a tensor.

    Attributes:
        number: Identity of the value.
        shape: Its shape.
        stale: The memory was written through another tensor since the number was given.
    """

    number: int
    shape: tuple[int, ...]
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One operator that ran.

    Attributes:
        name: Name without namespace, overload and in-place mark: 'add', '__and__'.
        arguments: By the names of the operator's schema; a `Ref` stands for a tensor.
        outputs: What came out; for an in-place operator the written tensor's new value.
        writes: What was written in place, as it was before.
    """

    name: str
    arguments: Mapping[str, Any]
    outputs: tuple[Ref, ...]
    writes: tuple[Ref, ...] = ()

    def refs(self) -> list[Ref]:
        """Return the tensors among the arguments, in order."""
        return [ref for value in self.arguments.values() for ref in refs_in(value)]


def refs_in(value: object) -> list[Ref]:
    """Return the references in nested arguments, in order."""
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, list | tuple):
        return [ref for item in value for ref in refs_in(item)]
    return []


class Tape:
    """A record of operators, in the order in which they ran.

    Attributes:
        sources: The tensors that went into the model.
        steps: What ran since.
    """

    def __init__(self, sources: Sequence[torch.Tensor] = ()) -> None:
        self._known = WeakTensorKeyDictionary()  # tensor -> (number, writes to its memory)
        self._writes: dict[int, int] = {}  # memory -> writes through any tensor
        self._count = 0
        self.steps: list[Step] = []
        self.sources = [self.ref(tensor) for tensor in sources]

    def ref(self, tensor: torch.Tensor) -> Ref:
        """Return the value that a tensor has now."""
        known = self._known.get(tensor)
        writes = self._writes.get(_memory(tensor), 0)
        if known is None:
            stale = writes > 0
            known = self._number(tensor, writes)
        else:
            stale = known[1] != writes
        return Ref(known[0], tuple(tensor.shape), stale)

    def _number(self, tensor: torch.Tensor, writes: int) -> tuple[int, int]:
        known = (self._count, writes)
        self._known[tensor] = known
        self._count += 1
        return known

    def record(
        self,
        func: Any,  # noqa: ANN401, an OpOverload, which torch doesn't export
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        run: Any,  # noqa: ANN401, a function without arguments
    ) -> Any:  # noqa: ANN401, what the operator returns
        """Run an operator and note it.

        Args:
            func: The operator, as a dispatch mode gets it.
            args: Its positional arguments.
            kwargs: Its other arguments.
            run: Runs it.
        """
        schema = func._schema
        names = [argument.name for argument in schema.arguments]
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        arguments = {name: self._noted(value) for name, value in given.items()}
        written = [
            given[argument.name]
            for argument in schema.arguments
            if argument.alias_info is not None
            and argument.alias_info.is_write
            and isinstance(given.get(argument.name), torch.Tensor)
        ]
        before = tuple(self.ref(tensor) for tensor in written)
        result = run()
        step_refs = [ref for value in arguments.values() for ref in refs_in(value)]
        for tensor in written:
            self._written(tensor, alone=len(step_refs) == 1)
        # Fresh memory may stand where memory that was written was freed.
        if not any(item.alias_info for item in schema.returns):
            for tensor in _tensors(result):
                self._writes.pop(_memory(tensor), None)
        outputs = tuple(self._output(tensor, written) for tensor in _tensors(result))
        self.steps.append(Step(_base_name(schema.name), arguments, outputs, before))
        return result

    def _noted(self, value: Any) -> Any:  # noqa: ANN401, any argument of an operator
        if isinstance(value, torch.Tensor):
            return self.ref(value)
        if isinstance(value, list | tuple):
            return tuple(self._noted(item) for item in value)
        return value

    def _written(self, tensor: torch.Tensor, *, alone: bool) -> None:
        """Give a written tensor a new number.

        An operator on a single tensor (ReLU) changes every tensor in the same memory alike; any
        other makes those that share the memory stale.
        """
        memory = _memory(tensor)
        writes = self._writes.get(memory, 0)
        if not alone:
            writes += 1
            self._writes[memory] = writes
        self._number(tensor, writes)

    def _output(self, tensor: torch.Tensor, written: list[torch.Tensor]) -> Ref:
        if not any(tensor is item for item in written):
            self._number(tensor, self._writes.get(_memory(tensor), 0))
        return self.ref(tensor)


def _memory(tensor: torch.Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # sparse and opaque tensors have none
        return -1


def _tensors(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in _tensors(item)]
    return []


def _base_name(name: str) -> str:
    short = name.rpartition("::")[2]
    return short if short.startswith("__") else short.rstrip("_") or short
