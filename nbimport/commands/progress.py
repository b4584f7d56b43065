"""A bar on a terminal that says how far long work has come; elsewhere, silence."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from types import TracebackType

_WIDTH = 24
_ERASE = "\r\x1b[K"


class Bar:
    """Show ``[####----]  12/40 name`` in the last line of a terminal; leave nothing behind.

    Args:
        total: How many steps there are.
        stream: Where it is shown, if that is a terminal.
    """

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total = total
        self._stream = stream if total > 1 and stream.isatty() else None

    def show(self, done: int, name: str) -> None:
        """Show that some steps are done and which one has begun."""
        if self._stream is None:
            return
        filled = _WIDTH * done // self._total
        text = f"[{'#' * filled}{'-' * (_WIDTH - filled)}] {done}/{self._total} {name}"
        columns = shutil.get_terminal_size().columns - 1
        writable = text[:columns].encode(self._stream.encoding or "ascii", "replace")
        self._stream.write(_ERASE + writable.decode(self._stream.encoding or "ascii"))
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.write(_ERASE)
            self._stream.flush()
