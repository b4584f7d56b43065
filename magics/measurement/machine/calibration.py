"""What instrumenting a call costs, measured on calls that do nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from magics.measurement.machine.clock import Clock

_CALLS = 200
_ROUNDS = 7


@dataclass(frozen=True, slots=True)
class CallCost:
    """What instrumenting one call costs.

    Attributes:
        inside_ns: Part that falls into the call's own interval [ns].
        outside_ns: Part that falls into the caller's [ns].
    """

    inside_ns: float = 0.0
    outside_ns: float = 0.0


FREE = CallCost()


def calibrate(
    clock: Clock,
    plain: Callable[[int], Callable[[], object]],
    instrumented: Callable[[int], Callable[[], object]],
    recorded: Callable[[], float],
) -> CallCost:
    """Measure what instrumentation adds to a call.

    Where the clock is a device's, the cost depends on which of device and host waits for the
    other, and can't be told beforehand: it counts as nothing then.

    Args:
        clock: The clock that the instrumentation reads.
        plain: Prepares so many calls that do nothing, and returns what makes them.
        instrumented: Prepares as many instrumented ones.
        recorded: Gives the mean interval recorded since it was last asked [ns].
    """
    if not clock.calibrated:
        return FREE

    def each(prepare: Callable[[int], Callable[[], object]]) -> float:
        calls = prepare(_CALLS)
        begin = clock.read()
        calls()
        return (clock.read() - begin) / _CALLS

    each(instrumented)
    recorded()
    inside: list[float] = []
    total: list[float] = []
    for _ in range(_ROUNDS):
        nothing = each(plain)
        total.append(each(instrumented) - nothing)
        inside.append(recorded() - nothing)
    # The least disturbed round: calibration is short, so that pre-emption only adds.
    whole, own = max(0.0, min(total)), max(0.0, min(inside))
    return CallCost(inside_ns=min(own, whole), outside_ns=max(0.0, whole - own))
