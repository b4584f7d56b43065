"""What nbimport adds to other modules, as soon as they are imported and no earlier.

``linecache`` learns the text of cells, ``pkgutil`` to list notebooks. Both are undone on uninstall.
A module that nobody imports costs nothing: the finder sees every import anyway.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    # Takes the module that was imported; returns what undoes the change.
    Extension = Callable[[ModuleType], Callable[[], None]]

_extensions: dict[str, list[Extension]] = {}
_undo: list[Callable[[], None]] = []


def extend(name: str, extension: Extension) -> None:
    """Extend a module now if it is there, else once it has been imported."""
    module = sys.modules.get(name)
    if module is None or getattr(module.__spec__, "_initializing", False):
        _extensions.setdefault(name, []).append(extension)
    else:
        _undo.append(extension(module))


def is_extending() -> bool:
    """Tell whether something has been extended, or waits for it."""
    return bool(_extensions or _undo)


def undo() -> None:
    """Take every extension back, and forget those still waiting."""
    _extensions.clear()
    while _undo:
        _undo.pop()()


def watched(fullname: str, spec: ModuleSpec) -> ModuleSpec:
    """Return a spec whose loader extends the module once it has run, where something waits."""
    if fullname in _extensions and spec.loader is not None:
        spec.loader = _ThenExtend(fullname, spec.loader)  # type: ignore[assignment] # quacks like one
    return spec


class _ThenExtend:
    """Stand in for a loader during one import."""

    def __init__(self, fullname: str, loader: Any) -> None:  # noqa: ANN401 - any loader
        self._fullname = fullname
        self._loader = loader

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the loader it stands for
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _undo.extend(extension(module) for extension in _extensions.pop(self._fullname, ()))
