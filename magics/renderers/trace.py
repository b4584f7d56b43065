"""A profile as a trace: one forward, and one backward, on a time line.

The text is the JSON form of the trace event format that Chrome (about:tracing) and Perfetto
(ui.perfetto.dev) read. The record knows how long each layer takes and in which order layers
run, not when: slices follow each other without gaps, and what belongs to no layer comes last.

Source: "Trace Event Format", Google, 2016: complete ("X"), metadata ("M") and counter ("C")
events, times in microseconds.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from magics import units
from magics.errors import RecordError
from magics.renderers import words
from magics.renderers.column import clean
from magics.renderers.series import backward_s, forward_s
from magics.renderers.table import label, what

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magics.records import LayerProfile, Profile

_MICROSECOND = 1e-6
_PROCESS = 1
_MODULES = 1
"""Number of the track on which layers lie inside their modules; those of kinds follow."""

_Event = dict[str, Any]


def render(profile: Profile) -> str:
    """Return the trace of a profile as JSON.

    Raises:
        RecordError: If no times were measured.
    """
    if not any(row.forward for row in profile.rows):
        raise RecordError(
            f"to_trace: the profile of {profile.model} has no times; profile with measure=True",
        )
    profile = profile.in_order
    kinds = list(dict.fromkeys(row.kind for row in profile.rows))
    tracks = {kind: number for number, kind in enumerate(kinds, _MODULES + 1)}
    events = list(_names(profile, tracks))
    start, end = 0.0, 0.0
    for name, seconds, rows in (
        ("forward", forward_s, profile.layers),
        ("backward", backward_s, profile.layers[::-1]),
    ):
        end = start
        if name == "backward" and not any(row.backward for row in profile.rows):
            break
        slices = []
        for row in (*rows, profile.other):
            slices.append((row, end, seconds(row) / _MICROSECOND))
            end += slices[-1][2]
        events.append(_slice(name, name, start, end - start))
        events += _modules(slices, name)
        events += (_layer(row, at, long, tracks[row.kind], name) for row, at, long in slices)
        events += _memory(slices) if name == "forward" else ()
        start = end
    data = {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {"title": words.title(profile), **dict(words.facts(profile))},
    }
    return json.dumps(data, separators=(",", ":"))


def _names(profile: Profile, tracks: dict[str, int]) -> Iterable[_Event]:
    """Name the process and its tracks, and say in which order to show them."""
    titles = {_MODULES: "modules", **{number: kind or "sums" for kind, number in tracks.items()}}
    yield _told("process_name", 0, {"name": words.title(profile)})
    for number, title in titles.items():
        yield _told("thread_name", number, {"name": clean(title)})
        yield _told("thread_sort_index", number, {"sort_index": number})


def _told(name: str, track: int, args: _Event) -> _Event:
    return {"ph": "M", "name": name, "pid": _PROCESS, "tid": track, "ts": 0, "args": args}


def _slice(name: str, category: str, start: float, duration: float, **more: Any) -> _Event:  # noqa: ANN401, fields
    return {
        "ph": "X",
        "name": clean(name),
        "cat": category,
        "pid": _PROCESS,
        "tid": _MODULES,
        "ts": start,
        "dur": duration,
        "args": {},
        **more,
    }


def _layer(row: LayerProfile, start: float, long: float, track: int, category: str) -> _Event:
    facts = {
        "kind": what(row),
        "output": units.shape(row.output_shape) if row.output_shape else "",
        "params": row.params,
        "macs": row.macs if category == "forward" else row.backward_macs,
        "bytes_moved": row.bytes_moved if category == "forward" else row.backward_bytes_moved,
        "bound": row.bound,
        "kernel": row.kernel,
    }
    known = {name: value for name, value in facts.items() if value}
    return _slice(label(row, 200), category, start, long, tid=track, args=known)


def _modules(slices: list[tuple[LayerProfile, float, float]], category: str) -> list[_Event]:
    """Return slices of layers within slices of the modules that hold them, outer ones first."""
    found: list[_Event] = []
    opened: list[tuple[str, _Event]] = []
    for row, start, long in slices:
        holders = row.name.split(".")[:-1]
        same = 0
        while opened[same:] and holders[same:] and opened[same][0] == holders[same]:
            same += 1
        del opened[same:]
        for part in holders[same:]:
            event = _slice(part, category, start, 0.0)
            opened.append((part, event))
            found.append(event)
        for _, event in opened:
            event["dur"] = start + long - event["ts"]
        found.append(_layer(row, start, long, _MODULES, category))
    return found


def _memory(slices: list[tuple[LayerProfile, float, float]]) -> Iterable[_Event]:
    """Return the memory of tensors alive during each layer, as a curve."""
    for row, start, _ in slices:
        if row.peak_bytes is not None:
            yield {
                "ph": "C",
                "name": "memory of tensors [bytes]",
                "pid": _PROCESS,
                "ts": start,
                "args": {"peak": row.peak_bytes},
            }
