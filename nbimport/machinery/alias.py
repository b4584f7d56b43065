"""A second name for a module: importing it imports the first and returns the same object."""

from __future__ import annotations

from importlib import import_module
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

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the module that is meant."""
        del spec
        module = import_module(self.name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back; it has run already."""
        module.__spec__ = self._spec
