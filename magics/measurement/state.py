"""Leave everything as it was found: what a profile could disturb, kept and put back.

Nothing is deep-copied. Buffers are cloned, because batch norm writes to them without saying
so; parameters, inputs and other tensors are cloned just before the first write that the
capture pass sees (`Watch.before_write`), which for most models never comes.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from magics.measurement.machine.process import ProcessState
from magics.measurement.models.modules import own_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

_PLAIN_CONTAINERS = frozenset({dict, OrderedDict, list, set, deque})


class Watch:
    """Contents of tensors that must not change, and autograd's counts of writes to them."""

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        self._watched: dict[int, torch.UntypedStorage] = {}
        self._saved: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._versions: list[tuple[torch.Tensor, int, AbstractContextManager[None]]] = []
        for tensor in tensors:
            storage = storage_of(tensor)
            if storage is None:
                continue
            self._watched[storage.data_ptr()] = storage
            if not tensor.is_inference():  # those have no count
                keep = torch.autograd.grad_mode._unsafe_preserve_version_counter(tensor)
                self._versions.append((tensor, tensor._version, keep))

    def before_write(self, tensor: torch.Tensor) -> None:
        """Keep the contents of a watched tensor that is about to be written."""
        storage = storage_of(tensor)
        if storage is None:
            return
        place = storage.data_ptr()
        if place in self._watched and place not in self._saved:
            self._saved[place] = (self._watched[place], storage.clone())

    def restore(self) -> None:
        """Put the contents back, and the counts, so that graphs made before still hold."""
        for storage, content in self._saved.values():
            storage.copy_(content)
        for tensor, version, keep in self._versions:
            if tensor._version != version:
                keep.__exit__(None, None, None)

    @property
    def written(self) -> int:
        """Number of storages that a write was seen to, or that were kept to be sure."""
        return len(self._saved)


def version_of(tensor: torch.Tensor) -> int:
    """Return how often a tensor was written to, as autograd counts."""
    return tensor._version


def storage_of(tensor: torch.Tensor) -> torch.UntypedStorage | None:
    """Return the memory behind a tensor, or `None` where it has none of its own."""
    try:
        storage = tensor.untyped_storage()
        if not storage.data_ptr():  # on the meta device, or empty
            return None
    except (RuntimeError, NotImplementedError, ValueError):  # sparse, opaque or lazy
        return None
    return storage


@contextmanager
def preserved(modules: Mapping[str, nn.Module], inputs: Iterable[torch.Tensor]) -> Iterator[Watch]:
    """Keep all state of modules, inputs, torch and the interpreter, and put it back.

    Kept: contents of parameters, buffers and inputs; attributes of every module, hooks and
    train/eval flag among them; random generators and settings of torch and the interpreter.
    Gradients are set aside, so that a backward has none to add to.

    Yields:
        The watch to be told of writes.
    """
    parameters, buffers = _own_tensors(modules)
    leaves = [*parameters, *inputs]
    watch = Watch([*leaves, *buffers, *_tensors_in_attributes(modules)])
    for buffer in buffers:
        watch.before_write(buffer)
    state = ModuleState(modules.values())
    gradients = [
        (tensor, tensor.grad, tensor.requires_grad)
        for tensor in leaves
        if tensor.is_leaf and not is_lazy(tensor)
    ]
    process = ProcessState()
    try:
        for tensor, gradient, _ in gradients:
            if gradient is not None:
                tensor.grad = None
        yield watch
    finally:
        watch.restore()
        state.put_back()
        for tensor, gradient, requires_grad in gradients:
            if tensor.grad is not gradient:
                tensor.grad = gradient
            if tensor.requires_grad != requires_grad:
                tensor.requires_grad_(requires_grad)
        process.restore()


def _own_tensors(
    modules: Mapping[str, nn.Module],
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return every parameter and every buffer once."""
    parameters: dict[int, torch.Tensor] = {}
    buffers: dict[int, torch.Tensor] = {}
    for module in modules.values():
        parameters.update((id(item), item) for item in own_parameters(module))
        inner = isinstance(module, torch.jit.ScriptModule)  # its modules are not listed
        buffers.update((id(item), item) for item in module.buffers(recurse=inner))
    return list(parameters.values()), list(buffers.values())


def _tensors_in_attributes(modules: Mapping[str, nn.Module]) -> list[torch.Tensor]:
    return [
        value
        for module in modules.values()
        for value in vars(module).values()
        if isinstance(value, torch.Tensor)
    ]


class ModuleState:
    """Classes and attributes of modules, as they were when this was made."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._kept = [(module, type(module), _attributes(module)) for module in modules]

    def put_back(self) -> None:
        """Give the modules their attributes back, and take those that they got since."""
        for module, kind, before in self._kept:
            if type(module) is not kind:
                module.__class__ = kind
            _put_back(module, before)


_Kept = dict[str, tuple[Any, Any]]  # attribute, and what is in it where it is a container

_NOTHING = object()


def _attributes(module: nn.Module) -> _Kept:
    return {
        name: (value, value.copy() if value else ())
        if type(value) in _PLAIN_CONTAINERS
        else (value, _NOTHING)
        for name, value in vars(module).items()
    }


def _put_back(module: nn.Module, before: _Kept) -> None:
    own = vars(module)
    for name in own.keys() - before.keys():
        del own[name]
    for name, (value, content) in before.items():
        if own.get(name, _NOTHING) is not value:
            own[name] = value
        # Most containers are empty, those of hooks.
        if content is not _NOTHING and (value or content) and not _same(value, content):
            _refill(value, content)


def _refill(value: Any, content: Any) -> None:  # noqa: ANN401, one of _PLAIN_CONTAINERS
    value.clear()
    if isinstance(value, dict | set):
        value.update(content)
    else:
        value.extend(content)


def _same(value: Any, content: Any) -> bool:  # noqa: ANN401, one of _PLAIN_CONTAINERS
    """Compare by identity: comparing tensors by value would be slow and ambiguous."""
    if len(value) != len(content):
        return False
    if isinstance(value, dict):
        return all(
            one is other and value[one] is content[other]
            for one, other in zip(value, content, strict=True)
        )
    if isinstance(value, set):
        return bool(value == content)
    return all(one is other for one, other in zip(value, content, strict=True))
