"""How much sooner two dask workers end a sweep than one: wall time over wall time, in one run.

    python benchmarks/cluster.py

The same sweep of 16 points, one thread each, runs in turns on a cluster of one worker and on one of
two; both are there all the time. At most 0.65 is promised, on two cores. As points measure for a
time, how often the model ran is told, too: two workers that got in each other's way would run it
less often in the same time.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from distributed import LocalCluster

import magics
import nbimport

if TYPE_CHECKING:
    from magics.records import Sweep

ROOT = Path(__file__).parents[1]
ROUNDS = 3
POINTS = 16


def swept(cluster: LocalCluster, points: int = POINTS) -> tuple[float, Sweep]:
    """Return how long a sweep takes [s], and the sweep."""
    nets = nbimport.load(ROOT / "demo_notebooks" / "lib" / "nets.ipynb")
    model = nets.resnet18().eval()
    begin = time.perf_counter()
    found = magics.sweep(model, "1x3x96x96", on=cluster, batch=range(1, points + 1))
    return time.perf_counter() - begin, found


def started(workers: int) -> LocalCluster:
    """Return a cluster of workers with one thread each."""
    return LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0"
    )


def main() -> None:
    """Measure, and print a line."""
    with started(1) as one, started(2) as two:
        for cluster in (one, two):
            swept(cluster, 4)  # workers import torch once
        ratios, ran = [], []
        for _ in range(ROUNDS):
            alone, by_one = swept(one)
            together, by_two = swept(two)
            ratios.append(together / alone)
            ran.append(_runs(by_two) / _runs(by_one))
            print(f"{POINTS} points: {alone:.1f} s on one worker, {together:.1f} s on two")
    print(
        f"two workers / one worker: {median(ratios):.2f} "
        f"(rounds: {min(ratios):.2f} to {max(ratios):.2f}); "
        f"the model ran {median(ran):.2f} times as often"
    )


def _runs(found: Sweep) -> int:
    if any(point.status != "measured" for point in found.points):
        raise SystemExit(f"not all points were measured:\n{found}")
    return sum(point.runs for point in found.points)


if __name__ == "__main__":
    main()
