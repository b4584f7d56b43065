"""From what JSON holds back to records, every value checked against its field's type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from magics.errors import RecordError


def decoded(kind: Any, value: Any, place: str) -> Any:  # noqa: ANN401, any type and its value
    """Return `value`, as JSON holds it, as a value of `kind`.

    Args:
        kind: A record's class, or the type of one of its fields.
        value: What JSON holds.
        place: Where it stands, for the error: 'layers[3].forward'.

    Raises:
        RecordError: If the value does not fit the type.
    """
    origin = get_origin(kind)
    if is_dataclass(kind):
        return _record(kind, value, place)
    if origin is UnionType:  # some type or None; or one of several plain types
        return _one_of(get_args(kind), value, place)
    if origin is tuple:
        return _tuple(get_args(kind), value, place)
    if origin is Mapping:
        return _mapping(get_args(kind), value, place)
    if kind is float and type(value) is int:
        return value
    if type(value) is not kind:
        raise _misfit(place, kind.__name__, value)
    return value


def _one_of(kinds: tuple[Any, ...], value: Any, place: str) -> Any:  # noqa: ANN401, any value
    if value is None and NoneType in kinds:
        return None
    some = [kind for kind in kinds if kind is not NoneType]
    if len(some) == 1:
        return decoded(some[0], value, place)
    if type(value) not in some:
        raise _misfit(place, " or ".join(_WORDS[kind.__name__] for kind in some), value)
    return value


def _misfit(place: str, wanted: str, value: object) -> RecordError:
    return RecordError(
        f"from_json: {place}: not {_WORDS.get(wanted, wanted)} (got {repr(value)[:40]}); "
        f"pass what to_json wrote",
    )


_WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}


def _record(kind: Any, value: Any, place: str) -> Any:  # noqa: ANN401, any record
    if not isinstance(value, dict):
        raise _misfit(place, f"a {kind.__name__}", value)
    hints = _hints(kind)
    missing = [
        item.name
        for item in fields(kind)
        if item.name not in value and item.default is MISSING and item.default_factory is MISSING
    ]
    if missing:
        raise RecordError(
            f"from_json: {place}: no {missing[0]!r} in it; pass what to_json wrote, unshortened",
        )
    known = {
        name: decoded(hint, value[name], f"{place}.{name}")
        for name, hint in hints.items()
        if name in value
    }
    try:
        return kind(**known)
    except ValueError as error:
        raise RecordError(f"from_json: {place}: {error}; pass what to_json wrote") from error


@cache
def _hints(kind: Any) -> dict[str, Any]:  # noqa: ANN401, any record
    names = {item.name for item in fields(kind)}
    hints = get_type_hints(kind, localns={"Mapping": Mapping})
    return {name: hint for name, hint in hints.items() if name in names}


def _tuple(kinds: tuple[Any, ...], value: object, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _misfit(place, "a list", value)
    each = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
    if len(each) != len(value):
        raise _misfit(place, f"a list of {len(each)}", value)
    return tuple(
        decoded(kind, item, f"{place}[{number}]")
        for number, (kind, item) in enumerate(zip(each, value, strict=True))
    )


def _mapping(kinds: tuple[Any, ...], value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _misfit(place, "a table", value)
    return {key: decoded(kinds[1], item, f"{place}.{key}") for key, item in value.items()}
