"""Notebook -> one code object that runs its cells in order, each under its own name and lines.

This is the cold path: it is imported only when no valid cache entry is there. It knows how a
notebook is read, selected and translated, and nothing of finders or caches.
"""

from __future__ import annotations
import __future__

import ast
import sys
from types import CodeType
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from nbimport.errors import NotebookFormatError
from nbimport.machinery import siblings
from nbimport.machinery.driver import Unit, driver
from nbimport.notebook import selection, sourcemap, syntax
from nbimport.notebook.definitions import only_definitions

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbimport.config import Config
    from nbimport.notebook.reader import Cell, Notebook

_Node = TypeVar("_Node", bound=ast.AST)
_FUTURE_FLAGS = 0
for _name in __future__.all_feature_names:
    _FUTURE_FLAGS |= getattr(__future__, _name).compiler_flag
_SHOWS_CLASS_LINES = sys.version_info >= (3, 13)
_LATE_FUTURE = "__future__ imports must occur at the beginning"


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
        driver(units, notebook.title, config.magics),
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
        self._translation = syntax.Translation("")
        self._docstring_may_come = True
        self._line_above = 0

    @property
    def text(self) -> str:
        """The Python of the cell that was compiled or parsed last."""
        return self._translation.text

    def compile(self, cell: Cell) -> Unit:
        """Compile one cell; parse it apart only where its tree has to change."""
        code = self._compile(cell)
        timed = self._translation.is_timed
        bound = "import" in self.text and siblings.mentioned(code, self.neighbours)
        repeated_docstring = not self._docstring_may_come and "__doc__" in code.co_names
        classes = _SHOWS_CLASS_LINES and "class" in self.text
        if bound or repeated_docstring or classes or timed or self.only:
            tree = self.parsed(cell)
            if self.only:
                tree = only_definitions(tree, self.dropped)
            if bound:
                tree = siblings.bind(tree, self.path, self.neighbours)
            if repeated_docstring:
                tree.body.insert(0, _at_top(ast.Pass()))
            if classes:
                _note_class_lines(tree, self._line_above + 1)
            if timed:
                tree = _leaving_nothing(tree)
            code = self._guarded(cell, tree)
        if self._docstring_may_come:
            lines = map(str.strip, self.text.split("\n"))
            self._docstring_may_come = all(not line or line.startswith("#") for line in lines)
        self._line_above += self.text.strip("\n").count("\n") + 3
        return Unit(code, self._translation.capture)

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
        self._translation = syntax.Translation(cell.source)
        try:
            return self._guarded(cell, cell.source)
        except SyntaxError:
            if not syntax.may_be_ipython(cell.source):
                raise
        self._translation = syntax.to_python(
            cell.source, path=self.path, cell=cell.number, magics=self.config.magics
        )
        return self._guarded(cell, self.text)

    def _guarded(self, cell: Cell, source: str | ast.Module) -> CodeType:
        """Compile, and turn whatever hostile text makes the parser raise into a SyntaxError."""
        name = sourcemap.cell_name(self.path, cell.number)
        try:
            try:
                code = compile(source, name, "exec", self.flags, dont_inherit=True)
            except SyntaxError as error:
                if _LATE_FUTURE not in str(error):
                    raise
                tree = _with_futures_first(source)
                code = compile(tree, name, "exec", self.flags, dont_inherit=True)
        except SyntaxError as error:
            _complete(error, cell, name)
            raise
        except (ValueError, RecursionError, MemoryError, OverflowError) as error:
            raise _unparsable(error, cell, name) from error
        if isinstance(code, CodeType):
            self.flags |= code.co_flags & _FUTURE_FLAGS
        return code


def _with_futures_first(source: str | ast.Module) -> ast.Module:
    """Let other statements precede a future import in its cell, as IPython does."""
    tree = ast.parse(source) if isinstance(source, str) else source
    late = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    rest = [node for node in tree.body if node not in late]
    return ast.Module(body=late + rest, type_ignores=[])


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


def _at_top(node: _Node) -> _Node:
    """Give a node that stands in no cell the cell's first line."""
    return ast.fix_missing_locations(ast.copy_location(node, ast.Pass(lineno=1, col_offset=0)))


def _leaving_nothing(tree: ast.Module) -> ast.Module:
    """Return a module that runs a body as a function's, as ``%%timeit`` does."""
    template = ast.parse("def inner(): pass\ninner()\ndel inner")
    for node in ast.walk(template):
        if isinstance(node, ast.FunctionDef | ast.Name):
            vars(node).update({"name" if isinstance(node, ast.FunctionDef) else "id": "<timeit>"})
            if isinstance(node, ast.FunctionDef):
                node.body = tree.body or node.body
    return template


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


def check_path(path: str) -> None:
    """Refuse a path that the source map could not take apart again.

    Raises:
        NotebookFormatError: It has a line break or a null byte.
    """
    if "\n" in path or "\0" in path:
        raise NotebookFormatError(
            f"{path!r}: a line break in the file's name; rename it", path=path
        )
