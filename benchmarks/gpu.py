"""Profile ResNet-50 on a GPU in several settings; needs torch alone. See gpu.sh."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from resnet50 import ResNet50

import magics

SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "batch1": ("1x3x224x224", {}),
    "batch32": ("32x3x224x224", {}),
    "batch32_bfloat16_channels_last": (
        "32x3x224x224",
        {"dtype": "bfloat16", "layout": "channels_last"},
    ),
    "batch32_train": ("32x3x224x224", {"mode": "train", "backward": True}),
}


def main() -> int:
    """Print every table, and write each profile to the folder that is given."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    model = ResNet50().eval()
    for name, (shape, options) in SETTINGS.items():
        found = magics.profile(model, shape, device="cuda", **options)
        print(f"{name}\n\n{found}\n", flush=True)
        if folder is not None:
            found.to_json(folder / f"resnet50_{name}.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
