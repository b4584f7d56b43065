"""A second name for a module: importing it imports the first and returns the same object."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class AliasLoader:
    """Load a module under its own name, on behalf of another name.

    importlib sets ``__spec__`` on whatever ``create_module`` returns, so it is set back.

    Args:
        name: The module's own name.
        is_imported: The caller has imported it just before. Then nothing waits here for another
            thread that may still be running it, and importlib's lock of the alias is free again
            at once.
    """

    def __init__(self, name: str, *, is_imported: bool) -> None:
        self.name = name
        self._is_imported = is_imported
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the module that is meant."""
        del spec
        module = sys.modules.get(self.name) if self._is_imported else None
        if module is None:
            # The last argument asks for the module itself, not for the package that it is in.
            module = __import__(self.name, None, None, ["__name__"])
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
