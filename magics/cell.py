"""One profile of a cell that runs once: look on, join what was seen into a record, judge it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from magics import cell_record
from magics.measurement import device
from magics.measurement.cells.bystander import Bystander
from magics.measurement.machine.clock import TIMED
from magics.records import Measurement
from magics.theory import roofline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magics.measurement.cells.tally import Entry, Seen
    from magics.records import LayerProfile, Profile


@dataclass(frozen=True, slots=True)
class CellRun:
    """What came of a cell.

    Attributes:
        profile: What its layers cost, until its end or until it raised.
        error: What it raised, if it did.
    """

    profile: Profile
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOptions:
    """What to tell of a cell.

    Attributes:
        threads: Threads for torch meanwhile; as they are by default.
        measure: Tell times; otherwise count only.
        memory: Tell what each layer keeps for the backward; by default where times are told.
        roofline: Say what bounds each layer. Where the machine's ceilings are not known yet,
            they are measured once the cell has ended.
        fresh_ceilings: Measure known ceilings again.
    """

    threads: int | None = None
    measure: bool = True
    memory: bool | None = None
    roofline: bool = True
    fresh_ceilings: bool = False


def profile_cell(
    run: Callable[[], object],
    namespace: Mapping[str, Any],
    **options: Any,  # noqa: ANN401, each option has a type of its own
) -> CellRun:
    """Run a cell once, and say what every layer in it cost.

    Args:
        run: Runs the cell.
        namespace: Where its models have their names.
        **options: Fields of `CellOptions`.
    """
    chosen = CellOptions(**options)
    measure = chosen.measure
    bystander = Bystander(namespace, memory=measure if chosen.memory is None else chosen.memory)
    before = torch.get_num_threads()
    error = None
    if chosen.threads is not None:
        torch.set_num_threads(chosen.threads)
    used = torch.get_num_threads()
    try:
        with bystander.looking_on():
            run()
    except BaseException as raised:  # noqa: BLE001, the caller raises it again
        error = raised
    finally:
        if chosen.threads is not None:
            torch.set_num_threads(before)
    found = cell_record.joined(bystander.seen, error, used, measure=measure)
    if measure and chosen.roofline and not isinstance(error, KeyboardInterrupt):
        try:
            found = _judged(found, bystander.seen, fresh=chosen.fresh_ceilings)
        except KeyboardInterrupt as interruption:
            error = error or interruption
    return CellRun(found, error)


def _judged(profile: Profile, seen: Seen, *, fresh: bool) -> Profile:
    """Return a cell's profile with what bounds each layer, by the mean of its calls."""
    if len(seen.devices) > 1 or profile.environment["device"].partition(":")[0] not in TIMED:
        return profile
    layout = "channels_last" if seen.channels_last else "contiguous"
    probed = device.ceilings_for(profile, layout, fresh=fresh)
    if probed is None:
        return profile
    entries = dict(cell_record.numbered(seen))
    known = {key for key, entry in entries.items() if not entry.uncounted}
    known -= {key for key in known if any(path == key[0] for _, path in seen.uncounted)}
    repeats = {key: entry.cost.repeat_bytes // _calls(entry) for key, entry in entries.items()}
    means = tuple(map(_mean, profile.layers))
    whole_s = sum(layer.forward.median_s for layer in means if layer.forward)
    of_one = replace(profile, layers=means, plain=Measurement(replicates_s=(whole_s,)))
    found = roofline.judged(of_one, probed, repeats, known)
    layers = (
        replace(layer, bound=mean.bound, roof_s=mean.roof_s and mean.roof_s * layer.calls)
        for layer, mean in zip(profile.layers, found.layers, strict=True)
    )
    return device.warned(replace(profile, layers=tuple(layers), ceilings=found.ceilings), probed)


def _calls(entry: Entry) -> int:
    return max(1, entry.forward.count)


def _mean(layer: LayerProfile) -> LayerProfile:
    """Return one call of a layer, as it was on average."""
    calls = max(1, layer.calls)
    whole = layer.forward
    return replace(
        layer,
        macs=layer.macs // calls,
        useful_macs=layer.useful_macs // calls,
        elementwise_flops=layer.elementwise_flops // calls,
        bytes_moved=layer.bytes_moved // calls,
        forward=whole and Measurement(replicates_s=(whole.median_s / calls,)),
    )
