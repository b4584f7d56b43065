"""Notebook -> one code object that runs its cells in order, each under its own name and lines.

This is the cold path: it is imported only when no valid cache entry is there. It knows how a
notebook is read, selected and translated, and nothing of finders or caches.
"""

from __future__ import annotations
import __future__

import ast
import sys
from types import CodeType
from typing import TYPE_CHECKING, NamedTuple

from nbimport.errors import NotebookFormatError
from nbimport.machinery import siblings
from nbimport.notebook import selection, sourcemap, syntax
from nbimport.notebook.definitions import only_definitions

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbimport.config import Config
    from nbimport.notebook.reader import Cell, Notebook

_FUTURE_FLAGS = 0
for _name in __future__.all_feature_names:
    _FUTURE_FLAGS |= getattr(__future__, _name).compiler_flag
_COROUTINE = 0x80  # inspect.CO_COROUTINE, without importing inspect
_SHOWS_CLASS_LINES = sys.version_info >= (3, 13)
_HELPERS = "__import__('nbimport.machinery.execution', None, None, ('*',))"
_SESSION_NAMES = ("display", "get_ipython")


class Program(NamedTuple):
    """Hold what a notebook compiles to.

    Attributes:
        code: Runs the whole module when executed in its namespace.
        imports: Top-level names that the cells import absolutely, sorted.
        bound: Those of them that are bound to what lies in the same folder.
    """

    code: CodeType
    imports: tuple[str, ...]
    bound: tuple[str, ...]


class _Unit(NamedTuple):
    """One compiled cell; `capture` holds the arguments of ``%%capture``."""

    code: CodeType
    capture: str | None


def compile_notebook(
    notebook: Notebook, config: Config, only: str | None, neighbours: Collection[str]
) -> Program:
    """Compile the selected cells of a notebook.

    Args:
        notebook: What was read.
        config: The settings that hold for it.
        only: "definitions", or None for everything.
        neighbours: Names that an import statement can mean something in the same folder by.

    Raises:
        SyntaxError: A cell is neither Python nor IPython syntax; names the cell and the line.
        MagicError: A cell has a magic, and the settings say that this is an error.
    """
    compiler = _CellCompiler(notebook.path, config, only, neighbours)
    cells = selection.selected(notebook.cells, config)
    units = [compiler.compile(cell) for cell in cells]
    imports = siblings.imported_names(cell.source for cell in cells)
    return Program(
        _driver(units, notebook.title, config.magics),
        tuple(sorted(imports)),
        tuple(sorted(imports.intersection(neighbours))),
    )


def python_source(notebook: Notebook, config: Config, only: str | None) -> str:
    """Return the Python that an import executes, with a line ``# %% cell N`` above each cell."""
    compiler = _CellCompiler(notebook.path, config, only, ())
    parts = []
    for cell in selection.selected(notebook.cells, config):
        tree = compiler.parsed(cell)
        if compiler.only:
            tree = only_definitions(tree, compiler.dropped)
            text = ast.unparse(tree)
        else:
            text = compiler.text
        parts.append(f"# %% cell {cell.number}\n{text.strip(chr(10))}\n")
    return "\n".join(parts)


class _CellCompiler:
    """Compile cells in order: ``from __future__`` imports and dropped names reach later cells."""

    def __init__(
        self, path: str, config: Config, only: str | None, neighbours: Collection[str]
    ) -> None:
        self.path = path
        self.config = config
        self.only = config.only(path, only)
        self.neighbours = neighbours
        self.dropped: set[str] = set()
        self.flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self.text = ""
        self._capture: str | None = None
        self._first = True
        self._line_above = 0

    def compile(self, cell: Cell) -> _Unit:
        """Compile one cell; parse it apart only where its tree has to change."""
        code = self._compile(cell)
        bound = siblings.mentioned(code, self.neighbours)
        repeated_docstring = not self._first and "__doc__" in code.co_names
        classes = _SHOWS_CLASS_LINES and "class" in self.text
        if bound or repeated_docstring or classes or self.only:
            tree = self.parsed(cell)
            if self.only:
                tree = only_definitions(tree, self.dropped)
            if bound:
                tree = siblings.bind(tree, self.path, self.neighbours)
            if repeated_docstring:
                tree.body.insert(
                    0, ast.Pass(lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)
                )
            if classes:
                _note_class_lines(tree, self._line_above + 1)
            code = self._guarded(cell, tree)
        self._first = False
        self._line_above += self.text.strip("\n").count("\n") + 3
        return _Unit(code, self._capture)

    def parsed(self, cell: Cell) -> ast.Module:
        """Return a cell's syntax tree and leave its Python in `text`."""
        flags = self.flags
        self.flags |= ast.PyCF_ONLY_AST
        try:
            tree = self._compile(cell)
        finally:
            self.flags = flags
        return tree  # type: ignore[return-value] # compile() returns a tree with PyCF_ONLY_AST

    def _compile(self, cell: Cell) -> CodeType:
        """Compile as Python, and only if that fails as IPython syntax."""
        self.text, self._capture = cell.source, None
        try:
            return self._guarded(cell, cell.source)
        except SyntaxError:
            if not syntax.may_be_ipython(cell.source):
                raise
        self.text, self._capture = syntax.to_python(
            cell.source, path=self.path, cell=cell.number, magics=self.config.magics
        )
        return self._guarded(cell, self.text)

    def _guarded(self, cell: Cell, source: str | ast.Module) -> CodeType:
        """Compile, and turn whatever hostile text makes the parser raise into a SyntaxError."""
        name = sourcemap.cell_name(self.path, cell.number)
        try:
            code = compile(source, name, "exec", self.flags, dont_inherit=True)
        except SyntaxError as error:
            _complete(error, cell, name)
            raise
        except (ValueError, RecursionError, MemoryError, OverflowError) as error:
            raise _unparsable(error, cell, name) from error
        if isinstance(code, CodeType):
            self.flags |= code.co_flags & _FUTURE_FLAGS
        return code


def _complete(error: SyntaxError, cell: Cell, name: str) -> None:
    """Give a SyntaxError the text of its line: the compiler looks for it in a file."""
    error.filename = name
    lines = sourcemap.split_lines(cell.source)
    if error.lineno is not None and 0 < error.lineno <= len(lines):
        error.text = lines[error.lineno - 1]


def _unparsable(error: Exception, cell: Cell, name: str) -> SyntaxError:
    reasons: dict[type[Exception], str] = {
        UnicodeEncodeError: "it holds a lone surrogate, which no file can hold",
        RecursionError: "it is nested too deeply",
        MemoryError: "it is nested too deeply",
    }
    reason = reasons.get(type(error), str(error))
    text = cell.source[:80].encode("utf-8", "replace").decode()
    return SyntaxError(
        f"cell {cell.number} can't be compiled: {reason}; correct the cell",
        (name, 1, 1, text.partition("\n")[0], 1, 1),
    )


def _note_class_lines(tree: ast.Module, line_above: int) -> None:
    """Let `inspect.getsource` find classes in the whole module's text on Python 3.13 and later.

    There it reads ``__firstlineno__`` as a line of the module's file, and ours counts in the cell.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            place = ast.copy_location(ast.Constant(first + line_above), node)
            target = ast.copy_location(ast.Name("__firstlineno__", ast.Store()), node)
            note = ast.copy_location(ast.Assign([target], place), node)
            node.body.insert(1 if ast.get_docstring(node, clean=False) is not None else 0, note)


def _driver(units: list[_Unit], title: str | None, magics: str) -> CodeType:
    """Join the cells into one code object, as ``get_code`` has to return one.

    The driver calls one function a cell, made from the cell's code: a function without fast locals
    runs in its globals, so this is what ``exec`` does, without a name that a notebook could shadow.
    It carries importlib's file name and the function name at which CPython cuts importlib's own
    frames from tracebacks, so a traceback goes from the import statement straight to the cell.
    """
    lines = [] if title is None else [repr(title)]
    for name in _SESSION_NAMES:
        if any(_loads(unit.code, name) for unit in units):
            lines.append(f"{_HELPERS}.provide({name!r}, globals(), {magics!r})")
    for index, unit in enumerate(units):
        call = f"(lambda: {index})()"
        if unit.capture is not None:
            call = f"{_HELPERS}.captured(lambda: {index}, {unit.capture!r}, globals())"
        elif unit.code.co_flags & _COROUTINE:
            call = f"{_HELPERS}.awaited({call}, globals())"
        lines.append(call)
    template = compile("\n".join(lines), "<frozen importlib._bootstrap_external>", "exec", 0, True)  # noqa: FBT003 - positional in C
    code = iter([unit.code for unit in units])
    consts = tuple(next(code) if isinstance(c, CodeType) else c for c in template.co_consts)
    return template.replace(co_consts=consts, co_name="_call_with_frames_removed")


def _loads(code: CodeType, name: str) -> bool:
    """Tell whether code, or code inside it, reads a global name."""
    if name in code.co_names:
        import dis  # 5 ms, for the few notebooks that use the name

        for instruction in dis.get_instructions(code):
            if instruction.argval == name and instruction.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
                return True
    return any(_loads(const, name) for const in code.co_consts if isinstance(const, CodeType))


def check_path(path: str) -> None:
    """Refuse a path that the source map could not take apart again.

    Raises:
        NotebookFormatError: It has a line break or a null byte.
    """
    if "\n" in path or "\0" in path:
        raise NotebookFormatError(
            f"{path!r}: a line break in the file's name; rename it", path=path
        )
