"""Which cells of a notebook are part of the module; knows cells and settings, not how code runs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nbimport.config import Config
    from nbimport.notebook.reader import Cell


def selected(cells: list[Cell], config: Config) -> list[Cell]:
    """Return the cells that neither a tag nor a ``#|`` directive leaves out."""
    tags = frozenset(config.skip_tags)
    directives = frozenset(_normal(directive) for directive in config.skip_directives)
    return [
        cell
        for cell in cells
        if tags.isdisjoint(cell.tags)
        and not ("#" in cell.source and directives.intersection(_directives(cell.source)))
    ]


def _directives(source: str) -> list[str]:
    """Return the directives of nbdev or Quarto at a cell's head, without their blanks."""
    found = []
    for line in source.split("\n"):
        text = line.strip()
        comment = text[1:].lstrip() if text.startswith("#") else ""
        if comment.startswith("|"):  # formatters write "# |"
            found.append(_normal(comment[1:]))
        elif text and not text.startswith(("#", "%%")):
            break  # directives stand before the code
    return found


def _normal(directive: str) -> str:
    return "".join(directive.split()).lower()
