"""What the device can do at best: measured once for each setting, and kept on disk.

The cache may only make things faster: an entry counts only if it says in full what it was
measured for and holds valid ceilings; on any doubt it is measured again. Where nothing can be
written, ceilings last as long as the process.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from magics.errors import RecordError
from magics.measurement.environment import processor
from magics.measurement.machine import cuda
from magics.measurement.machine.contention import CONTENDED, Contention
from magics.measurement.machine.probes import Probes, Setting
from magics.measurement.models.conversion import layout_of
from magics.records import Ceilings
from magics.records.decode import decoded
from magics.theory import roofline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magics.measurement.plan import Plan
    from magics.records import Profile

_SCHEMA = 1
_LAYOUTS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}

_this_process: dict[str, Ceilings] = {}


def measure_ceilings(
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    threads: int | None = None,
    layout: str = "contiguous",
    *,
    fresh: bool = False,
) -> Ceilings:
    """Return what a device can do at best, from the cache or measured in at most a second.

    Args:
        device: Where.
        dtype: Element type of the arithmetic.
        threads: Threads of torch; as they are set by default. Put back afterwards.
        layout: 'contiguous' or 'channels_last'.
        fresh: Measure again, whatever is known.

    Raises:
        RuntimeError: If the device does no arithmetic in this element type.
    """
    setting = Setting(
        device=torch.device(device),
        dtype=dtype,
        layout=_LAYOUTS[layout],
        threads=threads or torch.get_num_threads(),
    )
    key = _key(setting, layout)
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    if not fresh:
        known = _this_process.get(name) or _read(name, key)
        if known is not None:
            _this_process[name] = known
            return known
    found = _measured(setting, key["precision"])
    if not found.disturbed:
        _this_process[name] = found
        _write(name, key, found)
    return found


def _measured(setting: Setting, precision: str) -> Ceilings:
    """Measure with the setting's threads.

    One thread's own time is right on a busy machine too; several threads wait for each other.
    """
    several = setting.device.type == "cpu" and setting.threads > 1
    before = torch.get_num_threads()
    contention = Contention(setting.threads)
    contention.start()
    here = torch.cuda.device(setting.device) if setting.device.type == "cuda" else nullcontext()
    with torch.inference_mode(), here:
        torch.set_num_threads(setting.threads)
        try:
            probes = Probes(setting)
            overhead_s = probes.overhead()
            peak, peak_by = probes.peak()
            bandwidth = probes.bandwidth()
        finally:
            torch.set_num_threads(before)
    return Ceilings(
        flops_per_s=peak,
        bandwidth=bandwidth,
        call_overhead_s=overhead_s,
        peak_by=peak_by,
        dtype=precision,
        measured=datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC"),
        disturbed=several and contention.ratio() >= CONTENDED,
    )


def _key(setting: Setting, layout: str) -> dict[str, Any]:
    """Return all that ceilings depend on."""
    name = str(setting.dtype).removeprefix("torch.")
    facts: dict[str, str] = {}
    if setting.device.type == "cuda":
        facts = cuda.facts(setting.device)
        if name == "float32" and "on" in facts["tf32"]:
            name = "tf32"
    return {
        "schema": _SCHEMA,
        "host": platform.node(),
        "device": str(setting.device),
        "cuda": facts,
        "processor": processor(),
        "processors": os.cpu_count(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "precision": name,
        "layout": layout,
        "threads": 0 if facts else setting.threads,
    }


def cache_folder() -> Path:
    """Return the folder of magics among the user's caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "magics"


def _read(name: str, key: Mapping[str, Any]) -> Ceilings | None:
    try:
        entry = json.loads((cache_folder() / f"{name}.json").read_bytes())
        if entry["key"] != key:
            return None
        found: Ceilings = decoded(Ceilings, entry["ceilings"], "ceilings")
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, RecordError):
        return None
    return found


def _write(name: str, key: Mapping[str, Any], found: Ceilings) -> None:
    """Write an entry, whole or not at all; without a place to write to, do nothing."""
    text = json.dumps({"key": key, "ceilings": asdict(found)}, indent=1)
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
    except (OSError, RuntimeError):
        return
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).replace(folder / f"{name}.json")
    except OSError:
        Path(temporary).unlink(missing_ok=True)


def judged(profile: Profile, plan: Plan, tensors: list[torch.Tensor], *, fresh: bool) -> Profile:
    """Return a timed profile with the device's ceilings, and what bounds each layer.

    The ceilings are those for the element type that most of the MACs are done in.

    Args:
        profile: A profile with times, and with the threads that they were measured with.
        plan: Its rows.
        tensors: The inputs.
        fresh: Measure the ceilings again.
    """
    probed = ceilings_for(profile, _layout(tensors), fresh=fresh)
    if probed is None:
        return profile
    known = {
        row.key
        for row in plan.rows
        if all(item.work.cost is not None for item in row.call.all_operators())
    }
    repeats = {row.key: row.cost.repeat_bytes for row in plan.rows}
    return warned(roofline.judged(profile, probed, repeats, known), probed)


def ceilings_for(profile: Profile, layout: str, *, fresh: bool) -> Ceilings | None:
    """Return the ceilings of the device and the settings of a profile.

    `None` if the device does no arithmetic in the profile's element type.

    Args:
        profile: A profile with times, and with the threads that they were measured with.
        layout: 'contiguous' or 'channels_last'.
        fresh: Measure again.
    """
    # Processor times of several threads add up, so one thread's rate is what they compare with.
    added_up = profile.plain is not None and profile.plain.clock == "cpu"
    try:
        return measure_ceilings(
            profile.environment["device"],
            _main_dtype(profile),
            1 if added_up else int(profile.environment["threads"]),
            layout,
            fresh=fresh,
        )
    except RuntimeError:
        return None


def warned(profile: Profile, probed: Ceilings) -> Profile:
    """Return a profile that says so if its ceilings were measured among other programs."""
    if not probed.disturbed:
        return profile
    warning = (
        "Other programs kept this machine busy while its ceilings were measured: what bounds "
        "a layer is uncertain; profile with threads=1, or on a quiet machine."
    )
    return replace(profile, warnings=(*profile.warnings, warning))


def _main_dtype(profile: Profile) -> torch.dtype:
    macs: dict[str, int] = {}
    for layer in profile.layers:
        macs[layer.dtype] = macs.get(layer.dtype, 0) + layer.macs
    name = max(macs, key=lambda each: macs[each], default="")
    dtype = getattr(torch, name, None)
    return dtype if isinstance(dtype, torch.dtype) and dtype.is_floating_point else torch.float32


def _layout(tensors: list[torch.Tensor]) -> str:
    images = (tensor for tensor in tensors if tensor.dim() == 4)  # noqa: PLR2004, (N, C, H, W)
    last = any(layout_of(image) is torch.channels_last for image in list(images)[:1])
    return "channels_last" if last else "contiguous"
