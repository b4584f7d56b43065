"""Bind ``import utils`` in a notebook to the ``utils.ipynb`` beside it.

Python looks an imported name up in ``sys.modules`` before it asks any finder, so with two folders
that each hold a ``utils.ipynb`` the second importer would get the first one's. An import statement
whose name belongs to something in the same folder is therefore compiled to import a name that says
so (see `beside`); what it means is settled when the statement runs. The import itself is a call of
``__import__`` with what is meant, in the statement's own frame: no frame and no lock of ours stands
between two notebooks of a chain.
"""

from __future__ import annotations

import os
import sys

from nbimport.machinery import finder, loader

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Collection, Iterable, Iterator

# Too many words are no harm: they are only compared with the notebooks that are there.
_IMPORT = r"\b(?:from|import)(?:\s|\\\n)+((?:[^\n#;\\]|\\\n)+)"
# A non-empty last argument: the module itself, and not the package that it is in.
_OURS = "__import__({!r}, None, None, ['*'])"
_FINDER, _LOADER = _OURS.format(finder.__name__), _OURS.format(loader.__name__)
_IMPORTED = f"__import__({_FINDER}.meant({{!r}}, {{!r}}), None, None, ['__name__'])"
_WORD = r"(?:^|,)[\s\\]*([^\W\d]\w*)"


def imported_names(sources: Iterable[str]) -> set[str]:
    """Return the first parts of the names that look imported absolutely, stdlib left out."""
    found: set[str] = set()
    for source in sources:
        if "import" in source:
            plain = _plainly_imported(source)
            found.update(_perhaps_imported(source) if plain is None else plain)
    return found - sys.stdlib_module_names


def _plainly_imported(source: str) -> set[str] | None:
    """Return the names in lines that are import statements, or None if there may be others.

    Spares most notebooks the regular expressions, which are dear to import.
    """
    found: set[str] = set()
    if "\\\n" in source:
        return None
    for whole in source.split("\n"):
        line = whole.partition("#")[0]
        if "import" not in line:
            continue
        words = line.replace(",", " , ").split()
        if ";" in line or "(" in words[1:2] or words[0] not in ("import", "from"):
            return None
        if words[0] == "from":
            if words[2:3] != ["import"]:
                return None
            found.add(words[1].partition(".")[0])
        else:
            parts = " ".join(words[1:]).split(",")
            found.update(part.split()[0].partition(".")[0] for part in parts if part.strip())
    found.discard("")
    return found


def _perhaps_imported(source: str) -> set[str]:
    import re

    found: set[str] = set()
    for match in re.finditer(_IMPORT, source):
        found.update(re.findall(_WORD, match[1]))
    return found


def bind(tree: ast.Module, path: str, neighbours: Collection[str]) -> None:
    """Bind the absolute imports of neighbours in a tree to their folder."""
    import ast

    folder = os.path.dirname(path)
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                block[:] = [new for old in block for new in _bound(old, folder, neighbours)]


def _bound(statement: ast.AST, folder: str, neighbours: Collection[str]) -> Iterator[ast.AST]:
    """Yield what a statement becomes: for ``import a, utils``, an import and an assignment.

    ``from utils import f`` imports first and then takes ``f`` out by the module's second name.
    """
    import ast

    if (
        isinstance(statement, ast.ImportFrom)
        and statement.level == 0
        and (dotted := statement.module or "").partition(".")[0] in neighbours
    ):
        from nbimport.machinery import beside  # not for notebooks that import no neighbour

        imported = _IMPORTED.format(folder, dotted)
        statement.module = beside.name_of(folder, dotted)
        yield _placed(f"{_LOADER}.hold({statement.module!r}, {imported})", statement)
        yield statement
        yield _placed(f"{_LOADER}.release()", statement)
        return
    if not isinstance(statement, ast.Import):
        yield statement
        return
    for alias in statement.names:
        top, dot, _ = alias.name.partition(".")
        if top not in neighbours:
            yield ast.copy_location(ast.Import([alias]), statement)
            continue
        if dot and not alias.asname:  # `import a.b` binds a
            yield _placed(_IMPORTED.format(folder, alias.name), statement)
        name = top if alias.asname is None else alias.asname
        value = _IMPORTED.format(folder, alias.name if alias.asname else top)
        yield _placed(f"{name} = {value}", statement)


def _placed(text: str, old: ast.AST) -> ast.stmt:
    """Return a statement that counts as part of an old one."""
    import ast

    new = ast.parse(text).body[0]
    for node in ast.walk(new):
        ast.copy_location(node, old)
    return new
