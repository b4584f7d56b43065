"""How a model is called: gradients, mode, precision, threads, subnormal numbers."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

from magics.measurement.machine.process import flushes_denormals
from magics.studies.advising.changes.context import Context, Variation
from magics.studies.advising.changes.telling import listed

_BF16_TOLERANCE = {False: 2e-2, True: 5e-2}  # in inference, in training
_CPUINFO = Path("/proc/cpuinfo")
UNLIKE_IN_TRAINING = (
    nn.modules.batchnorm._BatchNorm,  # noqa: SLF001, the base of all of them
    nn.modules.instancenorm._InstanceNorm,  # noqa: SLF001, the same
    nn.modules.dropout._DropoutNd,  # noqa: SLF001, the same
)
"""Layers that work in another way in train mode."""


class NoGrad:
    """Calls that record nothing for a backward."""

    name = "no_grad"
    link = "https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html"

    def variation(self, context: Context) -> Variation | str:
        """Return the context to call the model in, or why it does not apply."""
        if context.backward:
            return "a training step needs the gradients"
        if not context.gradients:
            return "gradients are off already where this was asked"
        if not any(tensor.requires_grad for tensor in context.leaves()):
            return "no parameter and no input has a gradient"
        return Variation(
            within="torch.no_grad()",
            why="every call notes down what a backward would need, and keeps it in memory",
            cost="inside, no backward can start",
            tolerance=0.0,
            gradients=True,
        )


class EvalMode:
    """A model that is not trained here, in eval mode."""

    name = "eval mode"
    link = (
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.eval"
    )

    def variation(self, context: Context) -> Variation | str:
        """Return the line, or why it does not apply."""
        training = [name for name, item in context.target.modules.items() if item.training]
        if context.backward:
            return "a training step is asked for"
        if not training:
            return "the model is in eval mode"
        if context.model is None:
            return "a function was given: call eval() on the module it calls"
        unlike = tuple(name for name in training
                       if isinstance(context.target.modules[name], UNLIKE_IN_TRAINING))  # fmt: skip
        verb = "works" if len(unlike) == 1 else "work"
        found = f"{listed(unlike)} {verb}" if unlike else "nothing"
        return Variation(
            code="model.eval()",
            why=f"the model was left in train mode, and no backward is asked for: {found} "
            + ("as in training, and running statistics move with every call"
               if unlike else "in it that torch knows of works in another way then"),
            cost="call model.train() before training on",
            layers=unlike,
        )  # fmt: skip


class BFloat16:
    """Convolutions and products in bfloat16."""

    name = "bfloat16"
    link = "https://docs.pytorch.org/docs/stable/amp.html"

    def variation(self, context: Context) -> Variation | str:
        """Return the context to call the model in, or why it does not apply."""
        if context.dtype != torch.float32:
            return f"the model computes in {str(context.dtype).removeprefix('torch.')}"
        if not any(layer.macs for layer in context.profile.layers):
            return "no layer multiplies matrices or convolves"
        found = bf16_unit(context.device)
        if not found.startswith("has"):
            return found
        return Variation(
            within=f'torch.autocast("{context.device.type}", dtype=torch.bfloat16)',
            why=f"the {_device(context.device)} {found}",
            cost="three significant digits in what convolutions and products give back",
            tolerance=_BF16_TOLERANCE[context.backward],
        )


def _device(device: torch.device) -> str:
    return "processor" if device.type == "cpu" else "GPU"


def bf16_unit(device: torch.device) -> str:
    """Say whether a device computes with bfloat16: 'has ...', or why not."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        has = major >= 8  # noqa: PLR2004, Ampere
        name = f"compute capability {major}.{minor}"
        return f"has bfloat16 units ({name})" if has else f"this GPU has no bfloat16 unit ({name})"
    for flag, ask in (
        ("AMX", "_is_amx_tile_supported"),
        ("AVX512_BF16", "_is_avx512_bf16_supported"),
    ):
        if getattr(torch.cpu, ask, bool)():
            return f"has a bfloat16 unit ({flag})"
    if "bf16" in _flags():
        return "has a bfloat16 unit (bf16)"
    return "this processor has no bfloat16 unit (neither AMX nor AVX512_BF16)"


def _flags() -> set[str]:
    """Return what an ARM processor says it can do."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    return {flag for line in lines if line.startswith("Features") for flag in line.split()}


def cores() -> int:
    """Return on how many processors this process may run."""
    ask = getattr(os, "sched_getaffinity", None)
    return len(ask(0)) if ask is not None else os.cpu_count() or 1


class Threads:
    """As many threads as there are processors, or one.

    Args:
        every: As many as there are.
    """

    link = "https://docs.pytorch.org/docs/stable/generated/torch.set_num_threads.html"

    def __init__(self, *, every: bool) -> None:
        self.every = every
        self.name = "a thread for each processor" if every else "one thread"

    def variation(self, context: Context) -> Variation | str:
        """Return the line, or why it does not apply."""
        if context.device.type != "cpu":
            return f"the work is done on the device {context.device}"
        wanted = cores() if self.every else 1
        found = context.found_threads
        if wanted == found:
            return f"torch works with {wanted} thread{'' if wanted == 1 else 's'} already"
        return Variation(
            code=f"torch.set_num_threads({wanted})",
            settings=True,
            before=f"torch.set_num_threads({found})",
            why=f"torch works with {found} thread{'' if found == 1 else 's'}, and this process may "
            f"use {cores()} processor{'' if cores() == 1 else 's'}",
            cost="processors that others can't use meanwhile" if self.every else "",
        )


class FlushDenormals:
    """Subnormal numbers taken for zero."""

    name = "flush subnormal numbers"
    link = "https://docs.pytorch.org/docs/stable/generated/torch.set_flush_denormal.html"

    def variation(self, context: Context) -> Variation | str:
        """Return the line, or why it does not apply."""
        if context.device.type != "cpu":
            return "subnormal numbers are slow on processors only"
        if flushes_denormals():
            return "subnormal numbers are taken for zero already"
        if not context.subnormal:
            return "there are no subnormal numbers in weights, inputs or between layers"
        return Variation(
            code="torch.set_flush_denormal(True)",
            settings=True,
            why=context.subnormal,
            cost="numbers below 1e-38 are zero in the whole thread",
        )
