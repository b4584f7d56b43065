"""What tests of sweeps share: a small network, and points that nobody measured."""

from torch import nn

from magics.records import Measurement, SweepPoint


def net():
    """Return a small network with everything that axes alter: 4 channels in, 8 out."""
    return nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 8, 1),
    ).eval()


def point(values, seconds=1.0, *, batch=None, clock="wall", where="here, cpu", **more):
    """Return a point that took so long per call."""
    how = {"status": "measured", "runs": 1, "busy_s": seconds, "seconds": seconds} | more
    if how["status"] == "measured":
        how["forward"] = Measurement(replicates_s=(seconds,), clock=clock)
    return SweepPoint(values=values, batch=batch or values.get("batch"), where=where, **how)
