"""Where something was measured: machine, torch, settings, in words."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from magics import units
from magics.measurement.machine import cuda

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magics.measurement.timing.timings import Timings
    from magics.options import Options

_CPUINFO = Path("/proc/cpuinfo")
_MODES = {frozenset({True}): "train", frozenset({False}): "eval", frozenset(): ""}


def environment(
    modules: Iterable[torch.nn.Module],
    tensors: Iterable[torch.Tensor],
    options: Options,
    timings: Timings | None,
) -> dict[str, str]:
    """Describe where and how a model ran.

    Args:
        modules: The model's modules.
        tensors: Its inputs.
        options: How it was to be profiled.
        timings: What was measured, if anything was.
    """
    listed, inputs = list(modules), list(tensors)
    weights = [p for module in listed for p in module.parameters(recurse=False)]
    floats = [tensor for tensor in (*weights, *inputs) if tensor.is_floating_point()]
    device = device_of(listed, inputs)
    facts = {
        **settings((getattr(module, "training", False) for module in listed), str(device)),
        "dtype": str(floats[0].dtype).removeprefix("torch.") if floats else "",
        "gradients": "recorded" if options.backward else "off",
        "layout": options.layout or "as is",
    }
    if device.type == "cuda":
        facts |= cuda.facts(device)
    if timings is not None:
        facts |= {
            "threads": str(timings.threads),
            "clock": timings.clock.name,
            "rounds": str(timings.rounds),
            "contention": units.ratio(timings.contention, 2),
        }
    return facts


def settings(training: Iterable[bool], device: str) -> dict[str, str]:
    """Describe the machine, the day, and the mode that modules are in.

    Args:
        training: Whether they are in train mode.
        device: Where they run.
    """
    return {
        "machine": processor(),
        "device": device,
        "mode": _MODES.get(frozenset(training), "train and eval mixed"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def device_of(modules: Iterable[torch.nn.Module], tensors: Iterable[torch.Tensor]) -> torch.device:
    """Return the device that a model works on: that of its inputs, or else of its parameters."""
    for tensor in tensors:
        return tensor.device
    for module in modules:
        for parameter in module.parameters(recurse=False):
            return parameter.device
    return torch.device("cpu")


def processor() -> str:
    """Return the processor's name."""
    try:
        for line in _CPUINFO.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except (OSError, UnicodeDecodeError):
        pass
    return platform.processor() or platform.machine()
