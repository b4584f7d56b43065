"""The base of everything that looks at operators as they run."""

from __future__ import annotations

import sys

from torch._compile import _disable_dynamo
from torch.utils._python_dispatch import TorchDispatchMode


def compiler_is_loaded() -> bool:
    """Return whether torch's compiler was imported, by whoever compiled something."""
    return "torch._dynamo" in sys.modules


class OperatorObserver(TorchDispatchMode):
    """A dispatch mode whose guard against the compiler doesn't load the compiler.

    torch guards every mode, so that the compiler doesn't compile the observer. The guard loads
    the compiler when the first operator runs, which takes seconds, and takes some microseconds
    with each. So there is one only where the compiler has been loaded already.
    """

    _guarded: type[OperatorObserver]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if compiler_is_loaded():
            self.__class__ = _guarded(type(self))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def _guarded(kind: type[OperatorObserver]) -> type[OperatorObserver]:
    guarded = vars(kind).get("_guarded")
    if guarded is None:
        method = _disable_dynamo(kind.__torch_dispatch__)
        guarded = type(kind.__name__, (kind,), {"__torch_dispatch__": method})
        kind._guarded = guarded
    return guarded
