"""How parts of a text report are set off."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ink:
    """How parts of a report are set off: by ANSI codes, or not at all."""

    bold: str = ""
    dim: str = ""
    bar: str = ""
    warning: str = ""

    def on(self, code: str, text: str) -> str:
        """Return a text in one of these inks."""
        return f"{code}{text}\x1b[0m" if code and text.strip() else text


PLAIN = Ink()
COLOURED = Ink(bold="\x1b[1m", dim="\x1b[2m", bar="\x1b[36m", warning="\x1b[33m")
