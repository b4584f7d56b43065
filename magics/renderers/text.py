"""A profile as fixed-width text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.renderers import fold, reasons, table, words
from magics.renderers.ink import PLAIN
from magics.renderers.sheet import WIDTH, Sheet
from magics.renderers.text_table import taken

if TYPE_CHECKING:
    from magics.records import Profile
    from magics.renderers.column import Column
    from magics.renderers.ink import Ink

_NAME = 24
_SHORTEST_NAME = 10


def render(profile: Profile, places: int = WIDTH, ink: Ink = PLAIN) -> str:
    """Return the report as text: what was measured, the layers, the kinds.

    Args:
        profile: What to show.
        places: Places in a line; fewer than 60 count as 60.
        ink: How to set parts off.
    """
    sheet = Sheet(places, ink)
    sheet.opening(words.title(profile), words.facts(profile), words.warnings(profile))
    most = reasons.most_expensive(profile)
    if most:
        sheet.gap()
        sheet.headline("Most expensive")
    for number, text in enumerate(most, 1):
        sheet.say(text, f"{number}. ")
    kinds = table.by_kind(profile)
    left_out: list[Column] = []
    if kinds:
        sheet.gap()
        _, left_out = sheet.table(kinds)
    sheet.gap()
    columns, missing_here = sheet.table(_layers(profile, sheet.room))
    sheet.missing([*missing_here, *left_out], "to_csv() and the HTML report have all.")
    legend = words.legend(columns)
    if legend:
        sheet.say(f"{legend}.")
    sheet.bullets(words.notes(profile))
    uncounted = words.uncounted(profile)
    if uncounted:
        sheet.gap()
        sheet.say(uncounted)
    return sheet.text()


def _layers(profile: Profile, room: int) -> list[Column]:
    """Return the table of layers, names shortened until what is most important fits."""
    rows = fold.rows(profile)
    for longest in range(_NAME, _SHORTEST_NAME, -2):
        columns = table.columns(profile, rows, longest)
        if taken([column for column in columns if not column.rank]) <= room:
            return columns
    return table.columns(profile, rows, _SHORTEST_NAME)
