"""A model's modules: their names, what wraps them, and their `forward`, replaced for a while.

Every module is reached on its instance, never on its class: classes are shared with models
that nobody asked to profile.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from magics.errors import InputError

Forward = Callable[..., Any]

_ABSENT = object()
_CONTAINER_DEPTH = 3  # how deep lists and dicts of modules are looked through


@dataclass(frozen=True, slots=True)
class Target:
    """What is profiled.

    Attributes:
        call: What to call with the inputs.
        model: The module behind it, or `None` for a plain function.
        modules: Every module within reach by its dotted path, the model itself as ''.
        unregistered: Paths of those that the model doesn't know as its own.
        title: Name for the report.
        notes: What the reader should know about the unwrapping.
        compiled: The compiled callable, where the model came as one.
    """

    call: Callable[..., Any]
    model: nn.Module | None
    modules: Mapping[str, nn.Module]
    unregistered: tuple[str, ...]
    title: str
    notes: tuple[str, ...] = ()
    compiled: Callable[..., Any] | None = None

    def is_for_inference_only(self) -> bool:
        """Return whether tensors were made in inference mode, where alone they can be written."""
        return any(
            tensor.is_inference()
            for module in self.modules.values()
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False))
            if not is_lazy(tensor)
        )

    def parameters(self) -> dict[int, nn.Parameter]:
        """Return each parameter once, by its id."""
        return {
            id(parameter): parameter
            for module in self.modules.values()
            for parameter in own_parameters(module)
        }


def own_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Return a module's own parameters; a scripted one's all, as its modules are not listed."""
    if isinstance(module, torch.jit.ScriptModule):
        return list(module.parameters())
    # Not by `parameters()`: for each of many modules that is a thirtieth of counting them all.
    return [parameter for parameter in module._parameters.values() if parameter is not None]


def target(model: object) -> Target:
    """Find out what to call, and which modules stand behind it.

    Args:
        model: A module, possibly compiled or wrapped for data parallelism, or a function.

    Raises:
        InputError: If it is a class, or can't be called.
    """
    if isinstance(model, type):
        hint = f"create one first: {model.__name__}(...)"
        raise InputError(f"MODEL: a class, not a model (got {model.__name__}); {hint}")
    if not callable(model):
        raise InputError(
            f"MODEL: not a model (got {type(model).__name__}); pass a torch.nn.Module "
            f"or a function that calls one",
        )
    if not isinstance(model, nn.Module):
        return _function_target(model)
    title, notes, compiled = type(model).__name__, [], None
    inner: Any = model
    while True:
        if is_compiled(inner):
            compiled, inner = inner, inner._orig_mod
            notes.append(
                "The model is compiled: rows are of the eager model inside, "
                "the compiled one is timed as a whole.",
            )
        elif isinstance(inner, nn.DataParallel | nn.parallel.DistributedDataParallel):
            notes.append(
                f"The model came in {type(inner).__name__}: rows are of the model inside; "
                f"scattering and communication are not in them.",
            )
            inner = inner.module
        else:
            break
        title = f"{type(inner).__name__} in {type(model).__name__}"
    modules, unregistered = reachable({"": inner})
    if unregistered:
        lost = sum(
            parameter.numel()
            for path in unregistered
            for parameter in modules[path].parameters()
            if not is_lazy(parameter)
        )
        notes.append(
            f"{', '.join(unregistered[:3])}{' and more' if len(unregistered) > 3 else ''}: "  # noqa: PLR2004
            f"held in a plain list or dict, so {lost:,} parameters are unknown to "
            f"model.parameters(); use torch.nn.ModuleList.",
        )
    return Target(inner, inner, modules, tuple(unregistered), title, tuple(notes), compiled)


def is_compiled(model: nn.Module) -> bool:
    """Ask without loading the compiler, which takes seconds, where nothing was compiled."""
    loaded = sys.modules.get("torch._dynamo.eval_frame")
    return loaded is not None and isinstance(model, loaded.OptimizedModule)


def _function_target(function: Callable[..., Any]) -> Target:
    plain = function
    held: dict[str, Any] = {}
    while isinstance(plain, functools.partial):
        held.update({str(place): value for place, value in enumerate(plain.args)})
        held.update(plain.keywords)
        plain = plain.func
    owner = getattr(plain, "__self__", None)
    if owner is not None:
        held["self"] = owner
    code = getattr(plain, "__code__", None)
    if code is not None:
        cells = zip(code.co_freevars, plain.__closure__ or (), strict=True)
        held.update({name: cell.cell_contents for name, cell in cells})
        held.update({name: plain.__globals__.get(name) for name in code.co_names})
    modules, _ = reachable(held_in(held))
    return Target(function, None, modules, (), getattr(function, "__name__", "function"))


def reachable(roots: Mapping[str, nn.Module]) -> tuple[dict[str, nn.Module], list[str]]:
    """Return all modules under `roots` by dotted path, each once, and the unregistered paths.

    A scripted module is taken as one: what is inside runs without Python.
    """
    found: dict[str, nn.Module] = {}
    unregistered: list[str] = []
    seen: set[int] = set()

    def visit(path: str, module: nn.Module) -> None:
        if id(module) in seen:
            return
        seen.add(id(module))
        found[path] = module
        if isinstance(module, torch.jit.ScriptModule):
            return
        prefix = f"{path}." if path else ""
        for name, child in module._modules.items():
            if child is not None:
                visit(prefix + name, child)
        plain = {k: v for k, v in vars(module).items() if not k.startswith("_")}
        for name, child in _inside(plain, prefix, 0):
            if id(child) not in seen:
                unregistered.append(name)
                visit(name, child)

    for path, module in roots.items():
        visit(path, module)
    return found, unregistered


def held_in(held: Mapping[str, object]) -> dict[str, nn.Module]:
    """Return the modules among named values, those in lists and dicts too, by path."""
    return dict(_inside(held, "", 0))


def _inside(held: Mapping[str, object], prefix: str, depth: int) -> Iterator[tuple[str, nn.Module]]:
    for name, value in held.items():
        yield from _modules_in(value, f"{prefix}{name}", depth)


def _modules_in(value: object, path: str, depth: int) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(value, nn.Module):
        yield path, value
    elif depth < _CONTAINER_DEPTH and isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _modules_in(item, f"{path}[{place}]", depth + 1)
    elif depth < _CONTAINER_DEPTH and isinstance(value, dict):
        for key, item in value.items():
            yield from _modules_in(item, f"{path}[{key!r}]", depth + 1)


@contextmanager
def replaced_forwards(
    modules: Mapping[str, nn.Module],
    wrap: Callable[[str, nn.Module, Forward], Forward],
) -> Iterator[None]:
    """Give every module's instance another `forward` for a while.

    Args:
        modules: Modules by path.
        wrap: Takes path, module and its forward; returns what is called instead.
    """
    before: list[tuple[dict[str, Any], object]] = []
    try:
        for path, module in modules.items():
            own = vars(module)
            before.append((own, own.get("forward", _ABSENT)))
            own["forward"] = wrap(path, module, module.forward)
        yield
    finally:
        for own, forward in reversed(before):
            if forward is _ABSENT:
                own.pop("forward", None)
            else:
                own["forward"] = forward
