"""A second name for a module: importing it imports the first and returns the same object."""

from __future__ import annotations

import importlib._bootstrap as _bootstrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class AliasLoader:
    """Load a module under its own name, on behalf of another name.

    importlib sets ``__spec__`` on whatever ``create_module`` returns, so it is set back.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the module that is meant."""
        del spec
        module: ModuleType = _bootstrap._gcd_import(self.name)
        own = getattr(module, "__spec__", None)
        # Another thread may be between the two steps of an alias of its own.
        while own is not None and isinstance(own.loader, AliasLoader):
            own = own.loader._spec
        self._spec = own
        return module

    # CPython cuts frames of this file and function name from the traceback of an import.
    create_module.__code__ = create_module.__code__.replace(
        co_filename="<frozen importlib._bootstrap_external>", co_name="_call_with_frames_removed"
    )

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back; it has run already."""
        module.__spec__ = self._spec
