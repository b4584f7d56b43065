"""Receptive fields joined to the rows of a profile, and what to say where there are none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from magics import records
from magics.measurement.fields.survey import Survey, survey

if TYPE_CHECKING:
    from magics.measurement.fields.tape import Tape
    from magics.measurement.plan import Plan, Row
    from magics.theory.receptive_field import ReceptiveField

_SLIDING = ("conv", "max_pool", "avg_pool", "lp_pool", "adaptive", "fractional")


def attached(profile: records.Profile, rows: Plan, tape: Tape) -> records.Profile:
    """Return the profile with the receptive field of every row that has one.

    Args:
        profile: What is known already.
        rows: The rows of the profile, in the same order.
        tape: What ran while they were counted.
    """
    try:
        found = survey(tape)
    except Exception as error:  # noqa: BLE001, a graph that nobody foresaw must not cost the counts
        lost = f"No receptive fields: reading the graph failed ({error!r}); please report it."
        return replace(profile, warnings=(*profile.warnings, lost))
    layers = []
    missing: dict[str, list[str]] = {}
    notes: dict[str, None] = {}
    for layer, row in zip(profile.layers, rows.rows, strict=True):
        token = _token(row, found)
        field = found.fields.get(token)
        if field is not None:
            layers.append(replace(layer, receptive_field=_record(field)))
            notes.update(dict.fromkeys(field.notes))
            continue
        layers.append(layer)
        if found.source or layer.kind.startswith(_SLIDING):
            reason = found.reasons.get(token, "its output was not seen")
            missing.setdefault(reason if found.source else _NO_IMAGE, []).append(layer.name)
    warnings = [*profile.warnings, *notes]
    shape = "x".join(map(str, found.source))
    which = f" (of several, the one of {shape})" if shape and len(tape.sources) > 1 else ""
    for reason, names in missing.items():
        many = f"{names[0]!r}" if len(names) == 1 else f"{names[0]!r} and {len(names) - 1} more"
        warnings.append(f"No receptive field for {many}: {reason}{which}.")
    space = tuple(found.source[axis] for axis in found.axes)
    return replace(profile, layers=tuple(layers), warnings=tuple(warnings), input_space=space)


_NO_IMAGE = "no input is an image, a signal or a volume"


def _token(row: Row, found: Survey) -> int:
    """Return the identity under which a row's output was marked: its call or its operator."""
    token = id(row.call)
    if token not in found.fields and token not in found.reasons and row.call.operators:
        return id(row.call.operators[-1])
    return token


def _record(field: ReceptiveField) -> records.ReceptiveField:
    strides = [None if step is None else float(step) for step in field.stride]
    even = all(step is not None for step in strides)
    known = all(padding is not None for padding in field.padding)
    return records.ReceptiveField(
        size=field.size,
        stride=tuple(step for step in strides if step is not None) if even else (),
        padding=tuple(float(p) for p in field.padding if p is not None) if known else (),
        coverage=field.coverage / 100,
        whole_input=field.whole,
    )
