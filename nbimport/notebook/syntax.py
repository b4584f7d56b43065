"""IPython syntax in a cell -> Python, line for line.

IPython's own transformers find and rewrite magics, so strings and ``%`` operators stay untouched;
what they join is padded again, so every statement keeps its line. Called only for a cell that is
not plain Python: IPython is dear to import. Knows text, not how code is compiled or run.
"""

from __future__ import annotations

import tokenize
from typing import TYPE_CHECKING, Any, NamedTuple

from nbimport.errors import MagicError

if TYPE_CHECKING:
    from tokenize import TokenInfo

    from IPython.core.inputtransformer2 import TokenTransformBase

# Magics that only set up a display or report something: part of a session, not of a module.
FOR_DISPLAY = frozenset(
    "autoreload autosave automagic clear cls code_wrap colors config connect_info convprofile debug"
    " doctest_mode ed edit gui hist history less logoff logon logstart logstate logstop lsmagic"
    " magic man matplotlib more notebook page pastebin pdb pdef pdoc pfile pinfo pinfo2 pprint"
    " precision psearch psource qtconsole quickref recall rep tb tensorboard watermark who who_ls"
    " whos xmode".split()
)
_DISPLAY_CELLS = frozenset("html HTML javascript js latex markdown svg SVG".split())
# Cell magics that run the code they are given: on import it runs, once, without the report.
_TIMING = frozenset(
    "convprofile heat lprun memit memray_flamegraph mprun prun pyinstrument scalene snakeviz time"
    " timeit".split()
)
# The same on one line, with the letters of their options that take a value.
_TIMED_LINES = {
    "time": "",
    "timeit": "nrp",
    "prun": "lsTD",
    "memit": "rti",
    "lprun": "fmTDsu",
    "mprun": "fTc",
    "snakeviz": "f",
    "pyinstrument": "",
    "scalene": "",
}
# What follows these on the line is code too, run before the cell.
_WITH_SETUP = ("timeit", "memit")
_EXTENSIONS = frozenset(("load_ext", "reload_ext", "unload_ext"))
_WINDOW = 16  # lines that are read at first in search of the next escape
_NO_CODE = frozenset(
    (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT)
)


class Translation(NamedTuple):
    """Hold a cell as Python.

    Attributes:
        text: As many lines as the cell has, each statement on its own line.
        capture: The arguments of ``%%capture`` where the cell is one, else None.
        is_timed: True under ``%%timeit``, which leaves no variables behind.
    """

    text: str
    capture: str | None = None
    is_timed: bool = False


def may_be_ipython(source: str) -> bool:
    """Tell quickly whether a cell that is not Python could be IPython syntax."""
    if any(mark in source for mark in "%!?") or ">>>" in source or source[:1] in " \tI":
        return True
    return any(line.lstrip().startswith(("/", ",", ";")) for line in source.split("\n"))


def to_python(source: str, *, path: str, cell: int, magics: str) -> Translation:
    r"""Translate one cell.

    Args:
        source: The cell's text with ``\n`` line ends.
        path: The notebook, for errors.
        cell: The cell's number, for errors.
        magics: ``"run"``, ``"skip"`` or ``"error"``, see `nbimport.Config`.

    Raises:
        MagicError: The cell has a magic and `magics` is ``"error"``.
    """
    lines = [line + "\n" for line in source.split("\n")]
    translation = _translated_cell(_Cell(path, cell, magics), lines, 0)
    return translation._replace(text=translation.text.removesuffix("\n"))


class _Cell(NamedTuple):
    path: str
    number: int
    magics: str


def _translated_cell(  # noqa: PLR0911 - one way out a kind of magic
    cell: _Cell, lines: list[str], above: int
) -> Translation:
    """Translate the lines from one on; cell magics may follow one another, or Colab's comments."""
    blank = "\n" * above
    first = above
    while first < len(lines) and (not lines[first].strip() or lines[first].startswith("#")):
        first += 1
    if first == len(lines) or not lines[first].startswith("%%"):
        return Translation(blank + "".join(_translated_lines(cell, lines[above:], above)))
    name, _, argument = lines[first][2:].strip().partition(" ")
    nothing = Translation("\n" * len(lines))
    if name.endswith("?"):
        return nothing
    if name in _DISPLAY_CELLS:
        return nothing
    _refuse_if_told(cell, first + 1, f"%%{name}")
    if name == "capture":
        inner = _translated_cell(cell, lines, first + 1)
        return inner._replace(capture=argument if inner.capture is None else inner.capture)
    if name in _TIMING:
        if name in _WITH_SETUP:
            inner = _translated_cell(cell, lines, first + 1)
            setup = _timed_statement(name, argument)
            text = "\n" * first + setup + inner.text[first:] if setup else inner.text
            return inner._replace(text=text, is_timed=name == "timeit")
        return _translated_cell(cell, lines, first + 1)
    if cell.magics == "skip":
        return nothing
    body = "".join(lines[first + 1 :] if lines[-1].strip() else lines[first + 1 : -1])
    call = f"get_ipython().run_cell_magic({name!r}, {argument!r}, {body!r})\n"
    return Translation("\n" * first + call + "\n" * (len(lines) - first - 1))


def _translated_lines(cell: _Cell, lines: list[str], above: int) -> list[str]:
    """Rewrite one escape after the other, as IPython does, and keep the number of lines.

    What follows an escape may not be Python before the escape is rewritten, so IPython reads the
    whole cell again after each one. Here only the lines from the last whole statement on are read
    again, a window at a time, or the time would grow with the square of a cell's length.
    """
    from IPython.core import inputtransformer2 as ipython  # 80 ms

    manager: Any = ipython.TransformerManager()
    for clean in manager.cleanup_transforms:
        cleaned = clean(lines)
        if len(cleaned) == len(lines):  # all but the one that drops leading blank lines
            lines = cleaned
    done: list[str] = []
    window = _WINDOW
    while lines:
        tokens = ipython.make_tokens_by_line(lines[:window])
        found = [escape for kind in manager.token_transformers if (escape := kind.find(tokens))]
        statements = [first for line in tokens if (first := _first_line(line)) is not None]
        for escape in sorted(found, key=lambda escape: escape.sortby()):
            try:
                changed = escape.transform(list(lines))
            except SyntaxError:
                continue
            at = escape.start_line
            lines = _rewritten(cell, lines, changed, escape, len(done) + above)
            statements = [first for first in statements if first <= at]
            window = _WINDOW
            break
        else:
            if window >= len(lines):
                break
            window *= 2
        if statements:
            done += lines[: statements[-1]]
            lines = lines[statements[-1] :]
    return done + lines


def _first_line(tokens: list[TokenInfo]) -> int | None:
    """Return the index of the line that a statement begins on, or None for an indented one."""
    for token in tokens:
        if token.type not in _NO_CODE:
            return token.start[0] - 1 if token.start[1] == 0 else None
    return None


def _rewritten(
    cell: _Cell, lines: list[str], changed: list[str], escape: TokenTransformBase, above: int
) -> list[str]:
    """Return the lines with one escape rewritten, given what IPython makes of it."""
    from IPython.core import inputtransformer2 as ipython

    at, column = escape.start_line, escape.start_col
    last = ipython.find_end_of_continued_line(lines, at)
    escaped = ipython.assemble_continued_line(lines, (at, column), last)
    is_help = isinstance(escape, ipython.HelpEnd) or escaped.startswith("?")
    if not is_help:
        _refuse_unless_display(escaped, cell, above + at + 1)
    head = lines[at][:column]
    changed[at] = head + _for_import(
        escaped,
        changed[at][column:],
        cell.magics,
        is_help=is_help,
        assigned=bool(head.strip()),
    )
    changed[at + 1 : at + 1] = ["\n"] * (len(lines) - len(changed))
    return changed


def _for_import(
    escaped: str, translated: str, magics: str, *, is_help: bool, assigned: bool
) -> str:
    """Return what one escape shall do when the notebook is imported, as the rest of its line."""
    name, arguments = _magic(escaped)
    if is_help or (name in FOR_DISPLAY and not assigned):
        return "pass\n"
    if name in _TIMED_LINES and (name == "time" or not assigned):
        return (_timed_statement(name, arguments) or "pass") + "\n"
    if escaped[0] not in "%!":
        return translated  # an auto-call such as `/f x` is plain Python once translated
    if magics == "skip":
        return "None\n" if assigned else "pass\n"
    if name in _EXTENSIONS:
        return f"get_ipython().load_quietly({name!r}, {arguments!r})\n"
    return translated


def _timed_statement(name: str, arguments: str) -> str:
    """Return the statement that a timing magic was given, without the magic's own options."""
    statement = arguments.strip()
    while statement.startswith("-"):
        option, _, statement = statement.partition(" ")
        if len(option) == 2 and option[1] in _TIMED_LINES[name]:  # noqa: PLR2004 - as in "-n 10"
            statement = statement.partition(" ")[2]
    inner, rest = _magic(statement)
    return _timed_statement(inner, rest) if inner == name else statement


def _magic(escaped: str) -> tuple[str, str]:
    if not escaped.startswith("%"):
        return "", ""
    name, _, arguments = escaped.lstrip("%").partition(" ")
    return name, arguments


def _refuse_unless_display(escaped: str, cell: _Cell, line: int) -> None:
    if escaped[0] in "%!" and _magic(escaped)[0] not in FOR_DISPLAY:
        _refuse_if_told(cell, line, escaped.split(" ", 1)[0])


def _refuse_if_told(cell: _Cell, line: int, what: str) -> None:
    if cell.magics == "error":
        raise MagicError(
            f"{cell.path} cell {cell.number}, line {line}: {what!r} is not Python, and magics are "
            'set to raise; write it in Python, tag the cell "skip", or set magics = "run"',
            path=cell.path,
            cell=cell.number,
            line=line,
        )
