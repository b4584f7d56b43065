"""What TAB offers behind `%convprofile`: options, their values, axes, models and names."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from magics.options import DTYPES, LAYOUTS, MODES
from magics.records.selecting import FAMILIES, SORTS
from magics.request import PARSER, cell_options
from magics.studies.sweeping.axes import AXES
from magics.theory import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

_LINE = re.compile(r"(?:^|\n)[ \t]*(?:\w+[ \t]*=[ \t]*)?(%{1,2})convprofile[ \t]+([^\n]*)\Z")
_NAME = re.compile(r"[^\W\d]\w*|")
_VALUES: Mapping[str, tuple[str, ...]] = {
    "--mode": MODES,
    "--dtype": DTYPES,
    "--layout": LAYOUTS,
    "--device": ("cpu", "cuda", "meta"),
    "--sort": SORTS,
    "--only": (*FAMILIES, *(kind for kind in KINDS if kind != "other")),
}


def offered(text: str, names: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]] | None:
    """Return what could stand where a line breaks off.

    Args:
        text: A cell up to the cursor.
        names: The user's namespace.

    Returns:
        The word that has been begun, and (text, type) of what it could become; `None` where
        this is not the magic's line, or where Python's own completion knows better.
    """
    found = _LINE.search(text)
    if found is None:
        return None
    cell, line = found[1] == "%%", found[2]
    *before, word = re.split(r"[ \t]+", line)
    option, equals, begun = word.partition("=")
    if equals and option in PARSER.options:
        return _value(option, begun, names)
    previous = before[-1] if before else ""
    action = PARSER.options.get(previous)
    if action is not None and action.nargs != 0:
        return _value(previous, word, names)
    if word.startswith("-"):
        return _offer(word, sorted(cell_options() if cell else PARSER.options), "option")
    if cell or not _NAME.fullmatch(word):
        return None
    is_first = not any(not part.startswith("-") for part in _positional(before))
    return _offer(word, _names(names, models_only=is_first and not word), "name")


def _positional(words: Iterable[str]) -> list[str]:
    """Return the words that are neither options nor their values."""
    found, waiting = [], False
    for word in words:
        action = PARSER.options.get(word)
        if waiting or not word:
            waiting = False
        elif action is not None:
            waiting = action.nargs != 0
        else:
            found.append(word)
    return found


def _value(
    option: str, word: str, names: Mapping[str, Any]
) -> tuple[str, list[tuple[str, str]]] | None:
    """Return how an option's value may go on; of a sweep's, first the axis, then its values."""
    if option == "--on":
        return _offer(word, _named(names, _is_client), "name")
    if option == "--sweep":
        axis, equals, begun = word.partition("=")
        if not equals:
            return _offer(axis, [f"{name}=" for name in AXES], "axis")
        return _offer(begun, _VALUES.get(f"--{axis}", ()), "value")
    return _offer(word, _VALUES.get(option, ()), "value")


def _names(names: Mapping[str, Any], *, models_only: bool) -> list[str]:
    """Return the names that a user made, those of models first."""
    models = _named(names, _is_model)
    if models_only and models:
        return models
    return models + _named(names, lambda value: not _is_model(value))


def _named(names: Mapping[str, Any], chosen: Callable[[object], bool]) -> list[str]:
    """Return the names that a user made whose values are chosen."""
    own = (name for name in names if not name.startswith("_") and name not in _SESSION)
    return sorted(name for name in own if chosen(names[name]))


_SESSION = frozenset({"In", "Out", "exit", "quit", "open", "get_ipython"})


def _is_model(value: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _is_client(value: object) -> bool:
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(value, distributed.Client)


def _offer(
    word: str, known: Iterable[str], kind: str
) -> tuple[str, list[tuple[str, str]]] | None:  # fmt: skip
    begun = word.rpartition(",")[2]  # 'conv,b' goes on with 'bn'
    found = [(text, kind) for text in known if text.startswith(begun)]
    return (begun, found) if found else None


class _Matcher:
    """Asks `offered` for one shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def made(self) -> Any:  # noqa: ANN401, a function that IPython's decorator has marked
        """Return what IPython's completer calls."""

        @context_matcher(identifier="convprofile")  # type: ignore[untyped-decorator]  # IPython's
        def convprofile_matcher(context: CompletionContext) -> SimpleMatcherResult:
            lines = context.full_text.split("\n")[: context.cursor_line + 1]
            lines[-1] = lines[-1][: context.cursor_position]
            found = offered("\n".join(lines), self._shell.user_ns)
            if found is None:
                return {"completions": [], "suppress": False}
            fragment, offers = found
            return {
                "completions": [SimpleCompletion(text=text, type=kind) for text, kind in offers],
                "matched_fragment": fragment,
                "suppress": True,
                "ordered": True,
            }

        return convprofile_matcher


def register(shell: InteractiveShell) -> None:
    """Let a shell complete the magic's lines."""
    unregister(shell)
    completer = getattr(shell, "Completer", None)
    if completer is not None:
        completer.custom_matchers.append(_Matcher(shell).made())


def unregister(shell: InteractiveShell) -> None:
    """Leave completion as it was."""
    completer = getattr(shell, "Completer", None)
    if completer is not None:
        completer.custom_matchers[:] = [
            matcher
            for matcher in completer.custom_matchers
            if getattr(matcher, "matcher_identifier", "") != "convprofile"
        ]
