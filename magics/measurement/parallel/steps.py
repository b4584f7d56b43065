"""Training steps of a data-parallel model, with and without what its processes tell one another.

A step is a forward and a backward. All processes begin each one together, and do as many: one
that did more would wait for the others for ever. The clock is on the wall, for waiting is what
is measured; on a GPU it is read when the device has done all it was asked for.
"""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from magics.measurement.machine.clock import NANOSECOND, WALL, Clock
from magics.measurement.machine.process import steady
from magics.measurement.timing.backward import differentiable, nodes_behind
from magics.progress import report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import nn

    from magics.measurement.models.modules import Target
    from magics.measurement.parallel.ranks import Ranks
    from magics.measurement.timing.runs import Runner
    from magics.measurement.timing.stopwatch import Stopwatch

_WARM_UPS = (True, True, False, True)
"""Whether each warm-up synchronises: buckets are made anew in the second that does."""

_SETTINGS = ("find_unused_parameters", "static_graph", "gradient_as_bucket_view")
_MIB = 2**20
_BUDGET_S = (1.0, 10.0)
_USUAL_ROUNDS = 25
_ROUNDS = (5, 200)


@dataclass(slots=True)
class Steps:
    """What steps took on one process, round by round.

    Attributes:
        synchronised: Those with communication [s].
        alone: Those without [s].
        reduction: Reducing as many bytes with nothing beside it [s]; empty where that is unknown.
        bucket_bytes: What a step reduces, bucket by bucket [bytes].
        broadcast_bytes: What a forward broadcasts: buffers [bytes].
        backend: What carries the gradients, such as 'gloo'.
        settings: How the model is made data-parallel.
    """

    synchronised: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    reduction: list[float] = field(default_factory=list)
    bucket_bytes: tuple[int, ...] = ()
    broadcast_bytes: int = 0
    backend: str = ""
    settings: dict[str, str] = field(default_factory=dict)


def data_parallel(model: object) -> DistributedDataParallel | None:
    """Return the data-parallel model that a model is, or is compiled from."""
    while isinstance(model, torch.nn.Module):
        if isinstance(model, DistributedDataParallel):
            return model
        model = getattr(model, "_orig_mod", None)
    return None


def members(model: object) -> list[int] | None:
    """Return the ranks that a data-parallel model is spread over, `None` for all."""
    found = data_parallel(model)
    return None if found is None else dist.get_process_group_ranks(found.process_group)


def layers(watch: Stopwatch) -> list[tuple[str, int, str]]:
    """Return name, number of the call and kind of each layer that is timed."""
    return [(*row.key, row.kind) for row in watch._runner._plan.rows]


def without_gradient(aim: Target, watch: Stopwatch) -> int:
    """Return how many parameters that want a gradient get none."""
    outputs = differentiable(watch._runner.call())
    reached = {id(getattr(node, "variable", None)) for node in nodes_behind(outputs)}
    return sum(item.requires_grad for key, item in aim.parameters().items() if key not in reached)


class Norms:
    """Batch norms that ask other processes for their statistics."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        norms = [item for item in modules if isinstance(item, torch.nn.SyncBatchNorm)]
        self._groups = [(norm, norm.process_group) for norm in norms]

    def __bool__(self) -> bool:
        return bool(self._groups)

    @contextmanager
    def asking(self, group: object) -> Iterator[None]:
        """Let them ask a group for a while; `None` stands for their own."""
        before = [norm.process_group for norm, _ in self._groups]
        for norm, own in self._groups:
            norm.process_group = group or own
        try:
            yield
        finally:
            for (norm, _), asked in zip(self._groups, before, strict=True):
                norm.process_group = asked


def taken(
    ranks: Ranks,
    watch: Stopwatch,
    call: nn.Module,
    budget_s: float | None,
    *,
    unused: bool,
) -> Steps:
    """Time steps with and without communication, in turn.

    Args:
        ranks: All processes; each calls this at once.
        watch: Timed the model inside, on the same inputs.
        call: The model as it was given; wrapped here, unless it is data-parallel.
        budget_s: How long to measure at most, `None` for a default [s].
        unused: Some of its parameters get no gradient.
    """
    model = data_parallel(call)
    if model is None:
        call = model = _wrapped(call, unused=unused)
    runner = watch._runner.calling(call)
    device = next(item.device for item in model.parameters() if item.requires_grad)
    found = Steps(
        backend=model.process_group._get_backend(device).name(),
        settings={name: str(getattr(model, name, "")) for name in _SETTINGS}
        | {"bucket_cap_mb": f"{model.bucket_bytes_cap / _MIB:g}"},
    )
    try:
        with steady(), torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            rounds = _Rounds(ranks, runner, model, _wall(device))
            rounds.take(found, budget_s)
    finally:
        runner.put_back()
    return found


def _wrapped(module: nn.Module, *, unused: bool) -> DistributedDataParallel:
    """Return a module as a data-parallel one.

    Parameters stay as they are on each process: nobody asked for those of the first.

    Args:
        module: The module.
        unused: Some of its parameters get no gradient.
    """
    return DistributedDataParallel(module, init_sync=False, find_unused_parameters=unused)


class _Rounds:
    """Does steps that all processes do at once."""

    def __init__(
        self, ranks: Ranks, runner: Runner, model: DistributedDataParallel, clock: Clock
    ) -> None:
        self._ranks, self._runner, self._model, self._clock = ranks, runner, model, clock

    def take(self, found: Steps, budget_s: float | None) -> None:
        """Do as many rounds as the first process says."""
        for synchronised in _WARM_UPS:
            length = self._step(synchronised=synchronised)
        model = self._model
        buffers = model.modules_buffers if model.will_sync_module_buffers() else ()
        buckets = [bucket.buffer() for bucket in model.reducer._get_zeros_like_grad_buckets()]
        found.broadcast_bytes, found.bucket_bytes = sum(_sizes(buffers)), _sizes(buckets)
        rounds = self._ranks.told(_count(2 * length, budget_s))[0]
        for number in range(rounds):
            report(number / rounds, "measuring communication")
            found.synchronised.append(self._step(synchronised=True))
            found.alone.append(self._step(synchronised=False))
            if not model._comm_hooks:  # with one, something else than these bytes is sent
                found.reduction.append(self._reduce(buckets))
            gc.collect(0)  # what models leave behind would pile up

    def _step(self, *, synchronised: bool) -> float:
        """Do a forward and a backward, and return how long they took [s]."""
        # What has buffers broadcast follows what has gradients reduced a step later.
        self._model.require_forward_param_sync = synchronised
        self._ranks.line_up()
        with nullcontext() if synchronised else self._model.no_sync():
            passes = self._runner.plain(self._clock)
        return sum(one.whole for one in passes if one)

    def _reduce(self, buckets: list[torch.Tensor]) -> float:
        """Reduce buckets with nothing beside it, and return how long that took [s]."""
        self._ranks.line_up()
        begin = self._clock.read()
        group = self._model.process_group
        work = [dist.all_reduce(bucket, group=group, async_op=True) for bucket in buckets]
        for each in work:
            each.wait()
        return (self._clock.read() - begin) * NANOSECOND


def _sizes(tensors: Iterable[torch.Tensor]) -> tuple[int, ...]:
    return tuple(tensor.numel() * tensor.element_size() for tensor in tensors)


def _count(length_s: float, budget_s: float | None) -> int:
    """Return how many rounds of some length fit into a budget."""
    least, most = _BUDGET_S
    budget = budget_s or min(max(_USUAL_ROUNDS * length_s, least), most)
    fewest, many = _ROUNDS
    return min(max(round(budget / length_s), fewest), many)


def _wall(device: torch.device) -> Clock:
    """Return the clock on the wall, for a device that works behind its host too."""
    if device.type != "cuda":
        return WALL

    def read() -> int:
        torch.cuda.synchronize(device)
        return time.perf_counter_ns()

    return Clock("wall", read)
