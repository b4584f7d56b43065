"""The model compiled: a while for the first call, then fewer calls and fewer passes over memory."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from magics.studies.advising.changes.context import Context, Variation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magics.records import Suggestion

_LOADING_S = 8.0
_EACH_CALL_S = 0.15
"""What compiling takes, about: the first time in a process, and for each layer that runs [s].

Measured on one core of a server: 10 s for one convolution with batch norm and ReLU, the compiler
not loaded yet; then 3.0 s for four such, 4.6 s for sixteen.
"""

_LINE = "model = torch.compile(model)"
_TOLERANCE = 1e-4
_BACKEND = "torch._inductor.compile_fx"
_LOGGERS = ("torch._dynamo", "torch._inductor")


class Compile:
    """The model compiled by torch.

    Args:
        after: A change that is made before, because it gained by itself.
    """

    name = "compile"
    link = "https://docs.pytorch.org/docs/stable/generated/torch.compile.html"

    def __init__(self, after: Suggestion | None = None) -> None:
        self._after = after
        if after is not None:
            self.name = f"{after.name} and compile"

    def variation(self, context: Context) -> Variation | str:
        """Return the line, or why it does not apply."""
        calls = sum(layer.calls for layer in context.profile.layers)
        factor = 2 if context.backward else 1
        return Variation(
            code=f"{self._after.code}\n{_LINE}" if self._after else _LINE,
            why="both gained by themselves"
            if self._after
            else "operators that follow one another become one, and Python is left out",
            layers=self._after.layers if self._after else (),
            cost="other input shapes are compiled anew",
            tolerance=max(_TOLERANCE, context.same),
            slow_start=True,
            takes_s=factor * _EACH_CALL_S * calls + (0 if _BACKEND in sys.modules else _LOADING_S),
            around=compiler_left_alone,
        )


@contextmanager
def compiler_left_alone() -> Iterator[None]:
    """Let torch's compiler start afresh and be quiet, and forget what was compiled meanwhile.

    What it has compiled it keeps with the code of each `forward`, a few versions of it; copies of
    a model share that code with the model, and would use up its versions.
    """
    _forget()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        _forget()


def _forget() -> None:
    compiler = sys.modules.get("torch._dynamo")
    if compiler is not None:
        compiler.reset()
