"""Memory of each row: what it keeps for backward, and how much is alive while it runs.

Two kinds of peak are not mixed: without backward, that of inference, where a tensor dies once
nobody needs it; with backward, that of a training step, where the forward keeps tensors for
the backward and gradients come to them. Parameters, buffers and inputs were there before and
are in no peak; they are told apart from it, as are gradients and the optimizer's state.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.graph import saved_tensors_hooks

from magics.measurement.allocator import allocator_peak
from magics.measurement.backward import Gradients, differentiable, nodes_behind
from magics.measurement.denormals import DenormalWatch
from magics.measurement.frames import Frame, Frames, Workload
from magics.measurement.storages import StorageTracker, storage_behind
from magics.theory.memory import adam_state_bytes, momentum_state_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from magics.measurement.modules import Target
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


class SavedTensors:
    """Notices what autograd keeps for backward: each stretch of memory once, no parameters.

    Bytes are logical, elements times their size: a slice of a data set counts as the slice.
    """

    def __init__(self, parameters: Iterable[torch.Tensor]) -> None:
        storages = map(storage_behind, parameters)
        self._parameters = {storage._cdata for storage in storages if storage is not None}
        self._seen: dict[int, set[tuple[int, int]]] = {}
        self._ends: dict[int, weakref.ref[Any]] = {}

    def new_bytes(self, tensor: torch.Tensor) -> int:
        """Return the size of a tensor that is saved, 0 if it was saved before [bytes]."""
        size = tensor.numel() * tensor.element_size()
        storage = storage_behind(tensor)
        if storage is None:
            return size
        place = storage._cdata
        if place in self._parameters:
            return 0
        if place not in self._seen:
            self._seen[place] = set()
            # The address may be used again after the storage's end.
            self._ends[place] = weakref.ref(storage, lambda _: self._seen.pop(place, None))
        stretch = (int(tensor.storage_offset()), tensor.numel())
        if stretch in self._seen[place]:
            return 0
        self._seen[place].add(stretch)
        return size


class _Pass:
    """Follows one run, and tells each row what is its own."""

    def __init__(self, work: Workload, denormals: DenormalWatch | None = None) -> None:
        self.frames = Frames(work, self)
        self.tracker = StorageTracker(self._grown)
        self.found = Found()
        self.forward_ended = False
        self._denormals = denormals
        self._saved = SavedTensors(work.target.parameters().values())
        self._running: dict[Frame, RowMemory] = {}

    def begin(self, frame: Frame, given: tuple[object, ...]) -> None:
        self._running[frame] = RowMemory(peak=self.tracker.live)
        if self._denormals is not None:
            self._denormals.look(frame.path, given)

    def end(self, frame: Frame) -> None:
        memory = self._running.pop(frame)
        if frame.key is None or self.forward_ended:
            return
        self.found.rows[frame.key] = memory

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        """Take note of a tensor that is saved, and let autograd keep its memory.

        Not the tensor: an output that its own node kept would never be released.
        """
        if not self.forward_ended:
            top = self.frames.top
            memory = self.found.other if top is None else self._running[top]
            memory.saved += self._saved.new_bytes(tensor)
        return tensor.detach()

    def _grown(self, live: int) -> None:
        self.found.peak = max(self.found.peak, live)
        if self.forward_ended:
            return
        if self.frames.top is None:
            self.found.other.peak = max(self.found.other.peak, live)
        for memory in self._running.values():
            memory.peak = max(memory.peak, live)


def measured(work: Workload, *, backward: bool, denormals: DenormalWatch) -> Found:
    """Run the model twice and return the memory of its rows.

    The first run follows lifetimes: with backward those of a training step, whose loss is the
    sum of all outputs, otherwise those of inference. The second, untracked, shows `denormals`
    what every row is given and, without backward, tells what a training step would save.

    Args:
        work: The model and its inputs.
        backward: Follow a training step instead of inference.
        denormals: Looks for subnormal numbers.
    """
    first, second = _Pass(work), _Pass(work, denormals)
    found = first.found
    with allocator_peak(work.device()) as allocator, torch.set_grad_enabled(backward):
        if backward:
            _training_step(first, work)
        else:
            with first.frames.placed(), first.tracker:
                work.run()
    found.allocator = allocator.nbytes
    if not backward:
        _would_save(second, work, found)
    elif denormals.active:
        with torch.no_grad(), second.frames.placed():
            work.run()
    return found


def _would_save(run: _Pass, work: Workload, found: Found) -> None:
    """Find out what a training step would save, if the model can do one."""
    try:
        with torch.enable_grad(), run.frames.placed(), _hooks(run):
            work.run()
    except Exception as error:  # noqa: BLE001, a model for inference may raise anything
        found.problem = f"with gradients the model raises {type(error).__name__}: {error}"
        return
    for key, memory in run.found.rows.items():
        found.rows.setdefault(key, RowMemory()).saved = memory.saved
    found.other.saved = run.found.other.saved


def _hooks(run: _Pass) -> saved_tensors_hooks:
    return saved_tensors_hooks(run.pack, lambda tensor: tensor)


def _training_step(run: _Pass, work: Workload) -> None:
    gradients = Gradients()
    try:
        with run.frames.placed(), _hooks(run), run.tracker:
            result = work.run()
            run.forward_ended = True
            outputs = differentiable(result)
            gradients.clear_before(nodes_behind(outputs), outputs)
            if outputs:
                torch.autograd.backward(outputs, [torch.ones_like(item) for item in outputs])
    finally:
        gradients.put_back()


def sizes(target: Target, tensors: Iterable[torch.Tensor]) -> dict[str, int]:
    """Return what is there apart from the run: model, inputs, gradients, optimizer's state.

    Gradients are those of all parameters that can have one, whether they have it now or not.
    The optimizer is not known to a model, so its state is that of torch's SGD with momentum,
    and of its Adam and AdamW.
    """
    parameters = list(target.parameters().values())
    buffers = {id(b): b for module in target.modules.values() for b in _buffers(module)}
    trained = [p.numel() * p.element_size() for p in parameters if p.requires_grad]
    return {
        "parameters": _bytes(parameters),
        "buffers": _bytes(buffers.values()),
        "inputs": _bytes({id(tensor): tensor for tensor in tensors}.values()),
        "gradients": sum(trained),
        "momentum_state": momentum_state_bytes(trained),
        "adam_state": adam_state_bytes(trained),
    }


def _buffers(module: nn.Module) -> list[torch.Tensor]:
    return list(module.buffers(recurse=isinstance(module, torch.jit.ScriptModule)))


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


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
