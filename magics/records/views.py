"""How a record shows itself: whoever can render it says so here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from magics import units

if TYPE_CHECKING:
    from collections.abc import Callable

_views: dict[str, dict[str, Callable[[Any], str]]] = {}
_forms: dict[str, dict[str, Callable[..., Any]]] = {}


def register_view(mime: str, view: Callable[[Any], str], of: str = "Profile") -> None:
    """Let `view` show profiles, or records of another class, as `mime`."""
    _views.setdefault(of, {})[mime] = view


def register_form(name: str, form: Callable[..., Any], of: str = "Profile") -> None:
    """Let `form` make something of records that is asked for by name: a page, a figure."""
    _forms.setdefault(of, {})[name] = form


def formed(record: object, name: str, *args: object) -> Any:  # noqa: ANN401, text or figure
    """Return a record in the form of a name."""
    import_module("magics.renderers")
    with units.rounding(_digits(record)):
        return _of_class(record, _forms)[name](record, *args)


def shown(record: object) -> dict[str, str]:
    """Return a record in every registered form, by MIME type.

    This package's renderers stand on a higher floor: they are called by name, when something
    is to be shown for the first time, and announce themselves.
    """
    import_module("magics.renderers")
    with units.rounding(_digits(record)):
        return {mime: view(record) for mime, view in _of_class(record, _views).items()}


def shown_as_text(record: object) -> str:
    """Return a record as text."""
    import_module("magics.renderers")
    with units.rounding(_digits(record)):
        text: str = _of_class(record, _views)["text/plain"](record)
        return text


def _of_class(record: object, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return next(known[kind.__name__] for kind in type(record).__mro__ if kind.__name__ in known)


def _digits(record: object) -> int | None:
    digits: int | None = getattr(record, "digits", None)
    return digits
