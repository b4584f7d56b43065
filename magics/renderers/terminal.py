"""A profile for a terminal: as wide as it is, and in colour where that is wanted."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from magics.renderers import text

if TYPE_CHECKING:
    from typing import TextIO

    from magics.records import Profile


def render(profile: Profile, stream: TextIO) -> str:
    """Return the report as text that fits a stream.

    A terminal gets its own width, and colour unless `NO_COLOR` is set (no-color.org) or it is a
    dumb one; anything else the plain text, 120 places wide.

    Args:
        profile: What to show.
        stream: Where it is to be written.
    """
    if not stream.isatty():
        return text.render(profile)
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    places = shutil.get_terminal_size((text.WIDTH, 24)).columns
    return text.render(profile, places, text.PLAIN if plain else text.COLOURED)
