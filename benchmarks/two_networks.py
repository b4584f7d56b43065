"""Measure the demo's two networks and put their table into README.md; wants a quiet machine."""

from __future__ import annotations

import os
from pathlib import Path

import magics
import nbimport
from magics import units

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- two networks: written by benchmarks/two_networks.py -->", "<!-- end -->"
KINDS = {
    "conv2d": "convolutions",
    "batch_norm": "batch norm",
    "max_pool2d": "max pool",
    "other": "activations",
}
CLOCKS = {"wall": "wall clock", "cpu": "processor time"}


def measured(name: str) -> magics.Profile:
    """Return the profile of one network on one picture of 224x224."""
    nets = nbimport.load(ROOT / "demo_notebooks" / "lib" / "nets.ipynb")
    return magics.profile(getattr(nets, name)(), "1x3x224x224", budget=20.0)


def table(profiles: list[magics.Profile]) -> str:
    """Return both networks side by side, as Markdown."""
    rows = [
        ["parameters", *(units.whole(found.total.params) for found in profiles)],
        ["MACs of convolutions and linear layers"]
        + [units.whole(found.total.macs) for found in profiles],
        ["bytes moved, at least", *(units.size(found.total.bytes_moved) for found in profiles)],
        ["one forward", *(units.seconds(found.total.forward_s) for found in profiles)],
        *(
            [f"of it, {words}", *(_share(found, kind) for found in profiles)]
            for kind, words in KINDS.items()
        ),
        ["all rows, relative to the forward"]
        + [units.percent(found.coverage) for found in profiles],
        ["a clock at every layer costs"]
        + [units.percent((found.overhead or 1) - 1) for found in profiles],
    ]
    head = ["", *(found.model for found in profiles)]
    lines = [head, ["---", *["---:"] * len(profiles)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _share(found: magics.Profile, kind: str) -> str:
    sums, whole = found.by_kind().get(kind), found.total.forward_s
    return units.percent((sums.forward_s or 0) / whole) if sums and whole else ""


def main() -> None:
    """Measure, and replace the block in README.md."""
    os.chdir(ROOT)
    profiles = [measured("resnet18"), measured("mobilenet_v2")]
    facts = profiles[0].environment
    where = (
        f"Measured on {facts['machine']}, threads: {facts['threads']}, "
        f"{CLOCKS.get(facts['clock'], facts['clock'])}, "
        f"torch {facts['torch']}, float32, {facts['date'][:10]}."
    )
    readme = ROOT / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END, 1)
    block = f"{BEGIN}\n{table(profiles)}\n\n{where}\n{END}"
    readme.write_text(f"{before}{block}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
