"""Several profiles under way at once, one of them at a time.

A profile sets torch and its model up for as long as it lasts. Where several take turns, each
one's setting is put away at the end of its turn and taken out again for the next; meanwhile
everything is as it was found. So one model can be profiled in two modes, round by round.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from magics.measurement.state import ModuleState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn


class Turn:
    """The setting of one of several profiles.

    Args:
        shared: Modules that other profiles work with as well.
    """

    def __init__(self, shared: Sequence[nn.Module]) -> None:
        self._shared = shared
        self._inside = _Setting(shared)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Let this profile's setting hold for a while."""
        outside = _Setting(self._shared)
        # Inference mode is no setting that can be set, only a place to be in.
        with torch.inference_mode(self._inside.inference):
            self._inside.put_back()
            try:
                yield
            finally:
                self._inside = _Setting(self._shared)
                outside.put_back()


class _Setting:
    def __init__(self, shared: Sequence[nn.Module]) -> None:
        self._modules = ModuleState(shared)
        self._threads = torch.get_num_threads()
        self._gradients = torch.is_grad_enabled()
        self.inference = torch.is_inference_mode_enabled()

    def put_back(self) -> None:
        self._modules.put_back()
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        torch.set_grad_enabled(self._gradients)
