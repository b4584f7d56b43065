"""Memory of each row: what it keeps for backward, and how much is alive while it runs.

Two kinds of peak are not mixed: without backward, that of inference, where a tensor dies once
nobody needs it; with backward, that of a training step, where the forward keeps tensors for
the backward and gradients come to them. Parameters, buffers and inputs were there before and
are in no peak; they are told apart from it, as are gradients and the optimizer's state.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch.autograd.graph import saved_tensors_hooks

from magics.measurement.calling.denormals import DenormalWatch
from magics.measurement.calling.operators import tensors_in
from magics.measurement.machine.allocator import allocator_peak, unseen
from magics.measurement.models.sizes import sizes
from magics.measurement.storage.storages import SavedTensors, StorageTracker, storage_behind
from magics.measurement.timing.backward import Gradients, differentiable, nodes_behind
from magics.measurement.timing.frames import Frame, Frames, Workload

if TYPE_CHECKING:
    from magics.measurement.plan import Key
    from magics.measurement.state import Watch
    from magics.records import LayerProfile, Profile


@dataclass(slots=True)
class RowMemory:
    """Memory of one row.

    Attributes:
        saved: Kept for backward, first saved here [bytes].
        peak: Most alive while it ran, of what was made since the run began [bytes].
    """

    saved: int = 0
    peak: int = 0


@dataclass(slots=True)
class Found:
    """What a pass found.

    Attributes:
        rows: Memory of each row.
        other: Memory of everything else.
        peak: Most alive at any moment [bytes].
        allocator: The allocator's peak, workspace included, where it tells [bytes].
        problem: Why it is not known what is saved, '' if it is.
    """

    rows: dict[Key, RowMemory] = field(default_factory=dict)
    other: RowMemory = field(default_factory=RowMemory)
    peak: int = 0
    allocator: int | None = None
    problem: str = ""


class _Pass:
    """Follows one run, and tells each row what is its own.

    Args:
        work: The model and its inputs.
        denormals: Is shown what every row is given.
        keep: Let autograd keep what it saves, as a backward needs it.
    """

    def __init__(self, work: Workload, denormals: DenormalWatch, *, keep: bool) -> None:
        self.frames = Frames(work, self)
        self.tracker = StorageTracker(self._grown, self._ran)
        self.found = Found()
        self.forward_ended = False
        self._denormals, self._keep = denormals, keep
        self._saved = SavedTensors(work.target.parameters().values())
        self._running: dict[Frame, RowMemory] = {}
        self._awaited = work.plan.operators.copy()

    def begin(self, frame: Frame, given: tuple[object, ...]) -> None:
        self._running[frame] = RowMemory(peak=self.tracker.live)
        if self._denormals.active:
            with unseen():
                self._denormals.look(frame.path, given)

    def end(self, frame: Frame) -> None:
        memory = self._running.pop(frame)
        if frame.key is None or self.forward_ended:
            return
        self.found.rows[frame.key] = memory

    def hooks(self) -> saved_tensors_hooks:
        """Return the context in which it is seen what autograd saves."""
        return saved_tensors_hooks(self._pack, self._unpack)

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor | None:
        if not self.forward_ended:
            top = self.frames.top
            memory = self.found.other if top is None else self._running[top]
            memory.saved += self._saved.new_bytes(tensor)
        # Not the tensor itself: an output that its own node keeps would never be released.
        return tensor.detach() if self._keep else None

    def _unpack(self, kept: torch.Tensor | None) -> torch.Tensor:
        if kept is None:
            raise _UnlikeInferenceError
        return kept

    @property
    def complete(self) -> bool:
        """Whether all operators ran that ran when the model was captured."""
        return not any(self._awaited.values())

    def _ran(self, name: str) -> None:
        """Take note of an operator.

        Raises:
            _UnlikeInferenceError: If nothing is to be kept, as in inference, and the operator
                did not run there, or is one that makes more where gradients are recorded.
        """
        if not self._keep:
            self._awaited[name] -= 1
            if self._awaited[name] < 0 or any(word in name for word in _RECURRENT):
                raise _UnlikeInferenceError

    def _grown(self, live: int) -> None:
        self.found.peak = max(self.found.peak, live)
        if self.forward_ended:
            return
        if self.frames.top is None:
            self.found.other.peak = max(self.found.other.peak, live)
        for memory in self._running.values():
            memory.peak = max(memory.peak, live)


_RECURRENT = ("rnn", "lstm", "gru")
"""Operators that give back a workspace for their backward, or an empty tensor in inference."""


class _UnlikeInferenceError(Exception):
    """A run with gradients was not what it would have been without."""


def measured(work: Workload, *, backward: bool, denormals: DenormalWatch) -> Found:
    """Run the model and return the memory of its rows.

    With backward it is a training step, whose loss is the sum of all outputs. Otherwise one
    run tells both, how memory lives in inference and what a training step would save, unless
    the model does something else with gradients than without: then it takes two.

    Args:
        work: The model and its inputs.
        backward: Follow a training step instead of inference.
        denormals: Looks for subnormal numbers.
    """
    if backward:
        run = _Pass(work, denormals, keep=True)
        with allocator_peak(work.device()) as allocator, torch.enable_grad():
            _training_step(run, work)
        run.found.allocator = allocator.nbytes
        return run.found
    try:
        return _at_once(work, denormals)
    except Exception:  # noqa: BLE001, with gradients a model for inference may raise anything
        return _one_by_one(work, denormals)


def _at_once(work: Workload, denormals: DenormalWatch) -> Found:
    """Follow inference in a run with gradients, where autograd is told what it may not keep.

    Raises:
        _UnlikeInferenceError: If other operators ran than when the model was captured, without
            gradients, or if something else than autograd kept memory for a backward.
    """
    run = _Pass(work, denormals, keep=False)
    with (
        allocator_peak(work.device()) as allocator,
        torch.enable_grad(),
        run.frames.placed(),
        run.hooks(),
        run.tracker,
    ):
        result = work.run()
    storages = map(storage_behind, tensors_in(result))
    outputs = {storage._cdata: storage.nbytes() for storage in storages if storage is not None}
    if not run.complete or run.tracker.live > sum(outputs.values()):
        raise _UnlikeInferenceError
    run.found.allocator = allocator.nbytes
    return run.found


def _one_by_one(work: Workload, denormals: DenormalWatch) -> Found:
    """Follow inference without gradients, and then see what is saved with them."""
    run, saving = _Pass(work, denormals, keep=True), _Pass(work, denormals, keep=True)
    found = run.found
    with (
        allocator_peak(work.device()) as allocator,
        torch.no_grad(),
        run.frames.placed(),
        run.tracker,
    ):
        work.run()
    found.allocator = allocator.nbytes
    try:
        with torch.enable_grad(), saving.frames.placed(), saving.hooks():
            work.run()
    except Exception as error:  # noqa: BLE001, the same
        found.problem = f"with gradients the model raises {type(error).__name__}: {error}"
        return found
    for key, memory in saving.found.rows.items():
        found.rows.setdefault(key, RowMemory()).saved = memory.saved
    found.other.saved = saving.found.other.saved
    return found


def _training_step(run: _Pass, work: Workload) -> None:
    gradients = Gradients()
    try:
        with run.frames.placed(), run.hooks(), run.tracker:
            result = work.run()
            run.forward_ended = True
            outputs = differentiable(result)
            gradients.clear_before(nodes_behind(outputs), outputs)
            if outputs:
                torch.autograd.backward(outputs, [torch.ones_like(item) for item in outputs])
    finally:
        gradients.put_back()


def followed(profile: Profile, work: Workload, watch: Watch, *, backward: bool) -> Profile:
    """Return the profile with the memory of every row, and a warning about subnormal numbers.

    `Profile.memory` gets `parameters`, `buffers`, `inputs`, `gradients`, `momentum_state`,
    `adam_state`, `saved` (kept for backward), `inference_peak` or `training_peak` (tensors
    made during the run, gradients included), and `allocator_peak` (workspace of kernels
    included) where the allocator tells.

    Args:
        profile: What is known already.
        work: The model and its inputs.
        watch: Puts back what a run writes.
        backward: Follow a training step instead of inference.
    """
    denormals = DenormalWatch(work.target, work.device())
    found = measured(work, backward=backward, denormals=denormals)
    watch.restore()

    known = not found.problem

    def with_memory(layer: LayerProfile, memory: RowMemory | None) -> LayerProfile:
        if memory is None:
            return layer
        saved = memory.saved if known else None
        return replace(layer, saved_bytes=saved, peak_bytes=memory.peak)

    total = sizes(work.target, work.tensors())
    if known:
        total["saved"] = found.other.saved + sum(memory.saved for memory in found.rows.values())
    total["training_peak" if backward else "inference_peak"] = found.peak
    if found.allocator is not None:
        total["allocator_peak"] = found.allocator
    layers = (
        with_memory(layer, found.rows.get((layer.name, layer.call_index)))
        for layer in profile.layers
    )  # fmt: skip
    unknown = [f"What is kept for backward is not known: {found.problem}"] if not known else []
    return replace(
        profile,
        layers=tuple(layers),
        other=with_memory(profile.other, found.other),
        memory=total,
        warnings=(*profile.warnings, *unknown, *denormals.warnings()),
    )
