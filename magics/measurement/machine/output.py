"""What the process writes, C's part too, held back for a while."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OUT, ERROR = 1, 2
"""File descriptors of standard output and standard error."""


class Output:
    """An output of the process, while it goes to a file.

    Attributes:
        text: What was written, once it is over.
    """

    def __init__(self, file: int) -> None:
        self.text = b""
        self._file = file

    def position(self) -> int:
        """Return how much has been written so far [bytes]."""
        _flush()
        return os.lseek(self._file, 0, os.SEEK_END)


@contextmanager
def held_back(descriptor: int, is_ours: Callable[[bytes], bool]) -> Iterator[Output]:
    """Let what the process writes go to a file for a while, and pass it on afterwards.

    Args:
        descriptor: Which of its outputs.
        is_ours: Whether a line is not to be passed on.

    Raises:
        OSError: If the process has no such output.
    """
    _flush()
    with tempfile.TemporaryFile() as file:
        output = Output(file.fileno())
        before = os.dup(descriptor)
        try:
            os.dup2(file.fileno(), descriptor)
            try:
                yield output
            finally:
                _flush()
                os.dup2(before, descriptor)
                file.seek(0)
                output.text = file.read()
                lines = output.text.splitlines(keepends=True)
                foreign = b"".join(line for line in lines if not is_ours(line))
                if foreign:
                    os.write(descriptor, foreign)
        finally:
            os.close(before)


def _flush() -> None:
    """Empty the buffers of Python and C before the outputs."""
    streams = (sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__)
    for stream in {id(each): each for each in streams if each}.values():
        with suppress(OSError, ValueError):  # closed by its owner
            stream.flush()
    try:
        library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
        library.fflush(None)
    except (OSError, AttributeError):
        return
