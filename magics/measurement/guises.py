"""A whole model in its other guises: compiled, as one CUDA graph, wrapped for data parallelism.

Rows are always those of the eager model inside; another guise can be measured as a whole only,
and is told in words beside the rows.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING

import torch

from magics import units
from magics.measurement.machine import cuda

if TYPE_CHECKING:
    from collections.abc import Callable

    from magics.measurement.models.modules import Target
    from magics.measurement.timing.runs import Runner
    from magics.measurement.timing.timings import Timings

_WARM_UPS = 2
_REPLICATES = 5
_LONG_S = 1.0
"""Length of a run from which on one replicate must do [s]."""


@dataclass(slots=True)
class Told:
    """What is known of guises.

    Attributes:
        facts: For the environment.
        warnings: For the reader.
    """

    facts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def unsynchronised(model: object) -> AbstractContextManager[object]:
    """Return the context in which a backward of the model doesn't wait for other processes."""
    while isinstance(model, torch.nn.Module):
        if isinstance(model, torch.nn.parallel.DistributedDataParallel):
            return model.no_sync()
        model = getattr(model, "_orig_mod", None)
    return nullcontext()


def made_eager(aim: Target) -> Target:
    """Let modules that were compiled in place run eagerly, and return the target as such.

    What `torch.nn.Module.compile` set is put back with the rest of the modules' state.
    """
    compiled, notes = aim.compiled, list(aim.notes)
    for path, module in aim.modules.items():
        in_place = vars(module).get("_compiled_call_impl")
        if in_place is None:
            continue
        vars(module)["_compiled_call_impl"] = None
        if module is aim.model:
            compiled = in_place
        notes.append(f"{path or 'The model'} is compiled in place: rows are of the eager one.")
    return replace(aim, compiled=compiled, notes=tuple(notes))


def told(aim: Target, runner: Runner, timings: Timings) -> Told:
    """Measure the guises that a model has.

    Args:
        aim: The model.
        runner: Ran it eagerly.
        timings: What that took.
    """
    known = Told()
    if not timings.rounds:
        return known
    eager = median(timings.forward.plain)
    if aim.compiled is not None:
        what = "Compiled"
        _tell(known, what, "compiled_forward", eager, lambda: _compiled(aim, runner, timings))
    if timings.clock.name == "cuda" and not runner.backward:
        what = "As one CUDA graph"
        _tell(known, what, "cuda_graph_forward", eager, lambda: cuda.graph_seconds(runner.call))
    return known


def _compiled(aim: Target, runner: Runner, timings: Timings) -> list[float]:
    """Return how long the compiled model's forward takes [s]; the first run compiles it."""
    compiled = runner.calling(aim.compiled or aim.call)
    try:
        for _ in range(_WARM_UPS):
            length = compiled.plain(timings.clock)[0].whole
        count = 1 if length > _LONG_S else _REPLICATES
        return [compiled.plain(timings.clock)[0].whole for _ in range(count)]
    finally:
        compiled.put_back()


def _tell(
    known: Told, what: str, fact: str, eager: float, measure: Callable[[], list[float]]
) -> None:
    try:
        replicates = measure()
    except Exception as error:  # noqa: BLE001, compilers and captures may raise anything
        reason = str(error).strip().partition("\n")[0]
        known.warnings.append(
            f"{what}, the model could not be timed: {type(error).__name__}: {reason}",
        )
        return
    took = median(replicates)
    known.facts[fact] = units.seconds(took)
    known.warnings.append(
        f"{what}, one forward takes {units.seconds(took)} (median of {len(replicates)}), "
        f"{units.ratio(took / eager, 2)} the {units.seconds(eager)} of the eager model.",
    )
