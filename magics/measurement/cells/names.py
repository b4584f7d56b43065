"""What the modules that a cell calls are called: by the names that the cell itself uses."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from magics.measurement.models.modules import held_in, reachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

_SESSION = frozenset({"In", "Out", "exit", "quit"})
"""What IPython keeps in the user's namespace for itself."""


class Names:
    """Names of modules in a namespace that changes.

    Modules are not kept alive: a cell may make a thousand, one after another.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._known: dict[int, tuple[weakref.ref[nn.Module], str]] = {}

    def of(self, module: nn.Module, caller: str | None) -> str:
        """Return a module's path.

        Args:
            module: What is called.
            caller: Path of the module that calls it; `None` for the cell.
        """
        name = self._name(module)
        if name is None and caller is None:
            self._learn(self._named())
            name = self._name(module)
        if name is None:
            kind = type(module).__name__
            self._learn({f"{caller}.{kind}" if caller else kind: module})
            name = self._name(module)
        return name or ""

    def _name(self, module: nn.Module) -> str | None:
        known = self._known.get(id(module))
        return known[1] if known is not None and known[0]() is module else None

    def _named(self) -> dict[str, nn.Module]:
        own = {
            name: value
            for name, value in self._namespace.items()
            if not name.startswith("_") and name not in _SESSION
        }
        return held_in(own)

    def _learn(self, roots: Mapping[str, nn.Module]) -> None:
        found, _ = reachable(roots)
        for path, module in found.items():
            if self._name(module) is None:
                key = id(module)
                forget = weakref.ref(module, lambda _, key=key: self._known.pop(key, None))  # type: ignore[misc]  # mypy can't tell a default's type
                self._known[key] = (forget, path)
        found.clear()  # what `reachable` is made of lives until the next collection
