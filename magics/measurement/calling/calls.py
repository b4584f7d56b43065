"""What a model did in one forward: a tree of calls, with the operators that ran in each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magics.theory import Cost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from magics.measurement.calling.operators import Work
    from magics.theory import Layer


@dataclass(slots=True)
class Operator:
    """One operator that ran: its full name and its work.

    Attributes:
        name: Full name, such as 'aten::convolution'.
        work: What it did.
        input_shape: Shape of the first tensor that went in.
        output_shape: Shape of the first tensor that came out.
        dtype: Element type of what came out.
        parameters: Parameters among the arguments of a layer.
    """

    name: str
    work: Work
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    dtype: str
    parameters: tuple[int, ...] = ()


@dataclass(slots=True)
class Call:
    """One call of a module or of a layer function.

    Attributes:
        path: Dotted path of the module, or of the module that calls the function.
        name: Name of the function; '' for a module.
        module: The module; `None` for a function.
        kind: Kind of layer of a function; '' for a module.
        explained: A function's arguments say it all: of what runs inside, only names are kept.
        inside: Those names.
        layer: Its call as a layer, if so.
        calls: Calls inside, in the order of their begins.
        operators: What ran here and in no call inside.
        parameters: Parameters among a function's arguments.
        namespace: Globals of the code that called a function.
        input_shape: Shape of the first tensor that went in.
        output_shape: Shape of the first tensor that came out.
        dtype: Element type of what came out.
        output_bytes: Size of what came out [bytes].
        itemsize: Bytes of one element of it.
    """

    path: str
    name: str = ""
    module: nn.Module | None = None
    kind: str = ""
    explained: bool = False
    inside: list[str] = field(default_factory=list)
    layer: Layer | None = None
    calls: list[Call] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    parameters: tuple[int, ...] = ()
    namespace: dict[str, Any] | None = None
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    dtype: str = ""
    output_bytes: int = 0
    itemsize: int = 4

    @property
    def functions(self) -> list[Call]:
        """Calls of layer functions directly in this call."""
        return [call for call in self.calls if call.module is None]

    @property
    def modules(self) -> list[Call]:
        """Calls of modules directly in this call."""
        return [call for call in self.calls if call.module is not None]

    def all_operators(self) -> Iterator[Operator]:
        """Yield what ran here and in all calls inside."""
        yield from self.operators
        for call in self.calls:
            yield from call.all_operators()

    def names(self) -> Iterator[str]:
        """Yield the name of every operator that ran here and in all calls inside."""
        yield from self.inside
        yield from (item.name for item in self.operators)
        for call in self.calls:
            yield from call.names()

    def cost(self) -> Cost:
        """Return the work of all operators here and in the calls inside."""
        return sum((item.work.cost or Cost() for item in self.all_operators()), Cost())

    def backward(self) -> Cost:
        """Return the work that all of them cause in a backward."""
        return sum((item.work.backward or Cost() for item in self.all_operators()), Cost())
