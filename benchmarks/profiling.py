"""Measure what profiling costs and how good its times are, beside other profilers.

    python benchmarks/profiling.py [--no-peers]

Everything is a ratio of runs that alternate in this process, in processor time with one
thread, so that other programs disturb little. Prints Markdown; takes about five minutes on a
quiet machine.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import statistics
import sys
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

import profiling_peers
import torch
from profiling_nets import THREE, build

import magics
from magics import units
from magics.measurement.environment import processor
from magics.theory.memory import peaks_of, predicted_peak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

ROUNDS = 5
RELEVANT = 0.005
"""Share of the forward from which on a layer's time is compared between two profiles."""

TIMES = {"memory": False, "roofline": False, "receptive_field": False}
"""What else a profile finds out would only take time here."""


BUDGETS = {1: 6.0, 8: 18.0}
"""How long to measure a network by its batch size, so that overheads of 1 % can be told [s]."""


class Ratio(NamedTuple):
    """A line of the table."""

    what: str
    goal: str
    found: str


def image(batch: int) -> torch.Tensor:
    """Return random pictures of the size that the networks were made for."""
    return torch.randn(batch, 3, 224, 224)


def passes(name: str, batch: int) -> Iterable[Ratio]:
    """Measure overhead and coverage of one network, forward and training step."""
    model = build(name)
    case = f"{name}, batch {batch}"
    budget = BUDGETS[batch]
    forward = magics.profile(model, image(batch), budget=budget, **TIMES)
    yield Ratio(f"instrumented / plain forward, {case}", "1.02", f"{forward.overhead:.3f}")
    yield Ratio(f"sum of rows / plain forward, {case}", "0.97 to 1.03", f"{forward.coverage:.3f}")
    step = magics.profile(
        model, image(batch), mode="train", backward=True, budget=2 * budget, **TIMES
    )
    yield Ratio(f"instrumented / plain training step, {case}", "1.05", f"{_step(step):.3f}")
    layers = sum(row.backward.median_s for row in step.layers if row.backward)
    whole = step.plain_backward.median_s
    yield Ratio(
        f"backward covered, {case}", "0.95 or more",
        f"{step.backward_coverage:.3f}, layers alone {layers / whole:.3f}",
    )  # fmt: skip


def _step(profile: magics.Profile) -> float:
    """Return the instrumented training step over the plain one, median of the pairs."""
    series = (profile.instrumented, profile.instrumented_backward,
              profile.plain, profile.plain_backward)  # fmt: skip
    replicates = zip(*(one.replicates_s for one in series), strict=True)
    return statistics.median((a + b) / (c + d) for a, b, c, d in replicates)


def repeatability() -> Iterable[Ratio]:
    """Compare each layer's time in two profiles of one model."""
    for name in THREE:
        model, x = build(name), image(1)
        first, second = (magics.profile(model, x, **TIMES) for _ in range(2))
        least = RELEVANT * first.plain.median_s
        differences = sorted(
            abs(one.forward.median_s / other.forward.median_s - 1)
            for one, other in zip(first.layers, second.layers, strict=True)
            if one.forward.median_s >= least
        )
        tenth = differences[round(0.9 * (len(differences) - 1))]
        yield Ratio(
            f"two profiles, difference per layer, {name}", "median 3 %, 90 % of layers 10 %",
            f"{units.percent(statistics.median(differences))}, {units.percent(tenth)}",
        )  # fmt: skip


def peaks() -> Iterable[Ratio]:
    """Predict the peak memory of a batch of four from those of one and two."""
    for backward in (False, True):
        for name in THREE:
            model, found = build(name), {}
            for batch in (1, 2, 4):
                profile = magics.profile(
                    model, image(batch), measure=False, memory=True, backward=backward,
                    mode="train" if backward else "eval", receptive_field=False,
                )  # fmt: skip
                found[batch] = peaks_of(profile)
            predicted = predicted_peak((1, found[1]), (2, found[2]), 4)
            what = "training" if backward else "inference"
            yield Ratio(
                f"predicted / true peak memory of {what}, {name}, batch 4", "0.95 to 1.05",
                f"{predicted / max(found[4]):.3f}",
            )  # fmt: skip


def in_forwards(
    model: nn.Module, x: torch.Tensor, tools: dict[str, Callable[[], object]]
) -> dict[str, float]:
    """Return how long each tool takes, in forwards of the plain model that alternate with it."""
    ratios: dict[str, list[float]] = {name: [] for name in tools}

    def forward() -> object:
        with torch.no_grad():
            return model(x)

    _seconds(forward)
    for done in range(ROUNDS + 1):
        for name, tool in tools.items():
            plain = _seconds(forward)
            took = _seconds(tool)
            if done:  # the first time, a tool imports what it needs
                ratios[name].append(2 * took / (plain + _seconds(forward)))
    return {name: statistics.median(found) for name, found in ratios.items()}


def _seconds(run: Callable[[], object]) -> float:
    begin = time.thread_time()
    run()
    return time.thread_time() - begin


def tables(*, with_peers: bool) -> None:
    """Print how long a table of ResNet-50 takes, here and elsewhere."""
    model, x = build("resnet50"), image(1)
    truth = magics.profile(model, x, measure=False).total.macs
    tools: dict[str, Callable[[], object]] = {
        "magics, counts only": lambda: magics.profile(
            model, x, measure=False, receptive_field=False
        ),
        "magics, counts and receptive fields": lambda: magics.profile(model, x, measure=False),
        "magics, counts and times": lambda: magics.profile(model, x, **TIMES),
        "magics, everything": lambda: magics.profile(model, x),
    }
    counted: dict[str, int | None] = dict.fromkeys(tools, truth)
    for name, count in profiling_peers.peers() if with_peers else ():
        try:
            with profiling_peers.quiet():
                counted[name] = count(model, x)
        except Exception as error:  # noqa: BLE001, other people's programs
            print(f"\n{name}: failed here ({type(error).__name__}: {error})")
            continue
        tools[name] = _silently(count, model, x)
    goals = {"magics, counts only": "1.3", "magics, everything": "15"}
    print("\n| ResNet-50, batch 1 | goal | forwards | MACs / true MACs |")
    print("|---|---|---|---|")
    for name, forwards in in_forwards(model, x, tools).items():
        share = (counted[name] or 0) / truth
        print(f"| {name} | {goals.get(name, '')} | {forwards:.2f} | {share:.4f} |", flush=True)


def _silently(
    count: profiling_peers.Count, model: nn.Module, x: torch.Tensor
) -> Callable[[], object]:
    def run() -> object:
        with profiling_peers.quiet():
            return count(model, x)

    return run


def main() -> int:
    """Print both tables."""
    known = argparse.ArgumentParser(description="Measure what profiling costs.")
    known.add_argument("--no-peers", action="store_true", help="measure this project alone")
    options = known.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    today = dt.datetime.now(tz=dt.UTC).date()
    print(
        f"{processor()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, one thread, "
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"{today}\n",
    )
    print("| what | goal | found |")
    print("|---|---|---|")
    for batch in (1, 8):
        for name in THREE:
            _print(passes(name, batch))
    _print(repeatability())
    _print(peaks())
    with tempfile.TemporaryDirectory(prefix="magics-benchmark-") as folder:
        if not options.no_peers:
            problem = profiling_peers.install(folder)
            if problem:
                print(f"\nNot all other profilers could be installed: {problem}")
        tables(with_peers=not options.no_peers)
    return 0


def _print(lines: Iterable[Ratio]) -> None:
    for line in lines:
        print(f"| {line.what} | {line.goal} | {line.found} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
