"""Sweeps made by hand, for tests of what a sweep says and how it is shown."""

from examples import HOSTILE

from magics.records import Measurement, Sweep, SweepAxis, SweepPoint

ENVIRONMENT = {
    "mode": "eval",
    "gradients": "off",
    "device": "cpu",
    "threads": "1",
    "machine": "A processor",
    "torch": "2.13.0",
    "date": "2026-11-24 12:00 UTC",
}


def point(values, seconds=None, batch=None, **changes):
    """Return a point, measured eleven times if it has a time."""
    if seconds is None:
        measured = {"status": "not_run"}
    else:
        replicates = tuple(seconds * (1 + 0.002 * place) for place in range(-5, 6))
        measured = {"status": "measured", "forward": Measurement(replicates_s=replicates)}
    size = 1000 * (batch or 1) + 500
    known = {
        "batch": batch,
        "params": 1234,
        "macs": 1_000_000 * (batch or 1),
        "bytes_moved": 50_000 * (batch or 1),
        "peak_bytes": size if seconds else None,
        "predicted_bytes": size if (batch or 1) > 1 else None,
        "where": "host, cpu",
        "environment": {"contention": "1.02x"},
        "seconds": 0.5,
    }
    return SweepPoint(values=values, **{**known, **measured, **changes})


def sweep(axes, points, **changes):
    """Return a sweep over axes given as {name: values}."""
    known = {
        "model": "Net",
        "inputs": "1x3x8x8 float32",
        "axes": tuple(SweepAxis(name=name, values=tuple(axes[name])) for name in axes),
        "points": tuple(points),
        "environment": ENVIRONMENT,
        "overhead": 0.05,
    }
    return Sweep(**{**known, **changes})


def batches(number=8, **changes):
    """Return a sweep over doubling batches; a call takes 0.4 ms and 100 us for each sample."""
    values = [2**place for place in range(number)]
    points = [point({"batch": size}, 4e-4 + 1e-4 * size, size) for size in values]
    return sweep({"batch": values}, points, **changes)


def lost():
    """Return a sweep that ended in out-of-memory, with a point that failed."""
    values = [1, 2, 4, 8, 16]
    points = [point({"batch": size}, 4e-4 + 1e-4 * size, size) for size in values[:2]]
    points += [
        point({"batch": 4}, None, 4, status="failed", reason="RuntimeError: an odd batch"),
        point({"batch": 8}, None, 8, status="out_of_memory", reason="it would need 9 GiB"),
        point({"batch": 16}, None, 16, reason="larger than what did not fit"),
    ]
    return sweep({"batch": values}, points, warnings=("The time budget ended.",))


def layouts():
    """Return a sweep over two axes: channels_last takes half as long."""
    sizes, names = (1, 2, 4, 8, 16, 32, 64), ("contiguous", "channels_last")
    points = [
        point({"batch": size, "layout": name}, (4e-4 + 1e-4 * size) / (1 + place), size)
        for size in sizes
        for place, name in enumerate(names)
    ]
    return sweep({"batch": sizes, "layout": names}, points)


def hosts():
    """Return a sweep that ran on two hosts."""
    points = [
        point({"size": size}, 1e-6 * size**2, 1, macs=size**2, where=f"host{place}, cpu")
        for place, size in enumerate((8, 16, 32))
    ]
    return sweep({"size": (8, 16, 32)}, points)


def dtypes():
    """Return a sweep over an axis without numbers, one value of which failed."""
    values = ("float32", "bfloat16", "float16")
    points = [
        point({"dtype": "float32"}, 0.001, 4),
        point({"dtype": "bfloat16"}, 0.002, 4),
        point({"dtype": "float16"}, None, 4, status="failed", reason="RuntimeError: no kernel"),
    ]
    return sweep({"dtype": values}, points)


def counted():
    """Return a sweep without times."""
    points = [
        point({"batch": size}, None, size, status="counted", predicted_bytes=None, environment={})
        for size in (1, 2)
    ]
    return sweep({"batch": (1, 2)}, points, overhead=None)


def trained():
    """Return a sweep of forwards and backwards."""
    values = (1, 2, 4)
    back = Measurement(replicates_s=(0.002,) * 5)
    points = [point({"batch": size}, 0.001, size, backward=back) for size in values]
    return sweep({"batch": values}, points)


def hostile():
    """Return a sweep in which every text is one that would break a page or a terminal."""
    values = [name or "empty" for name in HOSTILE]
    points = [
        point({"layout": name}, None if place % 2 else 0.001, 2, reason=name, where=name,
              status="failed" if place % 2 else "measured")
        for place, name in enumerate(values)
    ]  # fmt: skip
    return sweep(
        {"layout": values}, points, model=HOSTILE[0], inputs=HOSTILE[1], warnings=HOSTILE,
        environment={"machine": HOSTILE[2]},
    )  # fmt: skip


CASES = {
    "nothing measured": lambda: sweep(
        {"batch": (1, 2)}, [point({"batch": 1}), point({"batch": 2})], overhead=None
    ),
    "no point": lambda: sweep({"batch": ()}, [], environment={}, overhead=None),
    "one point": lambda: batches(1),
    "batches": batches,
    "200 points": lambda: sweep(
        {"batch": range(1, 201)},
        [point({"batch": size}, 4e-4 + 1e-4 * size, size) for size in range(1, 201)],
    ),
    "lost": lost,
    "layouts": layouts,
    "hosts": hosts,
    "dtypes": dtypes,
    "two without numbers": lambda: sweep(
        {"dtype": ("float32", "bfloat16"), "layout": ("contiguous", "channels_last")},
        [point({"dtype": one, "layout": two}, 0.001 * (1 + (two != "contiguous")), 2)
         for one in ("float32", "bfloat16") for two in ("contiguous", "channels_last")],
    ),
    "counted": counted,
    "trained": trained,
    "hostile": hostile,
}  # fmt: skip
