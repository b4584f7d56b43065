"""What a profile gains from further runs: memory, ceilings and verdicts, names of kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from magics.measurement import device, kernels
from magics.measurement.storage import memory
from magics.progress import report

if TYPE_CHECKING:
    from magics.measurement.state import Watch
    from magics.measurement.timing.frames import Workload
    from magics.options import Options
    from magics.records import Profile


_CEILINGS, _MEMORY, _KERNELS = 0.85, 0.9, 0.97
"""Shares of the work that are done when each of them begins."""


def completed(profile: Profile, work: Workload, watch: Watch, options: Options) -> Profile:
    """Return the profile with what the options ask for beyond counts and times.

    A model that raises now, having run before, loses only what this run would have told.

    Args:
        profile: What is known already.
        work: The model, its rows and its inputs.
        watch: Puts back what a run writes.
        options: What to find out.
    """
    if profile.plain is not None:
        # As while timing: on a busy machine, threads that wait for each other take far longer.
        torch.set_num_threads(int(profile.environment["threads"]))
    if profile.plain is not None and options.roofline:
        report(_CEILINGS, "measuring what the device can do")
        profile = device.judged(profile, work.plan, work.tensors(), fresh=options.fresh_ceilings)
    if options.measure if options.memory is None else options.memory:
        report(_MEMORY, "following memory")
        try:
            profile = memory.followed(profile, work, watch, backward=options.backward)
        except Exception as error:  # noqa: BLE001, a model may raise anything
            profile = _without("memory", profile, watch, error)
    if options.kernels:
        report(_KERNELS, "naming kernels")
        try:
            profile = kernels.named(profile, work, watch)
        except Exception as error:  # noqa: BLE001, the same
            profile = _without("names of kernels", profile, watch, error)
    return profile


def _without(what: str, profile: Profile, watch: Watch, error: Exception) -> Profile:
    watch.restore()
    reason = f"No {what}: the model ran before, then raised {type(error).__name__}: {error}"
    return replace(profile, warnings=(*profile.warnings, reason))
