"""Where a cell is that is looked at: which modules it is in, thread by thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from magics.theory import Layer


@dataclass(slots=True)
class Frame:
    """A module that is being called.

    Attributes:
        path: Its path.
        module: The module, `None` for one that is known.
        whole: It is a layer as a whole: functions in it are parts of it.
        is_first: It is called for the first time.
        layer: What its function said.
        repeated: All is known of this call.
    """

    path: str
    module: nn.Module | None
    whole: bool
    is_first: bool = False
    layer: Layer | None = None
    repeated: bool = False


REPEATED = Frame("", None, whole=True, repeated=True)
"""Stands for a layer that is called as before: nothing in it is looked at."""


class Thread(threading.local):
    """Where one thread is.

    Attributes:
        frames: Modules that are being called, the innermost last.
        inner: For each timed call that is running, the time of the timed calls in it [ns].
        backwards: Number of backward passes that are running.
        watched: Whether this thread's functions are seen.
    """

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.inner: list[int] = []
        self.backwards = 0
        self.watched = False

    @property
    def frame(self) -> Frame | None:
        """The innermost module that is being called."""
        return self.frames[-1] if self.frames else None

    @property
    def is_first(self) -> bool:
        """Whether the outermost module is called for the first time."""
        return bool(self.frames) and self.frames[0].is_first
