"""Which operator read and wrote which tensor, noted while a model runs.

A tensor is known by where its elements are: two with one memory, offset, shape and strides
are the same. What the operators mean is none of the tape's business; see `rules`. Tensors
are not kept alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_INDICES = 4096
"""Elements of an index that are noted by value."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A tensor that an operator read or wrote.

    Attributes:
        number: Identity; -1 for a tensor without memory of its own (sparse, opaque).
        memory: Identity of the memory that it is in.
        shape: Its shape.
        values: Its elements, where they are a short list of indices.
    """

    number: int
    memory: int
    shape: tuple[int, ...]
    values: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One operator that ran.

    Attributes:
        name: Name without namespace, overload and in-place mark: 'add', '__and__'.
        arguments: By the names of the operator's schema; a `Ref` stands for a tensor.
        outputs: What came out; `None` for what is no tensor.
        written: What was written in place.
        pointwise: Each element of the output depends on one element of each input.
    """

    name: str
    arguments: Mapping[str, Any]
    outputs: tuple[Ref | None, ...]
    written: tuple[Ref, ...] = ()
    pointwise: bool = False

    def refs(self) -> list[Ref]:
        """Return the tensors among the arguments, in order."""
        return [ref for value in self.arguments.values() for ref in refs_in(value)]


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment at which somebody wants to know a tensor's field.

    Attributes:
        token: Who asks.
        ref: The tensor.
    """

    token: int
    ref: Ref


def refs_in(value: object) -> list[Ref]:
    """Return the references in nested arguments, in order."""
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, tuple):
        return [ref for item in value for ref in refs_in(item)]
    return []


@dataclass(frozen=True, slots=True)
class _Signature:
    name: str
    names: tuple[str, ...]
    writes: tuple[tuple[int, str], ...]
    pointwise: bool
    indexes: bool


class Tape:
    """A record of operators, in the order in which they ran.

    Args:
        sources: The tensors that go into the model.

    Attributes:
        events: What ran, and what was asked.
        sources: The tensors that went into the model.
    """

    def __init__(self, sources: Sequence[torch.Tensor] = ()) -> None:
        self._memories: dict[int, StorageWeakRef] = {}  # keeps an identity from being reused
        self._numbers: dict[tuple[object, ...], int] = {}
        self._signatures: dict[object, _Signature] = {}
        self.events: list[Step | Mark] = []
        self.sources = [self._ref(tensor) for tensor in sources]

    def mark(self, asker: object, tensor: torch.Tensor) -> None:
        """Ask for a tensor's field as it is now, in the name of an object that stays alive."""
        self.events.append(Mark(id(asker), self._ref(tensor)))

    def _ref(self, tensor: torch.Tensor, *, indexes: bool = False) -> Ref:
        try:
            shape = tuple(tensor.shape)
            strides = tensor.stride()
            storage = tensor.untyped_storage()
            memory = storage._cdata
        except (NotImplementedError, RuntimeError):
            return Ref(-1, -1, ())
        if memory not in self._memories:
            self._memories[memory] = StorageWeakRef(storage)
        key = (memory, tensor.storage_offset(), shape, strides)
        number = self._numbers.setdefault(key, len(self._numbers))
        values = None
        if indexes and not tensor.dtype.is_floating_point and not tensor.is_meta:
            values = _indices(tensor)
        return Ref(number, memory, shape, values)

    def _noted(self, value: Any, *, indexes: bool = False) -> Any:  # noqa: ANN401, any argument
        if isinstance(value, torch.Tensor):
            return self._ref(value, indexes=indexes)
        if isinstance(value, list | tuple):
            return tuple(self._noted(item, indexes=indexes) for item in value)
        return value

    def _signature(self, func: Any) -> _Signature:  # noqa: ANN401, an OpOverload
        known = self._signatures.get(func)
        if known is None:
            schema = func._schema
            short = str(schema.name).rpartition("::")[2]
            name = short if short.startswith("__") else short.rstrip("_") or short
            known = _Signature(
                name,
                tuple(argument.name for argument in schema.arguments),
                tuple(
                    (place, argument.name)
                    for place, argument in enumerate(schema.arguments)
                    if argument.alias_info is not None and argument.alias_info.is_write
                ),
                torch.Tag.pointwise in func.tags,
                name in {"index", "index_select"},
            )
            self._signatures[func] = known
        return known

    def run(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:  # noqa: ANN401, an OpOverload
        """Run an operator and note it."""
        signature = self._signature(func)
        arguments = {
            name: self._noted(value, indexes=signature.indexes)
            for name, value in zip(signature.names, args, strict=False)
        }
        for name, value in kwargs.items():
            arguments[name] = self._noted(value)
        result = func(*args, **kwargs)
        written = []
        for place, name in signature.writes:
            value = args[place] if place < len(args) else kwargs.get(name)
            # After the operator: some change a tensor's shape in place.
            written += refs_in(self._noted(value))
        outputs = self._outputs(result)
        step = Step(signature.name, arguments, outputs, tuple(written), signature.pointwise)
        self.events.append(step)
        return result

    def _outputs(self, result: object) -> tuple[Ref | None, ...]:
        if isinstance(result, torch.Tensor):
            return (self._ref(result),)
        if isinstance(result, list | tuple):
            return tuple(ref for item in result for ref in self._outputs(item))
        return (None,)

    def run_function(
        self,
        func: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:  # noqa: ANN401, what the function returns
        """Run a function and, where it is circular padding, note it as one operator.

        torch makes circular padding of copies, which say less than the whole.
        """
        if func is not torch.nn.functional.pad:
            return func(*args, **kwargs)
        given = {**dict(zip(("input", "pad", "mode"), args, strict=False)), **kwargs}
        if given.get("mode") != "circular":
            return func(*args, **kwargs)
        noted = {"self": self._noted(given["input"]), "padding": self._noted(given["pad"])}
        kept, self.events = self.events, []
        try:
            result = func(*args, **kwargs)
        finally:
            self.events = kept
        self.events.append(Step("circular_pad", noted, self._outputs(result)))
        return result


def _indices(tensor: torch.Tensor) -> tuple[int, ...] | None:
    if tensor.dim() != 1 or tensor.numel() > MAX_INDICES:
        return None
    if tensor.dtype == torch.bool:
        tensor = tensor.nonzero().flatten()
    return tuple(tensor.tolist())
