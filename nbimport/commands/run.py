"""Run a notebook as a program.

As `python script.py` does: the notebook is __main__, sys.argv holds its path and the arguments, its
folder is first on sys.path, and the exit code is Python's. Cells that an import leaves out
are left out here too; `definitions-only` of the settings does not hold. Works under torchrun:

  torchrun --nproc-per-node 2 -m nbimport run train.ipynb --epochs 3
"""

from __future__ import annotations

import builtins
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nbimport import hook
from nbimport.commands import files
from nbimport.errors import NotebookImportError
from nbimport.machinery import names, places

if TYPE_CHECKING:
    import argparse
    from types import TracebackType


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.usage = f"{parser.prog} [-h] NOTEBOOK [ARGUMENT ...]"
    parser.add_argument("notebook", metavar="NOTEBOOK", help="path of the notebook")


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Run the notebook; what it raises ends the process as it ends a script."""
    path = files.notebook(parser, arguments.notebook)
    sys.argv[:] = [arguments.notebook, *arguments.arguments]
    if not sys.flags.safe_path:  # then Python has not put the working directory there either
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    module = _main_module(path)
    sys.modules["__main__"] = module
    if "__mp_main__" in sys.modules:  # multiprocessing is there already, and has looked
        sys.modules["__mp_main__"] = module
    try:
        module.__loader__.exec_module(module)  # type: ignore[union-attr] # a NotebookLoader
    except BaseException as error:
        trace = _from_the_cells(error.__traceback__)
        if trace is None and isinstance(error, NotebookImportError):
            sys.stderr.write(f"{parser.prog}: {error}\n")
            return 1
        _show_as_a_script_s(trace)
        raise
    return 0


def _main_module(path: str) -> ModuleType:
    """Return a ``__main__`` that is the notebook.

    By the name of its spec `multiprocessing` finds it in spawned children, as it does after
    ``python -m``; and in its package relative imports work, as in a kernel.
    """
    name = names.of_notebook(path) + names.PROGRAM
    spec: Any = places.spec_at(hook.installed(), name, None)
    spec._initializing = True  # not a reload, which would be undone
    module: Any = ModuleType("__main__")
    module.__file__ = path
    module.__loader__ = spec.loader
    module.__spec__ = spec
    module.__package__ = spec.parent
    module.__cached__ = spec.cached
    module.__builtins__ = builtins  # the module; what runs without would get its dict
    return module  # type: ignore[no-any-return] # a module of which more can be set


def _from_the_cells(trace: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins in a cell."""
    while trace is not None and names.SUFFIX not in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    return trace


def _show_as_a_script_s(trace: TracebackType | None) -> None:
    """Let the interpreter, which prints the error that ends it, leave our own frames out."""
    original = sys.excepthook

    def excepthook(
        kind: type[BaseException], error: BaseException, whole: TracebackType | None
    ) -> None:
        del whole
        original(kind, error.with_traceback(trace), trace)

    sys.excepthook = excepthook
