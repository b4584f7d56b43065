"""What a sweep costs beyond its own forwards: processor time of both, in one run.

    python benchmarks/sweeping.py

Every call of the model is timed from outside, by hooks. Its forwards cost what these calls take;
the first ones at a batch size, cold or observed, count as much as the median of the others. The
rest of the sweep's processor time is overhead; less than 10 % is promised. Calls outside the sweep,
before and after it, say whether those inside are what they should be.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

import magics
import nbimport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
BATCHES = (1, 2, 4, 8)
ROUNDS, CALLS = 3, 7
FIRST = 4
"""How many calls at a batch size are not like the others."""


def spent(work: Callable[[], object]) -> float:
    """Return the processor time that something takes [s]."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def plain(model: torch.nn.Module) -> dict[int, list[float]]:
    """Return what plain calls take at each batch size [s]."""
    generator = torch.Generator().manual_seed(0)
    found: dict[int, list[float]] = {}
    with torch.no_grad():
        for batch in BATCHES:
            image = torch.randn(batch, 3, 224, 224, generator=generator)
            model(image)
            found[batch] = [spent(lambda image=image: model(image)) for _ in range(CALLS)]  # type: ignore[misc]  # bound now
    return found


@contextmanager
def timed(model: torch.nn.Module) -> Iterator[dict[int, list[float]]]:
    """Collect what each call of a model takes meanwhile, by batch size [s]."""
    begun: list[float] = []
    found: dict[int, list[float]] = {batch: [] for batch in BATCHES}

    def begin(_module: torch.nn.Module, _given: tuple[Any, ...]) -> None:
        begun.append(time.process_time())

    def end(_module: torch.nn.Module, given: tuple[Any, ...], _result: object) -> None:
        found[len(given[0])].append(time.process_time() - begun.pop())

    hooks = [model.register_forward_pre_hook(begin), model.register_forward_hook(end)]
    yield found
    for hook in hooks:
        hook.remove()


def overheads(model: torch.nn.Module) -> tuple[float, float, float]:
    """Return a sweep's overhead, as found and as it says, and its calls / calls outside it [1]."""
    before = plain(model)
    swept: list[magics.Sweep] = []
    with timed(model) as inside:
        whole = spent(lambda: swept.append(magics.sweep(model, "1x3x224x224", batch=BATCHES)))
    after = plain(model)
    own = sum(sum(calls[FIRST:]) + FIRST * median(calls[FIRST:]) for calls in inside.values())
    outside = sum(len(inside[batch]) * median(before[batch] + after[batch]) for batch in BATCHES)
    return whole / own - 1, swept[0].overhead or 0.0, own / outside


def main() -> None:
    """Measure, and print a line for each network."""
    torch.set_num_threads(1)  # threads that wait for each other take processor time, too
    nets = nbimport.load(ROOT / "demo_notebooks" / "lib" / "nets.ipynb")
    for name in ("resnet18", "mobilenet_v2"):
        model = getattr(nets, name)().eval()
        magics.sweep(model, "1x3x224x224", batch=BATCHES)  # what is loaded once is loaded now
        found, said, alike = zip(*(overheads(model) for _ in range(ROUNDS)), strict=True)
        print(
            f"sweep({name}, batch={BATCHES}): {100 * median(found):.1f} % beyond its own forwards "
            f"(rounds: {100 * min(found):.1f} to {100 * max(found):.1f} %); "
            f"it says {100 * median(said):.1f} %; its calls / calls outside it: {median(alike):.2f}"
        )


if __name__ == "__main__":
    main()
