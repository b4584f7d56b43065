"""From a line that a user typed to Python values: words, expressions, shapes, near names."""

from __future__ import annotations

import ast
import re
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from magics.errors import InputError
from magics.hints import near
from magics.measurement.models.inputs import parse_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_QUOTES = ("'", '"')
_TOKEN = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|.""", re.DOTALL)
"""A quoted text as a whole, or else one character."""

_FILE = re.compile(r"""[^'"()\[\]{}\s]+\.json""")
"""A file of a saved profile, as it is typed elsewhere: without quotes."""

_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_BINARY = frozenset(
    "+ - * / // % @ ** << >> & | ^ < > <= >= == != and or is in if else not".split()
)
"""What, between blanks, joins its neighbours: 'x if y else z' is one expression."""


def words(line: str) -> list[str]:
    """Split a line at blanks, but neither within quotes nor within brackets.

    A comment ends the line.

    Raises:
        InputError: If a quote or a bracket is not closed.
    """
    found: list[str] = []
    current, closing = "", ""
    for piece in _TOKEN.findall(line):
        if piece in _QUOTES:
            raise InputError(f"a quote is not closed (got {line.strip()!r}); close it with {piece}")
        if piece == "#" and not current:
            break
        if not piece.isspace() or closing:
            current += piece
            closing = _nested(piece, closing)
        elif current:
            found.append(current)
            current = ""
    if closing:
        raise InputError(
            f"a bracket is not closed (got {line.strip()!r}); close it with {closing}",
        )
    return [*found, current] if current else found


def _nested(piece: str, closing: str) -> str:
    """Return the brackets that remain to be closed, the innermost first."""
    if piece in _BRACKETS:
        return _BRACKETS[piece] + closing
    return closing[1:] if piece == closing[:1] else closing


def expressions(parts: Iterable[str]) -> list[str]:
    """Join words that are one Python expression: 'net', 'x', '+', '1' are two.

    A comma at an expression's end is taken for a separator.
    """
    found: list[str] = []
    whole = True
    for part in parts:
        if found and (not whole or part in _BINARY):
            found[-1] += f" {part}"
        else:
            found.append(part)
        whole = _is_whole(found[-1])
    return [text.removesuffix(",") for text in found]


def _is_whole(text: str) -> bool:
    try:
        if _FILE.fullmatch(text) or parse_shape(text) is not None:
            return True
        ast.parse(text, mode="eval")
    except InputError:  # meant to be a shape: the complaint comes when it is used
        return True
    except SyntaxError:
        name, equals, value = text.partition("=")
        return bool(equals) and name.isidentifier() and _is_whole(value)
    return True


def evaluate(text: str, names: Mapping[str, Any]) -> Any:  # noqa: ANN401, any Python value
    """Return the value of an expression, or the text itself if it is a shape or a JSON file.

    Raises:
        InputError: If the expression fails; the message suggests a near name.
    """
    if _is_file(text, names) or _is_shape(text):
        return text
    try:
        return eval(text, dict(names))  # noqa: S307, the user's own line, as in a cell
    except SyntaxError as error:
        raise InputError(f"{text!r}: not an expression ({error.msg}); check the line") from error
    except NameError as error:
        unknown = error.name or text
        hint = near(unknown, [name for name in names if not name.startswith("_")])
        if not hint.startswith("did"):
            hint = "define it first"
        raise InputError(f"{unknown}: no such name; {hint}") from error
    except Exception as error:
        raise InputError(
            f"{text!r}: raised {type(error).__name__}: {error}; check the expression",
        ) from error


def _is_file(text: str, names: Mapping[str, Any]) -> bool:
    """Return whether a text is a file such as 'last.json', and no attribute of what has one."""
    if not _FILE.fullmatch(text):
        return False
    name, _, attributes = text.partition(".")
    try:
        attrgetter(attributes)(names[name])
    except (KeyError, AttributeError):
        return True
    return False


def _is_shape(text: str) -> bool:
    """Return whether a text is a shape such as '8x3x224x224'.

    Raises:
        InputError: If it is meant to be one, but malformed, and is no tuple of sizes either.
    """
    try:
        return parse_shape(text) is not None
    except InputError:
        try:
            sizes = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            sizes = None
        if isinstance(sizes, tuple | list) and all(type(size) is int and size for size in sizes):
            return False
        raise
