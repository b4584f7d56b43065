"""What becomes of a result that a line asked for: which view of it, and in which files."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from magics.arguments import either, unquoted
from magics.errors import InputError
from magics.records import Comparison, Profile, Sweep
from magics.records.selecting import FAMILIES, SORTS, View, counts_of
from magics.studies import history
from magics.studies.compare import saved_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magics.arguments import Parser
    from magics.records.saved import Saved

_WRITERS: Mapping[str, Callable[[Saved, Path], str]] = {
    ".json": lambda found, path: found.to_json(path),
    ".csv": lambda found, path: found.to_csv(path),
    ".html": lambda found, path: found.to_html(path),
}
SUFFIXES = tuple(_WRITERS)

_UNMEASURED = {"measure": False, "memory": False, "roofline": False, "kernels": False}
"""Options of a profile of which nothing is shown that was measured."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to make of a result.

    Attributes:
        view: What of it is shown, returned, stored and saved.
        files: Where to save it.
        older: The view of a profile to compare with, and the name of the file that it is from.
    """

    view: View
    files: tuple[Path, ...] = ()
    older: tuple[Profile, str] | None = None

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> Self:
        """Take the options that `add_options` added out of what was parsed.

        Nothing is measured for a stable view.

        Raises:
            InputError: If a value makes no sense, or a file can't be written.
        """
        chosen = {
            item.name: options.pop(item.name) for item in fields(View) if item.name in options
        }
        view = View(**chosen)
        files = tuple(map(_checked, options.pop("save", ())))
        against = options.pop("against", None)
        older = (view.of(saved_profile(against)), Path(against).name) if against else None
        if view.stable:
            options.update(_UNMEASURED)
        return cls(view, files, older)

    def viewed(self, found: Saved) -> Saved:
        """Return the view of a result, which is what `save` writes.

        Raises:
            InputError: If there is no such view.
        """
        if isinstance(found, Profile):
            return self.view.of(found)
        if isinstance(found, Comparison):
            return history.viewed(found, self.view)
        if isinstance(found, Sweep) and self.view.stable:
            found = counts_of(found)
        return replace(found, digits=self.view.digits or found.digits)

    def compared(self, view: Saved) -> Saved:
        """Return a view's comparison with the older one, or itself where there is none."""
        if self.older is None or not isinstance(view, Profile):
            return view
        older, name = self.older
        return history.against(older, view, name)

    def save(self, view: Saved) -> None:
        """Write a view; best when it has been shown, for then nothing is lost if it fails.

        Raises:
            InputError: If a file can't be written.
        """
        for path in self.files:
            try:
                _WRITERS[path.suffix](view, path)
            except OSError as error:
                raise InputError(
                    f"--save: can't be written (got {str(path)!r}: {error.strerror}); "
                    f"choose another place",
                ) from error


def _checked(text: str) -> Path:
    """Complain before anything is measured."""
    path = Path(text).expanduser()
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"--save: not a name that says what to write (got {text!r}); "
            f"end it with {either(SUFFIXES)}",
        )
    if not path.parent.is_dir():
        raise InputError(f"--save: no such folder (got {str(path.parent)!r}); make it first")
    if path.is_dir():
        raise InputError(f"--save: a folder (got {text!r}); name a file in it")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"--save: can't be written (got {text!r}); choose another place")
    return path


def add_options(parser: Parser) -> None:
    """Add the options of views, and where to save."""
    group = parser.add_argument_group(
        "view", "what is shown, returned, stored and saved; the rest becomes everything else"
    )
    add = group.add_argument
    add(
        "--only",
        metavar="WHAT",
        type=unquoted,
        action="append",
        help=f"kinds ({', '.join(FAMILIES)}, conv2d, ...) or globs of names; with commas, "
        f"or several times",
    )
    add("--depth", type=int, metavar="N", help="sum rows up by module, so many names deep")
    add(
        "--sort",
        metavar="BY",
        type=unquoted,
        help=f"{either(SORTS)}; by default rows are in the order of their calls",
    )
    add("--top", type=int, metavar="K", help="keep the K first rows, by time if not sorted")
    add("--stable", action="store_true", help="measure nothing, show nothing machine-dependent")
    add("--digits", type=int, metavar="N", help="significant digits of rounded numbers")
    add(
        "--save",
        metavar="FILE",
        type=unquoted,
        action="append",
        help=f"save too; FILE ends in {either(SUFFIXES)}; several times for several files",
    )
    add(
        "--against",
        metavar="FILE",
        type=unquoted,
        help="compare with the profile in this file, saved before as .json",
    )
