"""``python analysis.ipynb``: a notebook as the program that Python is told to run.

Before it reads a program as text, CPython asks ``sys.path_hooks`` whether someone finds a
``__main__`` in that file, as in a folder or an archive; then it puts the file on ``sys.path`` and
lets `runpy` run ``__main__``.
"""

from __future__ import annotations

import os
import sys

from nbimport.machinery import loader, places
from nbimport.machinery.finder import standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class ScriptFinder:
    """Find the ``__main__`` in a notebook, which is the notebook, and nothing else.

    Args:
        path: The notebook, as it stands in ``sys.path``.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec of the notebook as a program."""
        del target
        finder = standing()
        if fullname != "__main__" or finder is None:
            return None
        path = os.path.abspath(self._path)
        if sys.path[:1] == [self._path] and _is_starting():
            # A program's own folder comes first, links resolved, unless Python is told to be safe.
            folder = os.path.dirname(os.path.realpath(path))
            sys.path[:1] = [] if sys.flags.safe_path else [folder]
        spec = loader.spec_of(fullname, path)
        spec.submodule_search_locations = None  # an __init__.ipynb is a program, too
        # By this name processes that multiprocessing spawns find the program, as with `python -m`.
        spec.name = places.name_of(finder, path)
        return spec


def _is_starting() -> bool:
    """Tell whether Python itself asks; ``runpy.run_path`` takes its entry back by itself."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "_run_module_as_main":
            return True
        frame = frame.f_back  # type: ignore[assignment] # the loop ends at None
    return False
