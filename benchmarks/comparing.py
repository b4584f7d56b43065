"""What a comparison costs: processor time of a compare over that of a profile, in one run.

    python benchmarks/comparing.py

Profiles of both networks and their comparison take turns; the ratio is that of each round,
relative to the mean of the two profiles. At most 2.2 is promised.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch

import magics
import nbimport

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
ROUNDS = 7


def spent(work: Callable[[], object]) -> float:
    """Return the processor time that something takes [s]."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main() -> None:
    """Measure, and print a line."""
    nets = nbimport.load(ROOT / "demo_notebooks" / "lib" / "nets.ipynb")
    one, two = nets.resnet18().eval(), nets.mobilenet_v2().eval()
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    magics.compare(one, two, image)  # ceilings are measured once
    ratios = []
    for _ in range(ROUNDS):
        first = spent(lambda: magics.profile(one, image))
        both = spent(lambda: magics.compare(one, two, image))
        second = spent(lambda: magics.profile(two, image))
        ratios.append(2 * both / (first + second))
    print(
        f"compare(resnet18, mobilenet_v2) takes {median(ratios):.2f} profiles "
        f"(rounds: {min(ratios):.2f} to {max(ratios):.2f})",
    )


if __name__ == "__main__":
    main()
