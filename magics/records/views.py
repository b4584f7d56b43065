"""How a record shows itself: whoever can render it says so here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from magics import units

if TYPE_CHECKING:
    from collections.abc import Callable

_views: dict[str, Callable[[Any], str]] = {}
_forms: dict[str, Callable[..., Any]] = {}


def register_view(mime: str, view: Callable[[Any], str]) -> None:
    """Let `view` show profiles as `mime`."""
    _views[mime] = view


def register_form(name: str, form: Callable[..., Any]) -> None:
    """Let `form` make something of profiles that is asked for by name: a page, a figure."""
    _forms[name] = form


def formed(record: object, name: str, *args: object) -> Any:  # noqa: ANN401, text or figure
    """Return a record in the form of a name."""
    import_module("magics.renderers")
    with units.rounding(_digits(record)):
        return _forms[name](record, *args)


def shown(record: object) -> dict[str, str]:
    """Return a record in every registered form, by MIME type.

    This package's renderers stand on a higher floor: they are called by name, when something
    is to be shown for the first time, and announce themselves.
    """
    import_module("magics.renderers")
    with units.rounding(_digits(record)):
        return {mime: view(record) for mime, view in _views.items()}


def shown_as_text(record: object) -> str:
    """Return a record as text."""
    import_module("magics.renderers")
    with units.rounding(_digits(record)):
        return _views["text/plain"](record)


def _digits(record: object) -> int | None:
    digits: int | None = getattr(record, "digits", None)
    return digits
