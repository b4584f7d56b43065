"""IPython syntax in a cell -> Python, line for line.

IPython's own transformers find and rewrite magics, so strings and ``%`` operators stay untouched;
what they join is padded again, so every statement keeps its line. Called only for a cell that is
not plain Python: IPython is dear to import. Knows text, not how code is compiled or run.
"""

from __future__ import annotations

from typing import NamedTuple

from nbimport.errors import MagicError

# Magics that only set up a display or report something: part of a session, not of a module.
_FOR_DISPLAY = frozenset(
    [
        "autoreload",
        "autosave",
        "automagic",
        "colors",
        "config",
        "convprofile",
        "doctest_mode",
        "gui",
        "hist",
        "history",
        "logoff",
        "logon",
        "logstart",
        "logstate",
        "logstop",
        "lsmagic",
        "magic",
        "matplotlib",
        "page",
        "pdb",
        "pdef",
        "pdoc",
        "pfile",
        "pinfo",
        "pinfo2",
        "pprint",
        "precision",
        "psearch",
        "psource",
        "quickref",
        "who",
        "who_ls",
        "whos",
        "xmode",
    ]
)
_DISPLAY_CELLS = frozenset(["html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG"])
# Cell magics that run the code they are given: on import it runs, once, without the report.
_TIMING = frozenset(["convprofile", "lprun", "memit", "mprun", "prun", "time", "timeit"])
# The same on one line, with the letters of their options that take a value.
_TIMED_LINES = {"time": "", "timeit": "nrp", "prun": "lsTD", "memit": "rt"}
_EXTENSIONS = frozenset(("load_ext", "reload_ext", "unload_ext"))
# IPython's own limit of 500 would leave the rest of a long cell untranslated.
_MOST_MAGICS = 10_000


class Translation(NamedTuple):
    """Hold a cell as Python.

    Attributes:
        text: As many lines as the cell has, each statement on its own line.
        capture: The arguments of ``%%capture`` where the cell is one, else None.
    """

    text: str
    capture: str | None


def may_be_ipython(source: str) -> bool:
    """Tell quickly whether a cell that is not Python could be IPython syntax."""
    return any(mark in source for mark in "%!?") or ">>>" in source or source[:1] in " \tI"


def to_python(source: str, *, path: str, cell: int, magics: str) -> Translation:
    """Translate one cell.

    Args:
        source: The cell's text with ``\\n`` line ends.
        path: The notebook, for errors.
        cell: The cell's number, for errors.
        magics: ``"run"``, ``"skip"`` or ``"error"``, see `nbimport.Config`.

    Raises:
        MagicError: The cell has a magic and `magics` is ``"error"``.
    """
    lines = [line + "\n" for line in source.split("\n")]
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        name, _, argument = lines[first][2:].strip().partition(" ")
        if name.endswith("?"):
            return Translation("\n" * (len(lines) - 1), None)
        body = lines[first + 1 :]
        if name not in _DISPLAY_CELLS:
            _refuse_if_told(magics, path, cell, first + 1, f"%%{name}")
        if name in _TIMING or name == "capture":
            inner = _translated_lines(body, path=path, cell=cell, magics=magics, above=first + 1)
            text = "".join(["\n"] * (first + 1) + inner)
            return Translation(text.removesuffix("\n"), argument if name == "capture" else None)
        if name in _DISPLAY_CELLS or magics == "skip":
            return Translation("\n" * (len(lines) - 1), None)
        call = f"get_ipython().run_cell_magic({name!r}, {argument!r}, {''.join(body)!r})"
        return Translation("\n" * first + call + "\n" * len(body), None)
    text = "".join(_translated_lines(lines, path=path, cell=cell, magics=magics, above=0))
    return Translation(text.removesuffix("\n"), None)


def _translated_lines(
    lines: list[str], *, path: str, cell: int, magics: str, above: int
) -> list[str]:
    """Rewrite one escape after the other, as IPython does, and keep the number of lines."""
    from IPython.core import inputtransformer2 as ipython  # 80 ms

    manager = ipython.TransformerManager()
    for clean in manager.cleanup_transforms:
        cleaned = clean(lines)
        if len(cleaned) == len(lines):  # all but the one that drops leading blank lines
            lines = cleaned
    for _ in range(_MOST_MAGICS):
        tokens = ipython.make_tokens_by_line(lines)
        found = [escape for kind in manager.token_transformers if (escape := kind.find(tokens))]
        for escape in sorted(found, key=lambda escape: escape.sortby()):
            try:
                changed = escape.transform(list(lines))
            except SyntaxError:
                continue
            at, column = escape.start_line, escape.start_col
            last = ipython.find_end_of_continued_line(lines, at)
            escaped = ipython.assemble_continued_line(lines, (at, column), last)
            is_help = isinstance(escape, ipython.HelpEnd) or escaped.startswith("?")
            if not is_help:
                _refuse_unless_display(escaped, magics, path, cell, above + at + 1)
            head = lines[at][:column]
            changed[at] = head + _for_import(
                escaped, changed[at][column:], magics, is_help=is_help, assigned=bool(head.strip())
            )
            changed[at + 1 : at + 1] = ["\n"] * (len(lines) - len(changed))
            lines = changed
            break
        else:
            break
    return lines


def _for_import(
    escaped: str, translated: str, magics: str, *, is_help: bool, assigned: bool
) -> str:
    """Return what one escape shall do when the notebook is imported, as the rest of its line."""
    name, arguments = _magic(escaped)
    if is_help or (name in _FOR_DISPLAY and not assigned):
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
    words = arguments.strip().split(" ")
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if len(option) == 2 and option[1] in _TIMED_LINES[name] and words:  # noqa: PLR2004 - as in "-n 10"
            words.pop(0)
    return " ".join(words)


def _magic(escaped: str) -> tuple[str, str]:
    if not escaped.startswith("%"):
        return "", ""
    name, _, arguments = escaped.lstrip("%").partition(" ")
    return name, arguments


def _refuse_unless_display(escaped: str, magics: str, path: str, cell: int, line: int) -> None:
    if escaped[0] in "%!" and _magic(escaped)[0] not in _FOR_DISPLAY:
        _refuse_if_told(magics, path, cell, line, escaped.split(" ", 1)[0])


def _refuse_if_told(magics: str, path: str, cell: int, line: int, what: str) -> None:
    if magics == "error":
        raise MagicError(
            f"{path} cell {cell}, line {line}: {what!r} is not Python, and magics are set to "
            'raise; write it in Python, tag the cell "skip", or set magics = "run"',
            path=path,
            cell=cell,
            line=line,
        )
