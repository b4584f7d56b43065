"""A report for a terminal: as wide as it is, and in colour where that is wanted."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from magics.renderers import text
from magics.renderers.ink import COLOURED, PLAIN
from magics.renderers.sheet import WIDTH

if TYPE_CHECKING:
    from typing import TextIO

    from magics.records import Profile
    from magics.renderers.ink import Ink


def render(profile: Profile, stream: TextIO) -> str:
    """Return the report as text that fits a stream.

    Args:
        profile: What to show.
        stream: Where it is to be written.
    """
    return text.render(profile, *manner(stream))


def manner(stream: TextIO) -> tuple[int, Ink]:
    """Return how many places a line has on a stream, and how to set parts of a report off.

    A terminal has its own width, and colour unless `NO_COLOR` is set (no-color.org) or it is a
    dumb one; anything else gets plain text, 120 places wide.
    """
    if not stream.isatty():
        return WIDTH, PLAIN
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    places = shutil.get_terminal_size((WIDTH, 24)).columns
    return places, PLAIN if plain else COLOURED
