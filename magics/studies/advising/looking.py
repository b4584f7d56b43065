"""One look at what layers are given, before anything is tried."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch
from torch import nn

from magics.measurement.calling.denormals import DenormalWatch
from magics.measurement.calling.operators import tensors_in
from magics.measurement.models.conversion import layout_of
from magics.measurement.models.modules import target
from magics.studies.advising.changes.copies import settings_kept

if TYPE_CHECKING:
    from magics.studies.advising.changes.context import Context


def look(context: Context) -> None:
    """Run a copy once, and note subnormal numbers and pools that are given channels_last.

    Args:
        context: What is known of the model; it gets what is seen.
    """
    made = context.copied()
    model = made.namespace["model"]
    aim = target(model) if isinstance(model, nn.Module) else context.target
    watch = DenormalWatch(aim, context.device)
    last: set[str] = set()

    def seen(name: str) -> object:
        def before(_module: nn.Module, given: tuple[object, ...]) -> None:
            watch.look(name, given)
            if any(layout_of(tensor) is torch.channels_last for tensor in tensors_in(given)):
                last.add(name)

        return before

    with ExitStack() as stack:
        for name, module in aim.modules.items():
            if not isinstance(module, torch.jit.ScriptModule):
                stack.callback(module.register_forward_pre_hook(seen(name)).remove)  # type: ignore[arg-type]  # a hook
        with settings_kept(), torch.no_grad():
            made.call()
    context.pooled_last = frozenset(last)
    context.subnormal = " ".join(watch.warnings()).partition(": some processors")[0]
    if context.subnormal:
        context.subnormal = f"{context.subnormal[0].lower()}{context.subnormal[1:]}"
