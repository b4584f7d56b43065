"""Profiles made by hand, for tests of what a profile says and how it is shown."""

from magics.records import (
    Ceilings,
    LayerProfile,
    Measurement,
    Profile,
    ReceptiveField,
    Uncounted,
)


def layer(name="conv", number=1, **changes):
    """Return a 3x3 convolution with everything known; its numbers grow with `number`."""
    values = {
        "kind": "conv2d",
        "type": "Conv2d",
        "input_shape": (1, 3, 8, 8),
        "output_shape": (1, 4, 8, 8),
        "dtype": "float32",
        "kernel_size": (3, 3),
        "stride": (2, 2),
        "padding": ((1, 1), (1, 1)),
        "dilation": (1, 1),
        "params": 108 * number,
        "macs": 6_912_000 * number,
        "useful_macs": 5_000_000 * number,
        "elementwise_flops": 256 * number,
        "bytes_moved": 2224 * number,
        "backward_macs": 13_824_000 * number,
        "forward": Measurement(replicates_s=(0.001 * number, 0.002 * number, 0.004 * number)),
        "backward": Measurement(replicates_s=(0.002 * number, 0.004 * number, 0.008 * number)),
        "saved_bytes": 768 * number,
        "output_bytes": 1024,
        "peak_bytes": 4096,
        "bound": "kernel",
        "roof_s": 0.0005 * number,
        "receptive_field": ReceptiveField(size=(3, 3), stride=(2.0, 2.0), padding=(1.0, 1.0)),
    }
    return LayerProfile(name=name, **{**values, **changes})


def profile(layers=(), **changes):
    """Return a measured profile of these layers and 1 ms of everything else."""
    layers = tuple(layers)
    other = LayerProfile(
        name="everything else", kind="other", forward=Measurement(replicates_s=(0.001,) * 3)
    )
    rows = (*layers, other)
    whole = tuple(
        sum(row.forward.replicates_s[place % row.forward.count] for row in rows if row.forward)
        for place in range(3)
    )
    values = {
        "model": "Net",
        "inputs": "1x3x8x8 float32",
        "params": sum(row.params for row in layers),
        "other": other,
        "plain": Measurement(replicates_s=whole),
        "instrumented": Measurement(replicates_s=tuple(1.02 * value for value in whole)),
        "environment": {
            "mode": "eval",
            "gradients": "off",
            "device": "cpu",
            "threads": "1",
            "machine": "A processor",
            "torch": "2.13.0",
            "date": "2026-11-24 12:00 UTC",
        },
        "input_space": (8, 8),
        "ceilings": Ceilings(1e11, ((2**20, 3e10), (2**26, 1.2e10)), 2e-6, "conv2d", "float32"),
    }
    return Profile(layers=layers, **{**values, **changes})


def everything():
    """Return a profile in which every field has something to say."""
    return profile(
        [layer("stem", 1), layer("stem", 2, call_index=1), layer("head", 3, note="Runs twice.")],
        uncounted=(Uncounted(op="aten::topk", layer="head", calls=2),),
        warnings=("Other programs kept this machine busy.",),
        plain_backward=Measurement(replicates_s=(0.02, 0.024, 0.03)),
        instrumented_backward=Measurement(replicates_s=(0.02, 0.025, 0.03)),
        memory={"parameters": 432, "inference_peak": 4096},
    )


HOSTILE = (
    '<script>alert("x")</script>',
    "a\nb\tc\x1b[31m\u202ered",
    "</td></table><img src=x onerror=alert(1)>",
    "畳み込み\U0001f600" * 30,
    ".".join(f"block{place}" for place in range(60)),
    "&amp;",
    "",
    "\ud800",
)
"""Names that would break a page, a terminal or a table."""


def deep(number):
    """Return a profile of that many layers, of nine lengths in turn."""
    return profile([layer(f"blocks.{place}.conv", 1 + place % 9) for place in range(number)])
