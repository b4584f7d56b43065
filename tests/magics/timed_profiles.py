"""Profiles with times made by hand, to be compared."""

from examples import layer, profile

from magics.records import Ceilings, Measurement

CEILINGS = Ceilings(flops_per_s=1e11, bandwidth=((1_000_000, 1e10),), call_overhead_s=1e-5)


def measured(*milliseconds):
    return Measurement(replicates_s=tuple(1e-3 * value for value in milliseconds))


def timed(name="conv", milliseconds=10.0, **changes):
    """Return a profile of one layer, eight rounds that agree, half a millisecond of glue."""
    spread = [milliseconds * (1 + 0.002 * n) for n in range(8)]
    values = {"forward": measured(*spread), "backward": None, "roof_s": 0.004, "macs": 800_000}
    row = layer(name, **values | changes)
    whole = measured(*(value + 0.5 for value in spread))
    return profile([row], plain=whole, plain_backward=None, ceilings=CEILINGS)


def saved(folder, name, found):
    found.to_json(folder / name)
    return str(folder / name)
