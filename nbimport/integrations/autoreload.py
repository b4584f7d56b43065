"""``%autoreload``: a saved notebook is reloaded like a saved ``.py`` file.

IPython's reloader knows ``.py`` files alone. It is told of notebooks too, as soon as something
imports it; what it does with a module that has changed is its own affair. A save that changes only
outputs changes no module: Jupyter saves notebooks by itself, and reloading runs all cells.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nbimport.errors import NotebookImportError
from nbimport.machinery import cache, loader, tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

# Path -> (time of the last save, hash of the code in it, time of the last save that changed code).
_saves: dict[str, tuple[float, bytes, float]] = {}


def extend(autoreload: ModuleType) -> Callable[[], None]:
    """Tell IPython's reloader of notebooks; return what undoes it."""
    reloader: Any = autoreload.ModuleReloader
    original = reloader.filename_and_mtime

    def filename_and_mtime(self: object, module: Any) -> tuple[str | None, float | None]:  # noqa: ANN401 - what sys.modules holds
        own = _loader_of(module)
        if own is None:
            return original(self, module)  # type: ignore[no-any-return] # IPython's
        changed = _changed(own)
        return (None, None) if changed is None else (own.path, changed)

    undo = [tools.replaced(reloader, "filename_and_mtime", filename_and_mtime)]
    deduper: Any = getattr(autoreload, "DeduperReloader", None)
    if deduper is not None:  # from IPython 9 on: compares and patches the text of .py files
        patch = deduper.maybe_reload_module

        def maybe_reload_module(self: object, module: Any) -> bool:  # noqa: ANN401 - as above
            return _loader_of(module) is None and patch(self, module)

        undo.append(tools.replaced(deduper, "maybe_reload_module", maybe_reload_module))

    def undo_all() -> None:
        for back in undo:
            back()
        _saves.clear()

    return undo_all


def _loader_of(module: Any) -> loader.NotebookLoader | None:  # noqa: ANN401 - what sys.modules holds
    """Return the loader of a notebook; None for what is none, or can't be reloaded."""
    namespace = getattr(module, "__dict__", {})
    own = namespace.get("__loader__") if isinstance(namespace, dict) else None
    if not isinstance(own, loader.NotebookLoader) or namespace.get("__name__") == "__main__":
        return None
    return own


def _changed(own: loader.NotebookLoader) -> float | None:
    """Return when a notebook's code was changed last; None if there is no such file any more."""
    path = own.path
    try:
        saved = os.stat(path).st_mtime
    except OSError:
        return None
    known = _saves.get(path)
    if known is None or known[0] != saved:
        try:
            digest = cache.digest_of(own._notebook()[0].content())
        except NotebookImportError:  # reloading it will say what is wrong
            digest = b""
        changed = saved if known is None or not digest or known[1] != digest else known[2]
        known = _saves[path] = (saved, digest, changed)
    return known[2]
