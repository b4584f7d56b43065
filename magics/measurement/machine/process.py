"""The settings of torch and of the interpreter as a whole, kept and put back."""

from __future__ import annotations

import gc
import random
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SMALLEST_NORMAL = 2.2250738585072014e-308
_LARGEST_KEPT = 32 * 2**20 - 2**16  # a page or more below what glibc never keeps [byte]

_SWITCHES: tuple[tuple[object, tuple[str, ...]], ...] = (
    (torch.backends.cudnn, ("enabled", "benchmark", "deterministic", "allow_tf32")),
    (torch.backends.cuda.matmul, ("allow_tf32",)),
    (torch.backends.mkldnn, ("enabled",)),
)
"""Attributes that a model may set while it runs."""


@contextmanager
def without_collection() -> Iterator[None]:
    """Let the garbage collector wait: a full collection takes as long as many a forward."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextmanager
def steady(generation: int = 2) -> Iterator[None]:
    """Make this process one that has worked for a while, and that nothing of its own disturbs.

    glibc hands freed memory back to the system, page by page to be asked for again, until a
    large block has been freed once; from then on it keeps what is smaller. A small model took
    a half or four times as long, depending on what had run before it.

    Args:
        generation: Up to which one garbage is collected before.
    """
    gc.collect(generation)
    torch.empty(_LARGEST_KEPT, dtype=torch.uint8, device="cpu")
    with without_collection():
        yield


def flushes_denormals() -> bool:
    """Return whether this thread takes subnormal numbers for zero.

    torch has a function that sets it, but none that tells: a processor's flag, which counts
    for Python's own arithmetic as well.
    """
    return _half(_SMALLEST_NORMAL) == 0.0


def _half(number: float) -> float:
    return number / 2


class ProcessState:
    """What belongs to torch and the interpreter, as it was when this was made."""

    def __init__(self) -> None:
        self._settings: list[tuple[Callable[[], Any], Callable[[Any], object], Any]] = []
        self._keep(torch.get_num_threads, torch.set_num_threads)
        self._keep(torch.get_default_dtype, torch.set_default_dtype)
        self._keep(flushes_denormals, torch.set_flush_denormal)
        self._keep(torch.is_grad_enabled, torch.set_grad_enabled)
        self._keep(torch.is_anomaly_enabled, torch.set_anomaly_enabled)
        self._keep(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision)
        self._keep(torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms)
        for device in ("cpu", "cuda"):
            self._keep(
                partial(torch.is_autocast_enabled, device),
                partial(torch.set_autocast_enabled, device),
            )
        for owner, names in _SWITCHES:
            for name in names:
                self._keep(partial(getattr, owner, name), partial(setattr, owner, name))
        self._keep(gc.isenabled, lambda wanted: gc.enable() if wanted else gc.disable())
        self._keep_random()

    def _keep(self, read: Callable[[], Any], write: Callable[[Any], object]) -> None:
        self._settings.append((read, write, read()))

    def _keep_random(self) -> None:
        self._torch_random = torch.get_rng_state()
        self._cuda_random = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
        self._random = random.getstate()
        numpy = sys.modules.get("numpy")
        self._numpy = numpy.random.get_state() if numpy else None

    def restore(self) -> None:
        """Put everything back; what didn't change isn't touched."""
        for read, write, before in self._settings:
            if read() != before:
                write(before)
        torch.set_rng_state(self._torch_random)
        if self._cuda_random is not None:
            torch.cuda.set_rng_state_all(self._cuda_random)
        random.setstate(self._random)
        if self._numpy is not None:
            sys.modules["numpy"].random.set_state(self._numpy)
