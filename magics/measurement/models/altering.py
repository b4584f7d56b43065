"""A model with other channels, groups or dilation: from a factory, or a copy that is altered.

The user's model is never touched. A copy gets new random weights where their shapes change:
what a layer costs does not depend on them.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.parameter import is_lazy

from magics.errors import InputError
from magics.measurement.models import lazy
from magics.measurement.models.copying import copied
from magics.measurement.models.modules import Target, target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    _Change = Callable[[], None]

MODEL_AXES = ("channels", "groups", "dilation")
"""What makes another model of a model."""


def is_factory(model: object, name: str) -> bool:
    """Return whether `model` makes models, and is told by an argument of this name how."""
    if isinstance(model, nn.Module) or not callable(model):
        return False
    try:
        parameters = inspect.signature(model).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(
        item.name == name and item.kind in {item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY}
        for item in parameters
    )


def check(model: object, settings: Mapping[str, int], channels: int | None) -> None:
    """See whether a model can be had so, without making it.

    Args:
        model: A model or a factory.
        settings: What should be other, by name.
        channels: Channels of the input, as it is.

    Raises:
        InputError: If it can't.
    """
    if settings and not _made_by(model, settings):
        modules = _alterable(model, next(iter(settings)))
        for name, value in settings.items():
            _plan(modules, name, value, channels)


def altered(model: object, settings: Mapping[str, int], channels: int | None) -> object:
    """Return the model that `settings` ask for; the model itself where they ask for nothing.

    Args:
        model: A model, or a factory that is called with them.
        settings: What should be other, by name.
        channels: Channels of the input, as it is.

    Raises:
        InputError: If there is no such model.
    """
    if not settings:
        return model
    if _made_by(model, settings):
        return model(**settings)  # type: ignore[operator]  # a factory
    try:
        work = copied(model, _alterable(model, next(iter(settings))).values())
    except InputError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{next(iter(settings))}: the model can't be copied ({type(error).__name__}: "
            f"{reason}); give a function that makes it",
        ) from error
    for name, value in settings.items():
        for change in _plan(_alterable(work, name), name, value, channels):
            change()
    return work


def expected_channels(model: object) -> int | None:
    """Return how many channels a model's first layer takes, if it says."""
    try:
        modules = target(model).modules.values()
    except InputError:
        return None
    for module in modules:
        for name in ("in_channels", "num_features", "in_features"):
            count = getattr(module, name, None)
            if isinstance(count, int):
                return count
    return None


def _made_by(model: object, settings: Mapping[str, int]) -> bool:
    """Return whether the model is a factory that takes all of the settings.

    Raises:
        InputError: If it takes one of them only.
    """
    known = [name for name in settings if is_factory(model, name)]
    missing = [name for name in settings if name not in known]
    if known and missing:
        raise InputError(
            f"{missing[0]}: {_title(model)} takes no such argument (got {known[0]} as well); "
            f"let the function take both",
        )
    return bool(known)


def _alterable(model: object, name: str) -> Mapping[str, nn.Module]:
    """Return a model's modules by path.

    Raises:
        InputError: If they can't be altered.
    """
    hint = f"give a function that makes the model, with an argument {name!r}"
    if not isinstance(model, nn.Module):
        raise InputError(f"{name}: only a module can be altered (got {_title(model)}); {hint}")
    aim: Target = target(model)
    wrapped = aim.compiled is not None or aim.model is not model
    if wrapped or any(isinstance(item, torch.jit.ScriptModule) for item in aim.modules.values()):
        raise InputError(
            f"{name}: a compiled, scripted or wrapped model can't be altered (got {aim.title}); "
            f"{hint}",
        )
    return aim.modules


def _title(model: object) -> str:
    return getattr(model, "__name__", type(model).__name__)


def _plan(
    modules: Mapping[str, nn.Module], name: str, value: int, channels: int | None
) -> list[_Change]:
    """Return what has to be done to the modules; to lazy ones, nothing for other channels.

    Raises:
        InputError: If it can't be done, or there is nothing to do it to.
    """
    changes: list[_Change] = []
    for path, module in modules.items():
        change = _PLANS[name](path, module, value, channels)
        if change is not None:
            _own_weight(path, module, name)
            changes.append(change)
    if not changes and not (name == "channels" and lazy.waiting(modules)):
        what = f"{channels} channels" if name == "channels" else _LACKING[name]
        raise InputError(f"{name}: no layer for it (got {name}={value}, and {what}); "
                         f"choose another value")  # fmt: skip
    return changes


_LACKING = {
    "groups": "no convolution whose channels it divides",
    "dilation": "no convolution with a kernel above 1",
}


def _own_weight(path: str, module: nn.Module, name: str) -> None:
    """See whether a module's weights are its own, to be replaced.

    Raises:
        InputError: If they are made of others by a parametrization.
    """
    if name == "dilation":
        return
    weight = module._parameters.get("weight")
    lacking = getattr(module, "weight", None) is not None and weight is None
    if lacking or (weight is not None and is_lazy(weight)):
        raise InputError(
            f"{path or 'model'}: {name}: its weight is made of others, or lazy "
            f"(got {type(module).__name__}); give a function that makes the model, with an "
            f"argument {name!r}",
        )


def _dilated(_path: str, module: nn.Module, value: int, _channels: int | None) -> _Change | None:
    if not isinstance(module, _ConvNd) or isinstance(module, _ConvTransposeNd):
        return None
    if all(size == 1 for size in module.kernel_size):
        return None

    def change() -> None:
        before, sizes = module.dilation, module.kernel_size
        after = tuple(
            value if size > 1 else old for size, old in zip(sizes, before, strict=True)
        )  # fmt: skip
        if isinstance(module.padding, tuple):
            # What padding makes up for is as many times larger, so sizes stay where they did.
            module.padding = tuple(
                pad * new // old
                for pad, new, old in zip(module.padding, after, before, strict=True)
            )
            both = [pad for pad in reversed(module.padding) for _ in range(2)]
        else:
            total = [d * (k - 1) if module.padding == "same" else 0
                     for d, k in zip(after, sizes, strict=True)]  # fmt: skip
            both = [pad for one in reversed(total) for pad in (one // 2, one - one // 2)]
        module.dilation = after
        module._reversed_padding_repeated_twice = both

    return change


def _grouped(_path: str, module: nn.Module, value: int, _channels: int | None) -> _Change | None:
    if not isinstance(module, _ConvNd) or module.in_channels % value or module.out_channels % value:
        return None
    return lambda: _reshaped(module, groups=value)


def _widened(path: str, module: nn.Module, value: int, channels: int | None) -> _Change | None:
    """Return what gives a module `value` channels where it has `channels`, if it has.

    Raises:
        InputError: If its groups don't divide them.
    """
    names = _widths(module)
    had = {name: getattr(module, name) for name in names}
    new = {name: value for name, count in had.items() if count == channels}
    if not new:
        return None
    groups = getattr(module, "groups", getattr(module, "num_groups", 1))
    if isinstance(module, _ConvNd) and 1 < groups == channels == module.in_channels:
        new["groups"] = groups = value  # depthwise
    for name in names:
        if new.get(name, had[name]) % groups:
            raise InputError(
                f"{path or 'model'}: channels: not a multiple of the {groups} groups of this "
                f"{type(module).__name__} (got {value}); choose multiples of {groups}",
            )
    return lambda: _reshaped(module, **new)


_WIDTHS: dict[type, tuple[str, ...]] = {
    _ConvNd: ("in_channels", "out_channels"),
    nn.Linear: ("in_features", "out_features"),
    _NormBase: ("num_features",),
    nn.GroupNorm: ("num_channels",),
    nn.PReLU: ("num_parameters",),
}
"""Attributes that are numbers of channels."""


def _widths(module: nn.Module) -> tuple[str, ...]:
    return next((names for kind, names in _WIDTHS.items() if isinstance(module, kind)), ())


_PLANS: dict[str, Callable[[str, nn.Module, int, int | None], _Change | None]] = {
    "channels": _widened,
    "groups": _grouped,
    "dilation": _dilated,
}


def _reshaped(module: Any, **attributes: int) -> None:  # noqa: ANN401, layers of several classes
    """Give a module other numbers of channels or groups, and weights to match."""
    for name, value in attributes.items():
        setattr(module, name, value)
    shapes: dict[str, tuple[int, ...]] = {}
    if isinstance(module, _ConvNd):
        first, second = module.out_channels, module.in_channels
        if isinstance(module, _ConvTransposeNd):
            first, second = second, first
        shapes["weight"] = (first, second // module.groups, *module.kernel_size)
        shapes["bias"] = (module.out_channels,)
    elif isinstance(module, nn.Linear):
        shapes["weight"] = (module.out_features, module.in_features)
        shapes["bias"] = (module.out_features,)
    else:
        count = next(iter(attributes.values()))
        names = ("weight", "bias", "running_mean", "running_var")
        shapes = dict.fromkeys(names, (count,))
    for name, shape in shapes.items():
        for own in (module._parameters, module._buffers):
            old = own.get(name)
            if old is not None and tuple(old.shape) != shape:
                new = torch.empty(shape, dtype=old.dtype, device=old.device)
                is_parameter = isinstance(old, nn.Parameter)
                own[name] = nn.Parameter(new, old.requires_grad) if is_parameter else new
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()
