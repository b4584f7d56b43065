"""coverage.py: measure notebooks cell by cell, under the names that tracebacks show.

Each cell is a file of its own in every report, ``analysis.ipynb cell 3``, with the lines that count
in the cell. So nothing is translated while a program runs, and branches are those that Python
takes. Switched on by ``plugins = ["nbimport"]`` in coverage's settings.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import warnings
from tokenize import TokenError
from typing import TYPE_CHECKING

from coverage.exceptions import NoSource
from coverage.misc import join_regex
from coverage.parser import PythonParser
from coverage.plugin import CoveragePlugin, FileTracer
from coverage.python import PythonFileReporter
from coverage.regions import code_regions

from nbimport.errors import NotebookImportError
from nbimport.machinery import SUFFIX, compiler, loader
from nbimport.notebook import sourcemap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from coverage.plugin import CodeRegion
    from coverage.plugin_support import Plugins
    from coverage.types import TConfigurable, TSourceTokenLines

    # Cell number -> (the text in the notebook, Python with the same statements in the same lines).
    Cells = dict[int, tuple[str, str]]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OWN_FILES = [os.path.join(_PACKAGE, "*"), f"{_PACKAGE}_pytest.py"]
_SOURCES = ("run:source", "run:source_pkgs")
_PATTERNS = ("run:include", "run:omit", "report:include", "report:omit")
_EXCLUDED = ("report:exclude_lines",)
# What only a cell may have at its top, and what has the same lines in a module.
_CELLS_OWN = {
    r"\bawait\b": "+",
    r"\basync(\s+)(for|with)\b": r"\2\1",
    r"\b__future__\b": "__main__",
}
_PARTIAL = ("report:partial_branches", "report:partial_branches_always")


def coverage_init(registry: Plugins, options: dict[str, Any]) -> None:
    """Register the plugin, as coverage.py asks for it."""
    del options
    plugin = NotebookPlugin()
    registry.add_configurer(plugin)
    registry.add_file_tracer(plugin)


class NotebookPlugin(CoveragePlugin):
    """Tell coverage.py which code belongs to cells, and what their text is."""

    def __init__(self) -> None:
        self.excluded = ""
        self.partial = ""
        self._known: dict[str, tuple[tuple[int, int], Cells]] = {}

    def configure(self, config: TConfigurable) -> None:
        """Let a notebook's name in ``include`` and ``omit`` mean its cells; note what is excluded.

        Plugins see nothing of what coverage.py's ``sysmon`` core measures: the ``ctrace`` core
        measures the same more slowly.
        """
        if sys.version_info >= (3, 12) and config.get_option("run:core") in (None, "sysmon"):
            config.set_option("run:core", "ctrace")
        for option in _PATTERNS:
            patterns = _strings(config, (option,))
            more = [f"{pattern} cell *" for pattern in patterns if pattern.endswith(SUFFIX)]
            if option == "run:omit" and "nbimport" not in _strings(config, _SOURCES):
                more += _OWN_FILES  # installed as editable, they look like a part of the project
            if more:
                config.set_option(option, patterns + more)
        self.excluded = join_regex(_strings(config, _EXCLUDED))
        self.partial = join_regex(_strings(config, _PARTIAL))

    def file_tracer(self, filename: str) -> FileTracer | None:
        """Return the tracer of a cell's code; None for any other file."""
        return _CellTracer(filename) if sourcemap.parse_cell_name(filename) else None

    def file_reporter(self, filename: str) -> PythonFileReporter:
        """Return what a report says of a cell."""
        return CellReporter(filename, self)

    def find_executable_files(self, src_dir: str) -> Iterator[str]:
        """Yield the cells of notebooks in a folder that could be imported, run or not."""
        for folder, folders, files in os.walk(src_dir):
            if folder != src_dir and not {"__init__.py", "__init__.ipynb"}.intersection(files):
                folders.clear()  # as coverage.py does for .py files: they are no modules
                continue
            for file in sorted(files):
                if file.endswith(SUFFIX) and not file.startswith("."):
                    path = os.path.join(folder, file)
                    yield from (sourcemap.cell_name(path, cell) for cell in self.cells(path))

    def cells(self, path: str) -> Cells:
        """Return the cells of a notebook that an import runs; none where it can't be imported."""
        try:
            status = os.stat(path)
            stamp = (status.st_mtime_ns, status.st_size)
            if path not in self._known or self._known[path][0] != stamp:
                own = loader.NotebookLoader("", path)
                cells = compiler.python_cells(own._notebook()[0], own.config, None)
                found: Cells = {}
                for cell, code in cells:
                    is_first = all(_first(earlier) is None for _, earlier in found.values())
                    found[cell.number] = cell.source, _plain(code, is_first=is_first)
                self._known[path] = stamp, found
        except (OSError, NotebookImportError, SyntaxError):
            return {}
        return self._known[path][1]


class _CellTracer(FileTracer):
    """Trace a cell: its code carries the very name and lines that are reported."""

    def __init__(self, filename: str) -> None:
        self._filename = filename

    def source_filename(self) -> str:
        return self._filename


class CellReporter(PythonFileReporter):
    """Report one cell as coverage.py reports a Python file.

    Args:
        filename: The cell's.
        plugin: What knows the cells and the settings.
    """

    def __init__(self, filename: str, plugin: NotebookPlugin) -> None:
        super().__init__(filename)
        self._plugin = plugin

    @property
    def parser(self) -> PythonParser:
        """What Python makes of the cell."""
        if self._parser is None:
            code = self._text()[1]
            self._parser = PythonParser(code, self.filename, self._plugin.excluded)
            self._parser.parse_source()
        return self._parser

    def source(self) -> str:
        """Return the cell's text as it stands in the notebook."""
        return self._text()[0].rstrip("\n") + "\n"

    def source_token_lines(self) -> TSourceTokenLines:
        """Return the cell's lines in tokens that a page can colour; IPython syntax has none."""
        try:
            return list(super().source_token_lines())
        except (SyntaxError, TokenError):
            return [[("txt", line)] for line in self.source().split("\n")[:-1]]

    def code_regions(self) -> list[CodeRegion]:
        """Return the functions and classes in the cell."""
        return code_regions(self._text()[1])

    def no_branch_lines(self) -> set[int]:
        """Return the lines of branches that are not expected to go both ways."""
        return self.parser.lines_matching(self._plugin.partial)

    def _text(self) -> tuple[str, str]:
        place = sourcemap.parse_cell_name(os.path.abspath(self.filename))
        cells = {} if place is None else self._plugin.cells(place[0])
        if place is None or place[1] not in cells:
            raise NoSource(f"No source for code: '{self.filename}'.", slug="no-source")
        return cells[place[1]]


def _strings(config: TConfigurable, options: Iterable[str]) -> list[str]:
    """Return the lists that some settings hold, joined."""
    found: list[str] = []
    for option in options:
        value = config.get_option(option)
        if isinstance(value, list):
            found += map(str, value)
    return found


def _plain(code: str, *, is_first: bool) -> str:
    """Return code that coverage.py parses as a module, which has no top-level ``await``."""
    code = code.rstrip("\n") + "\n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the import has given them
        try:
            compile(code, "", "exec", dont_inherit=True)
        except SyntaxError:
            for pattern, replacement in _CELLS_OWN.items():
                code = re.sub(pattern, replacement, code)
        first = None if is_first else _first(code)
    if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
        lines = sourcemap.split_lines(code)  # a later cell has no docstring, but a statement there
        lines[first.lineno - 1] = f"0;{lines[first.lineno - 1]}"
        return "".join(lines)
    return code


def _first(code: str) -> ast.stmt | None:
    return next(iter(ast.parse(code).body), None)
