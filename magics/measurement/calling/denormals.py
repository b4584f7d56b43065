"""Subnormal numbers: so close to zero that processors compute with them by a slow path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from magics.measurement.calling.operators import tensors_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magics.measurement.models.modules import Target

_BITS = {torch.float32: (torch.int32, 23), torch.float64: (torch.int64, 52)}
"""Element types whose arithmetic has the slow path: as integers, and their bits of mantissa.

Half-precision numbers are widened to float32, where theirs are normal.
"""

_WEIGHT_SAMPLE = 1 << 16
_INPUT_SAMPLE = 1 << 12
"""How many elements of a tensor are looked at; of a larger one, so many spread evenly.

One subnormal number in 10,000 slows a kernel by a tenth or so, more in proportion; in
activations they come in crowds.
"""

_NAMED = 3


class DenormalWatch:
    """Looks for subnormal numbers in weights and in what layers are given, on a processor.

    Attributes:
        active: Whether such numbers cost anything here.
    """

    def __init__(self, target: Target, device: torch.device) -> None:
        self.active = device.type == "cpu" and not _flushed()
        self._target = target
        self._inputs: dict[str, float] = {}

    def look(self, path: str, given: tuple[object, ...]) -> None:
        """Look at what a row is given."""
        if not self.active or path in self._inputs:
            return
        share = max((share_of(item, _INPUT_SAMPLE) for item in tensors_in(given)), default=0.0)
        if share:
            self._inputs[path] = share

    def warnings(self) -> list[str]:
        """Return what a reader should know, in one sentence or none."""
        if not self.active:
            return []
        weights = {
            path: max(shares)
            for path, module in self._target.modules.items()
            if (
                shares := [
                    share
                    for item in module.parameters(recurse=False)
                    if (share := share_of(item, _WEIGHT_SAMPLE))
                ]
            )
        }
        found = [
            f"in the {what} of {_names(places)}"
            for what, places in (("weights", weights), ("input", self._inputs))
            if places
        ]
        if not found:
            return []
        where = " and ".join(found)
        sentence = (
            f"Subnormal numbers (nearly zero) {where}: some processors compute with them up to "
            "100 times slower; torch.set_flush_denormal(True) makes them zero."
        )
        return [sentence]


def share_of(tensor: torch.Tensor, sample: int) -> float:
    """Return the share of subnormal numbers among at most so many elements of a tensor.

    The bits tell, whatever the processor makes of such numbers.
    """
    known = _BITS.get(tensor.dtype)
    if (
        known is None
        or tensor.device.type != "cpu"
        or tensor.layout is not torch.strided
        or not tensor.numel()
        or type(tensor) not in {torch.Tensor, torch.nn.Parameter}
    ):
        return 0.0
    integer, mantissa = known
    bits = _some(tensor.detach(), sample).view(integer)
    magnitude = bits & torch.iinfo(integer).max
    small = int(torch.count_nonzero(magnitude < 1 << mantissa))
    zeros = small and magnitude.numel() - int(torch.count_nonzero(magnitude))
    return (small - zeros) / magnitude.numel()


def _some(tensor: torch.Tensor, count: int) -> torch.Tensor:
    """Return about so many elements of a tensor, or all if there are no more.

    Taken are runs of neighbours, since reaching a place in memory costs more than looking at
    it. Steps of the golden section spread the runs, and meet no channel or row too often.
    """
    if tensor.numel() <= count:
        return tensor
    # In the order in memory: any usual layout is dense there, and nothing is copied.
    order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
    dense = tensor.permute(order).reshape(-1)
    runs = dense[: dense.numel() // _RUN * _RUN].view(-1, _RUN)
    step = int(_GOLDEN * runs.shape[0]) | 1
    return runs[torch.arange(0, count // _RUN * step, step) % runs.shape[0]]


_RUN = 256
_GOLDEN = 0.6180339887


def _flushed() -> bool:
    """Return whether this thread's processor makes subnormal numbers zero anyway."""
    smallest = torch.tensor([2.0**-149])
    return bool((smallest * 1.0).view(torch.int32).item() == 0)


def _names(places: Mapping[str, float]) -> str:
    ordered: Iterable[str] = sorted(places, key=lambda path: -places[path])
    words = [f"{path or 'the model'} ({100 * places[path]:.3g} %)" for path in ordered]
    rest = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
