"""Freed memory: whether glibc keeps it, or hands it back to the system."""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_USUAL = 128 * 2**10  # what both are at first [byte]
_MOST = 32 * 2**20  # what the second one may be at most [byte]


@contextmanager
def freed_is_kept() -> Iterator[None]:
    """Keep freed memory, although the environment says how much of it is handed back.

    A process for which that was set, as dask does for its workers, never begins to keep what a
    model frees, see `process.steady`; all above 128 KiB is asked for anew, page by page. In here
    it behaves as any other does in time, and afterwards as it was told to.

    Does nothing where the environment says nothing, or the C library is another one.
    """
    told = {
        number: os.environ.get(name)
        for number, name in (
            (_TRIM_THRESHOLD, "MALLOC_TRIM_THRESHOLD_"),
            (_MMAP_THRESHOLD, "MALLOC_MMAP_THRESHOLD_"),
        )
    }
    set_option = getattr(_library(), "mallopt", None) if any(told.values()) else None
    if set_option is None:
        yield
        return
    set_option(_MMAP_THRESHOLD, _MOST)
    set_option(_TRIM_THRESHOLD, 2 * _MOST)
    try:
        yield
    finally:
        for number, threshold in told.items():
            set_option(number, _number(threshold))
        trim()


def trim() -> None:
    """Give memory back to the system that the C library keeps for later, where it can."""
    give_back = getattr(_library(), "malloc_trim", None)
    if give_back is not None:
        give_back(0)


def _library() -> ctypes.CDLL | None:
    """Return the C library of this process, if it can be had."""
    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):  # TypeError: Windows
        return None


def _number(threshold: str | None) -> int:
    """Return what the environment says, as glibc takes it [byte]."""
    with suppress(TypeError, ValueError):
        return int(threshold or "")
    return _USUAL
