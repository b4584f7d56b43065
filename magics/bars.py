"""Progress bars: in a notebook, in a terminal, or none.

A bar appears only once work has taken a second, and leaves nothing behind. In a notebook it is
an output without any content, before and after: tools that compare outputs see nothing of it,
whether it was there or not.
"""

from __future__ import annotations

import shutil
import sys
import time
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from magics.progress import Receiver

SHOWN_AFTER_S = 1.0
"""How long work must have taken before a bar appears [s]."""

_INTERVAL_S = 0.25
_PLACES = 24
_MINUTE_S = 60
_MISSING = "\u2591"
_DONE = "\u2588"
_LINE = "display:flex;align-items:center;gap:8px;padding:2px 8px;font-size:12px"


class Bar:
    """Tells a shower from time to time what to show: how much is done, and the time left."""

    def __init__(
        self, shower: Shower, clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        """Prepare a bar.

        Args:
            shower: Shows texts, and takes them away.
            clock: Gives the time [s].
        """
        self._shower, self._clock = shower, clock
        self._begin = self._shown = clock()
        self._visible = False

    def report(self, done: float, text: str) -> None:
        """Show how much is done, if there is reason to."""
        now = self._clock()
        spent = now - self._begin
        wait = _INTERVAL_S if self._visible else 0.0
        if spent < SHOWN_AFTER_S or now - self._shown < wait:
            return
        self._visible, self._shown = True, now
        left = f", {_length(spent * (1 - done) / done)} left" if done > 0 else ""
        self._shower.show(done, f"{done:4.0%}{left}, {text}")

    def close(self) -> None:
        """Take the bar away."""
        if self._visible:
            self._visible = False
            self._shower.clear()


class Shower:
    """Shows a bar somewhere."""

    def show(self, done: float, text: str) -> None:
        """Show how much is done, and a text."""
        raise NotImplementedError

    def clear(self) -> None:
        """Take away what was shown."""
        raise NotImplementedError


class TerminalShower(Shower):
    """Shows a bar on the last line of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, done: float, text: str) -> None:
        """Write over the line."""
        places = shutil.get_terminal_size().columns - 1
        line = f"{_drawn(done, self._stream.encoding)} {text}"
        self._write(f"\r{line[:places]:<{places}}")

    def clear(self) -> None:
        """Empty the line."""
        self._write(f"\r{'':<{shutil.get_terminal_size().columns - 1}}\r")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class NotebookShower(Shower):
    """Shows a bar as an output that is updated in place."""

    def __init__(self, display: Callable[..., Any]) -> None:
        """Prepare it.

        Args:
            display: IPython's.
        """
        self._display = display
        self._handle: Any = None

    def show(self, done: float, text: str) -> None:
        """Update the output; make it first, if need be."""
        if self._handle is None:
            self._handle = self._display({}, raw=True, display_id=True)
        self._handle.update(
            {
                "text/plain": f"{_drawn(done, 'utf-8')} {text}",
                "text/html": f'<div style="{_LINE}"><progress max="1" value="{done:.3f}" '
                f'aria-label="convprofile" style="width:160px;height:10px"></progress>'
                f"<span>{escape(text.strip())}</span></div>",
            },
            raw=True,
        )

    def clear(self) -> None:
        """Leave the output without content."""
        self._handle.update({}, raw=True)
        self._handle = None


def bar_for(shell: Any = None, stream: TextIO | None = None) -> Receiver | None:  # noqa: ANN401, a shell of IPython
    """Return a bar that fits where the work runs, or `None` where nobody would see it.

    Args:
        shell: IPython's, if there is one.
        stream: The terminal, if it is one; standard error by default.
    """
    if getattr(shell, "kernel", None) is not None:
        from IPython.display import display  # noqa: PLC0415, only a kernel's process needs it

        return Bar(NotebookShower(display))
    stream = stream or sys.stderr
    return Bar(TerminalShower(stream)) if stream is not None and stream.isatty() else None


def _drawn(done: float, encoding: str | None) -> str:
    full = round(done * _PLACES)
    text = _DONE * full + _MISSING * (_PLACES - full)
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "#" * full + "." * (_PLACES - full)
    return text


def _length(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes} min {rest} s"
