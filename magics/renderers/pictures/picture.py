"""What a picture of a report is, and the measures that all of them share."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 450
LEFT = 62
PLOT = WIDTH - LEFT - 12
LETTER = 5.8  # px: width of a letter
NEAR = 10  # px: what is nearer to each other than this can't be read apart
BOLD = ' font-weight="700"'


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing and its words.

    Attributes:
        title: What it is.
        reading: What it shows, in one line.
        alt: What it shows, for who can't see it.
        uri: The drawing, as the address of an image.
        width: Its size [px].
        height: Its size [px].
    """

    title: str
    reading: str
    alt: str
    uri: str
    width: int
    height: int
