"""Notebook -> one code object that runs its cells in order, each under its own name and lines.

This is the cold path: it is imported only when no valid cache entry is there. It knows how a
notebook is read, selected and translated, and nothing of finders or caches.
"""

from __future__ import annotations
import __future__

import sys
from _thread import allocate_lock

from nbimport.errors import MagicError, NotebookFormatError
from nbimport.machinery import siblings
from nbimport.machinery.driver import driver
from nbimport.notebook import selection, sourcemap

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Collection, Iterator
    from types import CodeType
    from typing import Any

    from nbimport.config import Config
    from nbimport.notebook.reader import Cell, Notebook

    # Text in Python, the arguments of %%capture, whether it is timed: see `syntax.Translation`.
    Translation = tuple[str, str | None, bool]
    # A cell, what was made of its text, and the code of that, or its tree if that may change.
    Parsed = tuple[Cell, Translation, CodeType | ast.Module]

# As `ast` has them, which costs as much to import as compiling ten cells.
_ALLOW_TOP_LEVEL_AWAIT = 0x2000
_ONLY_AST = 0x400
_FUTURE_FLAGS = 0
for _name in __future__.all_feature_names:
    _FUTURE_FLAGS |= getattr(__future__, _name).compiler_flag
_SHOWS_CLASS_LINES = sys.version_info >= (3, 13)
_QUOTES = ("'", '"', "(")  # what a docstring may begin with
NL = "\n"
# Ignoring warnings is for one thread at a time, or the filters would not be restored in order.
one_at_a_time = allocate_lock()
_LATE_FUTURE = "__future__ imports must occur at the beginning"


def compile_notebook(
    notebook: Notebook,
    config: Config,
    only: str | None,
    neighbours: Collection[str],
    change: Callable[[ast.Module, str, str], None] | None = None,
) -> tuple[CodeType, tuple[str, ...], tuple[str, ...]]:
    """Compile the selected cells of a notebook.

    Returns:
        Code that runs the whole module when executed in its namespace; the top-level names that the
        cells import absolutely, sorted; those of them that are bound to what lies in its folder.

    Args:
        notebook: What was read.
        config: The settings that hold for it.
        only: "definitions", or None for everything.
        neighbours: Names that an import statement can mean something in the same folder by.
        change: Called with each cell's tree, file name and text before it is compiled.

    Raises:
        SyntaxError: A cell is neither Python nor IPython syntax; names the cell and the line.
        MagicError: A cell has a magic, and the settings say that this is an error.
    """
    compiler = _CellCompiler(notebook.path, config, only, neighbours, change)
    cells = selection.selected(notebook.cells, config)
    units = [compiler.compile(parsed) for parsed in compiler.parsed(cells)]
    imports = siblings.imported_names(cell.source for cell in cells)
    return (
        driver(units, [cell.source for cell in cells], notebook.title, config.magics),
        tuple(sorted(imports)),
        tuple(sorted(imports.intersection(neighbours))),
    )


def python_source(notebook: Notebook, config: Config, only: str | None) -> str:
    """Return the Python that an import executes, with a line ``# %% cell N`` above each cell.

    An empty line comes between, or `inspect` would take the mark for a comment on what follows; and
    the mark is indented, or it would take the first one for a comment on the module.
    """
    return "\n".join(
        f" # %% cell {cell.number}\n\n{text.rstrip(NL)}\n"
        for cell, text in python_cells(notebook, config, only)
    )


def python_cells(notebook: Notebook, config: Config, only: str | None) -> list[tuple[Cell, str]]:
    """Return the cells that an import runs, each with its text in Python, line for line."""
    import warnings

    cells = selection.selected(notebook.cells, config)
    with one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler has given them when it was its turn
        parsed = list(_CellCompiler(notebook.path, config, only, ()).parsed(cells))
    return [(cell, text) for cell, (text, *_), _ in parsed]


class _CellCompiler:
    """Compile cells in order: ``from __future__`` imports and dropped names reach later cells."""

    def __init__(
        self,
        path: str,
        config: Config,
        only: str | None,
        neighbours: Collection[str],
        change: Callable[[ast.Module, str, str], None] | None = None,
    ) -> None:
        self._path = path
        self._magics = config.magics
        self._only = config.only(path, only)
        self._neighbours = neighbours
        self._change = change
        self._flags = _ALLOW_TOP_LEVEL_AWAIT
        self._docstring_may_come = True
        self._lines_above = 0

    def parsed(self, cells: list[Cell]) -> Iterator[Parsed]:
        """Yield the cells in Python, each when the ones before it have been compiled."""
        every = map(self._parsed, cells)
        return self._reduced(list(every)) if self._only else every

    def compile(self, parsed: Parsed) -> tuple[CodeType, str | None]:
        """Compile one cell, changed where running it as it is would not do."""
        cell, (text, capture, is_timed), content = parsed
        code: Any = content
        if not isinstance(content, _CODE):
            from nbimport.machinery import trees

            tree = content
            if self._neighbours:
                siblings.bind(tree, self._path, self._neighbours)
            if not self._docstring_may_come:
                trees.without_docstring(tree)
            if _SHOWS_CLASS_LINES:
                trees.note_class_lines(tree, self._lines_above + 2)
            if is_timed:
                tree = trees.leaving_nothing(tree)
            if self._change is not None:
                self._change(tree, sourcemap.cell_name(self._path, cell.number), text)
            code = self._guarded(cell, tree, text)
        if self._docstring_may_come:
            self._docstring_may_come = not _first_code(text)
        self._lines_above += text.rstrip(NL).count(NL) + 4
        self._flags |= code.co_flags & _FUTURE_FLAGS
        return code, capture

    def _parsed(self, cell: Cell) -> Parsed:
        """Read a cell as Python, and only if it is none as IPython syntax."""
        source = cell.source
        try:
            return self._understood(cell, (source, None, False))
        except SyntaxError as error:
            from nbimport.notebook import syntax

            if not syntax.may_be_ipython(source):
                raise
            try:
                translation = syntax.to_python(
                    source, path=self._path, cell=cell.number, magics=self._magics
                )
            except MagicError:
                raise
            except Exception:  # noqa: BLE001 - IPython's tokenizer stumbled: it is not Python either
                raise error from None
        return self._understood(cell, translation)

    def _understood(self, cell: Cell, translation: Translation) -> Parsed:
        """Compile at once; parse apart only where the tree may have to change.

        Doing both would be slower, and would give each warning about the code twice.
        """
        text, _, is_timed = translation
        parse = (
            self._only is not None
            or self._change is not None
            or is_timed
            or (_SHOWS_CLASS_LINES and "class" in text)
            or (not self._docstring_may_come and _first_code(text)[:2].strip("rRuU")[:1] in _QUOTES)
            or (
                bool(self._neighbours)
                and not siblings.imported_names([text]).isdisjoint(self._neighbours)
            )
        )
        flags = _ONLY_AST if parse else 0
        return cell, translation, self._guarded(cell, text, text, flags)

    def _reduced(self, cells: list[Parsed]) -> Iterator[Parsed]:
        """Yield the cells without their work."""
        from nbimport.notebook.definitions import base_names, edited, only_definitions

        tree: Any  # in this mode no cell is compiled yet
        needed: set[str] = set()
        for _, _, tree in cells:
            needed.update(base_names(tree))
        dropped: set[str] = set()
        for cell, (whole, capture, is_timed), tree in cells:
            try:
                edits = only_definitions(tree, dropped, needed)
            except RecursionError as error:
                raise _unparsable(
                    error, cell, sourcemap.cell_name(self._path, cell.number)
                ) from None
            dropped.update((capture or "").split())
            yield cell, (edited(whole, edits), None, is_timed), tree

    def _guarded(
        self, cell: Cell, source: str | ast.Module, text: str, flags: int = 0
    ) -> CodeType | ast.Module:
        """Compile, and turn whatever hostile text makes the parser raise into a SyntaxError."""
        name = sourcemap.cell_name(self._path, cell.number)
        flags |= self._flags
        try:
            try:
                return compile(source, name, "exec", flags, dont_inherit=True)  # type: ignore[no-any-return] # what the flags say
            except SyntaxError as error:
                if _LATE_FUTURE not in str(error):
                    raise
                from nbimport.machinery.trees import with_futures_first

                tree = with_futures_first(source)
                return compile(tree, name, "exec", flags, dont_inherit=True)  # type: ignore[no-any-return] # as above
        except SyntaxError as error:
            _complete(error, cell, name, text)
            raise
        except (ValueError, RecursionError, MemoryError, OverflowError) as error:
            raise _unparsable(error, cell, name) from None


def _first_code(text: str) -> str:
    """Return the first line that is neither blank nor a comment, without its indentation."""
    lines = map(str.strip, text.split(NL))
    return next((line for line in lines if line and not line.startswith("#")), "")


def _complete(error: SyntaxError, cell: Cell, name: str, text: str) -> None:
    """Give a SyntaxError the text of its line: the compiler looks for it in a file."""
    error.filename = name
    if error.lineno is None:  # of null bytes CPython tells no place
        error.lineno, error.offset = cell.source.partition("\0")[0].count(NL) + 1, 1
    lines, compiled = sourcemap.split_lines(cell.source), sourcemap.split_lines(text)
    if not 0 < error.lineno <= min(len(lines), len(compiled)):
        return
    error.text = lines[error.lineno - 1]
    statement = compiled[error.lineno - 1].strip()
    shift = error.text.rfind(statement) - compiled[error.lineno - 1].find(statement)
    if shift and error.offset is not None:  # as in `%time x = = 1`, of which `x = = 1` is compiled
        found = statement in error.text
        error.offset = error.offset + shift if found else None
        if error.end_lineno == error.lineno and error.end_offset is not None:
            error.end_offset = error.end_offset + shift if found else None


def _unparsable(error: Exception, cell: Cell, name: str) -> SyntaxError:
    reason, line = str(error), 1
    if isinstance(error, UnicodeEncodeError):
        reason = "it holds a lone surrogate, which no file can hold"
        line += error.object[: error.start].count(NL)
    elif isinstance(error, RecursionError | MemoryError):
        reason = "it is nested too deeply"
    text = cell.source.split(NL)[line - 1][:80].encode("utf-8", "replace").decode()
    message = f"cell {cell.number} can't be compiled: {reason}; correct the cell"
    return SyntaxError(message, (name, line, 1, text, line, 1))


_CODE = type(compile_notebook.__code__)


def check_path(path: str) -> None:
    """Refuse a path that the source map could not take apart again.

    Raises:
        NotebookFormatError: It has a line break or a null byte.
    """
    if "\n" in path or "\0" in path:
        raise NotebookFormatError(
            f"{path!r}: a line break in the file's name; rename it", path=path
        )
