"""What a sweep costs beyond its own forwards: processor time of both, in one run.

    python benchmarks/sweeping.py

Every call of the model is counted from outside. What a call takes is measured plain, before and
after each sweep, at each batch size; calls times that is what the sweep's forwards cost, and
the rest of its processor time is overhead. Less than 10 % is promised.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

import magics
import nbimport

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
BATCHES = (1, 2, 4, 8)
ROUNDS, CALLS = 3, 7


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


def overheads(model: torch.nn.Module) -> tuple[float, float]:
    """Return the overhead of a sweep, as counted here and as it says itself [1]."""
    calls: Counter[int] = Counter()

    def count(_module: torch.nn.Module, given: tuple[Any, ...]) -> None:
        calls[len(given[0])] += 1

    before = plain(model)
    swept: list[magics.Sweep] = []
    hook = model.register_forward_pre_hook(count)
    whole = spent(lambda: swept.append(magics.sweep(model, "1x3x224x224", batch=BATCHES)))
    hook.remove()
    after = plain(model)
    own = sum(calls[batch] * median(before[batch] + after[batch]) for batch in BATCHES)
    return whole / own - 1, swept[0].overhead or 0.0


def main() -> None:
    """Measure, and print a line for each network."""
    torch.set_num_threads(1)  # threads that wait for each other take processor time, too
    nets = nbimport.load(ROOT / "demo_notebooks" / "lib" / "nets.ipynb")
    for name in ("resnet18", "mobilenet_v2"):
        model = getattr(nets, name)().eval()
        magics.sweep(model, "1x3x224x224", batch=BATCHES)  # what is loaded once is loaded now
        found, said = zip(*(overheads(model) for _ in range(ROUNDS)), strict=True)
        print(
            f"sweep({name}, batch={BATCHES}): {100 * median(found):.1f} % beyond its own forwards "
            f"(rounds: {100 * min(found):.1f} to {100 * max(found):.1f} %); "
            f"it says {100 * median(said):.1f} %",
        )


if __name__ == "__main__":
    main()
