"""A profile as a page of its own: one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from magics.renderers import html, words

if TYPE_CHECKING:
    from magics.records import Profile

# The browser's own colours for light and dark; a page has no theme to follow.
_STYLE = (
    ":root{color-scheme:light dark}body{font-family:system-ui,sans-serif;margin:16px}"
    "tbody tr:nth-child(even){background:rgba(128,128,128,.08)}"
    "@media (prefers-color-scheme:dark){.convprofile img{filter:brightness(1.4)}}"
)


def render(profile: Profile) -> str:
    """Return the report as a whole HTML document."""
    return document(words.title(profile), html.render(profile))


def document(title: str, content: str) -> str:
    """Return content as a whole HTML document."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{content}</main></body></html>\n"
    )
