"""The changes that let ``pdb``, ``doctest`` and ``threading`` name a cell and its line."""

from __future__ import annotations

import os
import sys

from nbimport.machinery import loader, names, observers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

_HEADER = r" # %% cell (\d+)\n"


def install() -> None:
    """Extend what is imported, and what will be."""
    observers.extend("pdb", _extend_pdb)
    observers.extend("doctest", _extend_doctest)
    if sys.version_info < (3, 13):  # from 3.13 the interpreter prints through linecache itself
        observers.extend("threading", _extend_threading)


def _extend_pdb(pdb: ModuleType) -> Callable[[], None]:
    """Let ``break analysis.ipynb cell 3:4`` find its file, which a cell is not."""
    original = pdb.Pdb.lookupmodule

    def lookupmodule(self: Any, filename: str) -> str | None:  # noqa: ANN401 - a Pdb
        if names.SUFFIX in filename:
            from nbimport.notebook import sourcemap

            place = sourcemap.parse_cell_name(filename)
            if place is not None:
                path, cell = place
                places = [*loader.loaded, *(os.path.join(folder, path) for folder in sys.path)]
                ending = os.sep + path.lstrip(os.sep)
                for found in places:
                    if os.path.abspath(found).endswith(ending) and os.path.isfile(found):
                        return sourcemap.cell_name(os.path.abspath(found), cell)
        return original(self, filename)  # type: ignore[no-any-return] # pdb's own

    return replaced(pdb.Pdb, "lookupmodule", lookupmodule)


def _extend_doctest(doctest: ModuleType) -> Callable[[], None]:
    """Report the cell of an example, and the line in it."""
    original = doctest.DocTestFinder._get_test

    def _get_test(  # noqa: PLR0913, PLR0917 - doctest's signature
        self: Any,  # noqa: ANN401 - a DocTestFinder
        obj: Any,  # noqa: ANN401 - whatever has a docstring
        name: str,
        module: ModuleType,
        globs: dict[str, Any],
        source_lines: list[str],
    ) -> Any:  # noqa: ANN401 - a DocTest or None
        path = getattr(module, "__file__", None) or ""
        if not path.endswith(names.SUFFIX):
            return original(self, obj, name, module, globs, source_lines)
        import inspect
        import linecache
        import re

        from nbimport.notebook import sourcemap

        function: Any = obj.fget if type(obj) is property else obj
        # Anything else may answer `getattr` with an import that fails, as six's lazy modules do.
        own = getattr(function, "__dict__", ())
        is_known = inspect.isfunction(function) or "__wrapped__" in own
        code = getattr(inspect.unwrap(function), "__code__", None) if is_known else None
        cell = getattr(code, "co_filename", "")
        if sourcemap.parse_cell_name(cell):
            test = original(self, obj, name, module, globs, linecache.getlines(cell))
            if test is not None:
                test.filename = cell
            return test
        test = original(self, obj, name, module, globs, source_lines)
        if test is not None and test.lineno:  # a class: counted in the module's whole text
            for above in range(test.lineno, -1, -1):
                header = re.fullmatch(_HEADER, source_lines[above])
                if header:
                    test.filename = sourcemap.cell_name(path, int(header[1]))
                    test.lineno -= above + 2
                    break
        return test

    return replaced(doctest.DocTestFinder, "_get_test", _get_test)


def _extend_threading(threading: ModuleType) -> Callable[[], None]:
    """Print errors that end a thread with the cell's text, as `hook` does for the main thread."""
    original = threading.excepthook

    def excepthook(args: Any) -> None:  # noqa: ANN401 - threading.ExceptHookArgs
        from nbimport.machinery import extensions

        plain = original is threading.__excepthook__ and args.exc_type is not SystemExit
        if not plain or sys.stderr is None or not extensions.passes_a_cell(args.exc_value):
            original(args)
            return
        import traceback

        name = threading.get_ident() if args.thread is None else args.thread.name
        print(f"Exception in thread {name}:", file=sys.stderr)  # noqa: T201 - as threading does
        traceback.print_exception(args.exc_type, args.exc_value, args.exc_traceback)

    return replaced(threading, "excepthook", excepthook)


def replaced(owner: Any, name: str, new: object) -> Callable[[], None]:  # noqa: ANN401 - module or class
    """Replace an attribute; return what puts the old one back unless it was replaced again."""
    original = getattr(owner, name)
    setattr(owner, name, new)

    def undo() -> None:
        if getattr(owner, name) is new:
            setattr(owner, name, original)

    return undo
