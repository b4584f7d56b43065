"""How much memory is left, and whether an exception says that there was too little."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from magics import units

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEMINFO = Path("/proc/meminfo")
_STATUS = Path("/proc/self/status")
_CGROUP = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")

_KIBIBYTE = 1024
_REFUSALS = ("can't allocate memory", "out of memory", "not enough memory", "bad_alloc",
             "cannot allocate memory")  # fmt: skip
"""What torch's allocators and libraries below them say, in lower case."""


def available(device: torch.device) -> int | None:
    """Return how much more memory this process can get on a device, if that is known [bytes].

    On the host that is the least of what the system, the control groups and the process's own
    limits leave.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free) + int(unused)
    if device.type != "cpu":
        return None
    return min(_of_host(), default=None)


def _of_host() -> Iterator[int]:
    known = _table(_MEMINFO).get("MemAvailable")
    if known is not None:
        yield known
    yield from _of_groups()
    yield from _of_limits()


def _of_limits() -> Iterator[int]:
    """Yield what this process's own limits leave [bytes]."""
    try:
        import resource  # noqa: PLC0415, not on every system
    except ImportError:
        return
    status = _table(_STATUS)
    for limit, used in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY and used in status:
            yield max(0, soft - status[used])


def _of_groups() -> Iterator[int]:
    """Yield what control groups leave [bytes]; page cache that can be dropped counts as free."""
    try:
        lines = _CGROUP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            names, folder = ("memory.max", "memory.current", "inactive_file"), _CGROUPS
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            folder = _CGROUPS / "memory"
        else:
            continue
        # A limit of any group above holds, too. In a container the own group is often the root.
        own = folder / path.strip("/")
        for group in (own, *own.parents):
            left = _left_in(group, *names)
            if left is not None:
                yield left
            if group == folder:
                break


def _left_in(group: Path, limit: str, usage: str, droppable: str) -> int | None:
    try:
        most = (group / limit).read_text(encoding="ascii").strip()
        used = int((group / usage).read_text(encoding="ascii"))
        stat = (group / "memory.stat").read_text(encoding="ascii").split()
        if not most.isdigit():  # 'max'
            return None
    except (OSError, ValueError):
        return None
    cache = dict(zip(stat[::2], stat[1::2], strict=False)).get(droppable, "0")
    return max(0, int(most) - used + int(cache))


def _table(place: Path) -> dict[str, int]:
    """Return the sizes in a file such as /proc/meminfo [bytes]."""
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    parts = (line.replace(":", " ").split() for line in lines)
    return {
        part[0]: int(part[1]) * _KIBIBYTE
        for part in parts
        if len(part) == 3 and part[2] == "kB"  # noqa: PLR2004, name, number, unit
    }


def refusal(error: BaseException) -> str:
    """Return in a line that memory was refused, and how much, if the exception says so."""
    for found in _chain(error):
        size = _SIZE.search(str(found))
        if size is not None:
            amount, unit = size.groups()
            asked = units.size(int(amount)) if unit == "bytes" else f"{amount} {unit}"
            return f"out of memory while it ran: {asked} more was refused"
    return "out of memory while it ran"


_SIZE = re.compile(r"tried to allocate ([\d.]+) (bytes|[KMGT]iB)", re.IGNORECASE)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception, or what caused it, is that memory was refused."""
    return any(
        isinstance(found, MemoryError | torch.OutOfMemoryError)
        or (
            isinstance(found, RuntimeError)
            and any(words in str(found).lower() for words in _REFUSALS)
        )
        for found in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, and those that caused it."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__
