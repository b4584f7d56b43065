"""Type stubs of notebooks: ``.pyi`` files from which type checkers and editors know their names.

A stub says from which notebook it was made, and what it would say now is compared with what it
says: so a stale one is found, and a file that somebody wrote by hand is left alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from nbimport.errors import NotebookImportError, NotebookNotFoundError
from nbimport.machinery import SUFFIX, cache, loader, paths
from nbimport.notebook import declarations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MARK, _REST = "# Made by `python -m nbimport stubs` from ", "; changes here are lost.\n"
# What is wrong in a notebook's code is not wrong in its stub, where nobody could mend it.
_RULES = (
    "ArgumentType AttributeAccessIssue CallIssue GeneralTypeIssues IndexIssue MissingImports "
    "MissingModuleSource OperatorIssue OptionalCall OptionalIterable OptionalMemberAccess "
    "OptionalOperand OptionalSubscript PossiblyUnboundVariable Redeclaration"
).split()
_QUIET = f"""\
# mypy: ignore-errors
# pyright: {", ".join(f"report{rule}=false" for rule in _RULES)}
"""
_STUB = ".pyi"


class Outcome(NamedTuple):
    """Hold what came of one stub.

    Attributes:
        path: The stub.
        state: "written", "current", "missing", "stale" (the notebook says something else now),
            "orphaned" (its notebook is gone), "removed" or "failed".
        why: For "failed", what is wrong and what to do.
    """

    path: str
    state: str
    why: str = ""

    @property
    def is_good(self) -> bool:
        """Tell whether the stub says what its notebook says."""
        return self.state in {"written", "current", "removed"}


def update(
    places: Iterable[str], out: str | None = None, *, check: bool = False
) -> Iterator[Outcome]:
    """Write the stubs of notebooks, and remove those whose notebooks are gone.

    Args:
        places: Notebooks, and folders with notebooks.
        out: Folder for the stubs, which then lie in it as the notebooks lie in the place that was
            given; None: beside the notebooks.
        check: Change nothing, and say what is stale.

    Yields:
        What came of each stub, as it is done.

    Raises:
        NotebookNotFoundError: There is no such notebook or folder.
    """
    for place in places:
        if not os.path.exists(place):
            raise NotebookNotFoundError(
                f"{place}: no such notebook or folder; check the path", path=place
            )
        folder = place if os.path.isdir(place) else os.path.dirname(place)
        target = folder if out is None else out
        made = set()
        for path in _notebooks(place, out):
            stub = _stub_path(path, folder, target)
            if stub is not None:
                made.add(os.path.abspath(stub))
                yield _updated(stub, path, check=check)
        if os.path.isdir(place):
            yield from _orphans(target, made, check=check)


def _notebooks(place: str, out: str | None) -> Iterator[str]:
    """Yield a notebook, or those in a folder, without what tools keep in folders of their own."""
    if not os.path.isdir(place):
        yield place
        return
    for folder, files in paths.walk(place, but=out):
        yield from (os.path.join(folder, file) for file in files if file.endswith(SUFFIX))


def _stub_path(notebook: str, folder: str, target: str) -> str | None:
    """Return where the stub of a notebook belongs, or None if no import statement can mean it."""
    place, file = os.path.split(notebook)
    stem = file.removesuffix(SUFFIX)
    name = _spelt(stem)
    if not name.isidentifier() or os.path.exists(os.path.join(place, f"{name}.py")):
        return None
    same = [other for other in os.listdir(place or ".") if _spelt(other) == name + SUFFIX]
    if stem != name and len(same) > 1:  # an import of this name finds the other one, or neither
        return None
    return os.path.join(target, os.path.relpath(place or ".", folder or "."), name + _STUB)


def _spelt(name: str) -> str:
    return name.replace(" ", "_").replace("-", "_")


def _updated(stub: str, notebook: str, *, check: bool) -> Outcome:
    stub = os.path.normpath(stub)
    old = cache.content(stub)
    if old is not None and not old.startswith(_MARK.encode()):
        why = f"{stub}: not made by nbimport; move it away, or give another folder with --out"
        return Outcome(stub, "failed", why)
    try:
        new = _text(notebook, stub).encode()
    except (NotebookImportError, SyntaxError, RecursionError) as error:
        return Outcome(
            stub, "failed", f"{os.path.normpath(notebook)}: {_without(notebook, str(error))}"
        )
    if old == new:
        return Outcome(stub, "current")
    if check:
        return Outcome(stub, "missing" if old is None else "stale")
    if not cache.write_atomically(os.path.abspath(stub), new, 0o666):
        why = f"{stub}: can't be written; give a folder that can be with --out"
        return Outcome(stub, "failed", why)
    return Outcome(stub, "written")


def _text(notebook: str, stub: str) -> str:
    own = loader.NotebookLoader("", os.path.abspath(notebook))
    text = declarations.stub_of(own.get_source(""))
    origin = os.path.relpath(notebook, os.path.dirname(stub) or ".").replace(os.sep, "/")
    return f"{_MARK}{origin}{_REST}{_QUIET}{text}"


def _without(notebook: str, message: str) -> str:
    return message.removeprefix(f"{os.path.abspath(notebook)}: ")


def _orphans(target: str, made: set[str], *, check: bool) -> Iterator[Outcome]:
    for folder, files in paths.walk(target):
        for file in files:
            path = os.path.normpath(os.path.join(folder, file))
            if not file.endswith(_STUB) or os.path.abspath(path) in made:
                continue
            first = (
                (cache.content(path) or b"").partition(_REST.encode())[0].decode("utf-8", "replace")
            )
            origin = first.removeprefix(_MARK)
            if origin == first or os.path.exists(os.path.join(folder, origin)):
                continue
            if not check:
                os.unlink(path)
            yield Outcome(path, "orphaned" if check else "removed")
