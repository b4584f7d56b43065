"""Time on a CUDA device: events on the current stream, and the whole model as one graph.

The host runs ahead of the device, so a clock on the host tells when work was asked for, not
when it was done. Events are recorded between the pieces of work, in their stream, and read
when all is done: one synchronisation per run, none between layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from magics.measurement.machine.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MILLISECOND_NS = 1e6
_GRAPH_WARM_UPS = 3
_GRAPH_REPLAYS = 11


class EventClock:
    """Marks are events recorded on the stream that is current when the clock is read.

    Events are used again in the next run: creating one takes longer than recording it.
    """

    def __init__(self, api: Any = torch.cuda) -> None:  # noqa: ANN401, torch.cuda or one like it
        self._api = api
        self._events: list[Any] = []
        self._used = 0

    def read(self) -> int:
        """Record an event, and return its number."""
        place = self._used
        if place == len(self._events):
            self._events.append(self._api.Event(enable_timing=True))
        self._events[place].record()
        self._used = place + 1
        return place

    def settled(self, marks: Sequence[int]) -> Sequence[int]:
        """Wait for the device once, and return when events happened since the first [ns]."""
        self._used = 0
        if not marks:
            return []
        self._api.synchronize()
        begin = self._events[0]
        return [
            round(begin.elapsed_time(self._events[mark]) * _MILLISECOND_NS) if mark else 0
            for mark in marks
        ]


def clock(api: Any = torch.cuda) -> Clock:  # noqa: ANN401, torch.cuda or one like it
    """Return a clock that reads events of the current device.

    What recording them costs is not subtracted: on a device that is behind it is next to
    nothing, on one that waits for its host it is as long as the host takes.
    """
    events = EventClock(api)
    return Clock("cuda", events.read, events.settled, calibrated=False)


def facts(device: torch.device, api: Any = torch.cuda) -> dict[str, str]:  # noqa: ANN401, torch.cuda or one like it
    """Describe a device and the settings that change its speed."""
    backends = torch.backends
    return {
        "machine": str(api.get_device_name(device)),
        "cuda": str(torch.version.cuda or torch.version.hip or ""),
        "cudnn": str(backends.cudnn.version() or "") if backends.cudnn.is_available() else "",
        "tf32": f"matmul {_tf32(backends.cuda.matmul)}, cudnn {_tf32(backends.cudnn)}",
        "cudnn_benchmark": "on" if backends.cudnn.benchmark else "off",
    }


def _tf32(backend: Any) -> str:  # noqa: ANN401, one of torch.backends
    """Return whether products of float32 are rounded to TF32: 'on' or 'off'."""
    try:
        return "on" if backend.allow_tf32 else "off"
    except RuntimeError:  # set by the newer name, which the older one then refuses to tell
        return "on" if backend.fp32_precision == "tf32" else "off"


def graph_seconds(call: Callable[[], object], api: Any = torch.cuda) -> list[float]:  # noqa: ANN401, torch.cuda or one like it
    """Return how long a model takes as one CUDA graph, launched at once.

    What it is faster than the eager model is the time that launching kernels costs.

    Args:
        call: Runs the model on inputs that stay where they are.
        api: torch.cuda.

    Returns:
        Replicates [s].

    Raises:
        RuntimeError: If the model can't be captured: it waits for the device, or its control
            flow depends on values.
    """
    stream = api.Stream()
    stream.wait_stream(api.current_stream())
    with api.stream(stream):
        for _ in range(_GRAPH_WARM_UPS):
            call()
    api.current_stream().wait_stream(stream)
    graph = api.CUDAGraph()
    with api.graph(graph):
        call()
    ticking = clock(api)
    graph.replay()
    found: list[float] = []
    for _ in range(_GRAPH_REPLAYS):
        begin = ticking.read()
        graph.replay()
        found += ticking.seconds(begin, ticking.read())
    return found
