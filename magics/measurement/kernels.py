"""Which kernel ran for each row: the names that oneDNN and CUDA give their implementations.

oneDNN prints a line for everything it runs, to the process's standard output, once it is
asked to. For one run that output goes to a file, and how long the file is when a call begins
and ends tells which lines are the call's. What is not oneDNN's, such as max pooling, has no
name on a processor.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from magics.measurement.machine.output import OUT, held_back
from magics.measurement.timing.frames import Frame, Frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magics.measurement.plan import Key
    from magics.measurement.state import Watch
    from magics.measurement.timing.frames import Workload
    from magics.records import Profile

_MARK = b"onednn_verbose,"
_EXECUTED = ("primitive", "exec")
_REORDER = "reorder"
_RANGE = "magics row "


def named(profile: Profile, work: Workload, watch: Watch) -> Profile:
    """Return the profile with the kernels of its layers, from one run more.

    Args:
        profile: What is known already.
        work: The model and its inputs.
        watch: Puts back what a run writes.
    """
    find = {"cpu": _onednn_names, "cuda": _cuda_names}.get(work.device().type)
    names = find(work) if find else {}
    watch.restore()
    layers = (
        replace(layer, kernel=names.get((layer.name, layer.call_index)))
        for layer in profile.layers
    )  # fmt: skip
    return replace(profile, layers=tuple(layers))


class _Marks:
    """Notes where in the output each row's call began and ended."""

    def __init__(self, position: Callable[[], int]) -> None:
        self.spans: dict[Key, tuple[int, int]] = {}
        self._position = position
        self._begun: dict[Frame, int] = {}

    def begin(self, frame: Frame, given: tuple[object, ...]) -> None:  # noqa: ARG002, an Observer's
        self._begun[frame] = self._position()

    def end(self, frame: Frame) -> None:
        span = (self._begun.pop(frame), self._position())
        if frame.key is not None:
            self.spans[frame.key] = span


def _onednn_names(work: Workload) -> dict[Key, str]:
    if not torch.backends.mkldnn.is_available():
        return {}
    try:
        with held_back(OUT, lambda line: line.startswith(_MARK)) as output:
            marks = _Marks(output.position)
            with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                with Frames(work, marks).placed():
                    work.run()
                output.position()  # what was printed late still belongs to this run
    except OSError:  # no standard output to redirect
        return {}
    found = {key: onednn_name(output.text[begin:end]) for key, (begin, end) in marks.spans.items()}
    return {key: name for key, name in found.items() if name}


def onednn_name(text: bytes) -> str | None:
    """Return the implementations in oneDNN's lines, with the number of reorders beside them.

    Args:
        text: What oneDNN printed: comma-separated fields, 'primitive' and 'exec' the third and
            fourth or so, then engine, kind of primitive and implementation.
    """
    kernels: Counter[str] = Counter()
    reorders = 0
    for line in text.splitlines():
        if not line.startswith(_MARK):
            continue
        fields = line.decode("utf-8", "replace").split(",")
        # Newer versions have 'v1' and a time stamp among the first fields.
        place = next(
            (
                place
                for place in range(1, len(fields) - 1)
                if tuple(fields[place : place + 2]) == _EXECUTED
            ),
            None,
        )
        if place is None or len(fields) <= place + 4:
            continue
        kind, implementation = fields[place + 3 : place + 5]
        if kind == _REORDER:
            reorders += 1
        else:
            kernels[implementation] += 1
    return _in_words(kernels, reorders)


def _in_words(kernels: Counter[str], reorders: int = 0) -> str | None:
    words = [name if count == 1 else f"{name} x{count}" for name, count in kernels.items()]
    if reorders:
        words.append(f"{reorders} reorder{'s' if reorders > 1 else ''}")
    return " + ".join(words) or None


class _Ranges:
    """Opens a range of torch's profiler around each row's call."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self._open: dict[Frame, tuple[str, Any]] = {}
        self._count = 0

    def begin(self, frame: Frame, given: tuple[object, ...]) -> None:  # noqa: ARG002, an Observer's
        self._count += 1
        name = f"{_RANGE}{self._count}"
        opened = torch.autograd.profiler.record_function(name)
        opened.__enter__()
        self._open[frame] = (name, opened)

    def end(self, frame: Frame) -> None:
        name, opened = self._open.pop(frame)
        opened.__exit__(None, None, None)
        if frame.key is not None:
            self.keys[name] = frame.key


def _cuda_names(work: Workload) -> dict[Key, str]:
    """Name the kernels that a row's operators launched, by torch's profiler."""
    ranges = _Ranges()
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        with Frames(work, ranges).placed():
            work.run()
        torch.cuda.synchronize()
    names: dict[Key, str] = {}
    for event in profiler.events() or ():
        key = ranges.keys.get(event.name)
        if key is not None:
            words = _in_words(Counter(_launched(event)))
            if words:
                names[key] = words
    return names


def _launched(event: Any) -> Iterator[str]:  # noqa: ANN401, torch's FunctionEvent
    for kernel in event.kernels:
        yield kernel.name
    for inner in event.cpu_children:
        if not inner.name.startswith(_RANGE):
            yield from _launched(inner)
