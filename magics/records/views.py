"""How a record shows itself: whoever can render it says so here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_views: dict[str, Callable[[Any], str]] = {}


def register_view(mime: str, view: Callable[[Any], str]) -> None:
    """Let `view` show profiles as `mime`."""
    _views[mime] = view


def shown(record: object) -> dict[str, str]:
    """Return a record in every registered form, by MIME type."""
    return {mime: view(record) for mime, view in _views.items()} or {"text/plain": repr(record)}


def shown_as_text(record: object) -> str:
    """Return a record as text; its `repr` where no renderer is imported."""
    view = _views.get("text/plain")
    return view(record) if view else repr(record)
