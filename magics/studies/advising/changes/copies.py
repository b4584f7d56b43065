"""A copy of a model with inputs of its own, for the lines of a change to work on."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from magics.measurement.machine.process import flushes_denormals
from magics.measurement.state import version_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Copy:
    """A copy of the model with inputs of its own, and what its code can name.

    Attributes:
        namespace: Names of the change's lines: `model`, `torch` and the inputs.
        call: Calls the model as `context.call` says.
        inputs: Tensors among the inputs.
    """

    namespace: dict[str, Any]
    call: Any
    inputs: list[torch.Tensor]
    _written: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)

    def parameters(self) -> dict[str, torch.Tensor]:
        """Return the parameters by name; of a compiled model, those inside."""
        model = self.namespace["model"]
        known = getattr(getattr(model, "_orig_mod", model), "named_parameters", None)
        return dict(known()) if known is not None else {}

    def forget_gradients(self) -> None:
        """Leave no parameter with a gradient."""
        for parameter in self.parameters().values():
            parameter.grad = None

    @contextmanager
    def inputs_watched(self) -> Iterator[None]:
        """Take note of inputs that a call writes to."""
        before = [(tensor, version_of(tensor), tensor.detach().clone()) for tensor in self.inputs
                  if not tensor.is_inference()]  # fmt: skip
        yield
        self._written = [(tensor, content) for tensor, version, content in before
                         if version_of(tensor) != version]  # fmt: skip
        self.put_inputs_back()

    def put_inputs_back(self) -> None:
        """Give inputs that calls write to their contents back."""
        for tensor, content in self._written:
            with torch.no_grad():
                tensor.copy_(content)


def cloned(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy of a tensor that wants a gradient if the tensor does."""
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


@contextmanager
def settings_kept() -> Iterator[None]:
    """Let settings of torch that a change may touch hold for a while only."""
    threads, flushed = torch.get_num_threads(), flushes_denormals()
    try:
        yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if flushes_denormals() != flushed:
            torch.set_flush_denormal(flushed)
