"""The pictures of a report as figures of matplotlib, an optional extra: larger, and to be saved."""

from __future__ import annotations

from importlib import import_module
from textwrap import wrap
from typing import TYPE_CHECKING, Any, TypeVar

from magics import units
from magics.errors import InputError, RecordError
from magics.hints import near
from magics.records import Totals
from magics.renderers import series, words
from magics.renderers.column import clean
from magics.renderers.table import label, whole_s

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from magics.records import LayerProfile, Profile

Kind = TypeVar("Kind")

DASHED = (0, (5, 4))
GREY = "#7B7B7B"
_SIZE = (8.0, 5.0)  # inches
_LETTERS = 110  # of small ones in a line


def figure(profile: Profile, kind: str) -> Any:  # noqa: ANN401, matplotlib is an optional extra
    """Return a figure.

    Args:
        profile: What to draw.
        kind: 'roofline', 'timeline', 'receptive_field' or 'kinds'.

    Raises:
        InputError: If there is no such picture.
        RecordError: If the profile has nothing to show in it.
        ModuleNotFoundError: If matplotlib is not installed.
    """
    draw, possible, needs = chosen(_KINDS, kind)
    if not possible(profile):
        raise RecordError(
            f"plot: {kind}: nothing to show in the profile of {profile.model}; it needs {needs}",
        )
    return made(lambda figure: draw(figure, profile.in_order), words.title(profile))


def chosen(kinds: Mapping[str, Kind], kind: str) -> Kind:
    """Return the picture of a name.

    Raises:
        InputError: If there is none.
    """
    if kind not in kinds:
        raise InputError(f"plot: no such picture (got {kind!r}); {near(str(kind), kinds)}")
    return kinds[kind]


def made(draw: Callable[[Any], None], title: str) -> Any:  # noqa: ANN401, matplotlib is an optional extra
    """Return a figure under a title.

    Args:
        draw: Draws into a figure.
        title: What it is about.

    Raises:
        ModuleNotFoundError: If matplotlib is not installed.
    """
    try:
        pyplot = import_module("matplotlib.pyplot")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "plot: matplotlib is not installed; pip install 'nbimport-convprofile[plot]'",
            name=error.name,
        ) from error
    drawn = pyplot.figure(figsize=_SIZE, layout="constrained")
    draw(drawn)
    drawn.suptitle(plain(title), fontsize="medium")
    if "inline" in pyplot.get_backend():
        pyplot.close(drawn)  # the cell shows what it returns; left open, it would be shown twice
    return drawn


def plain(text: str) -> str:
    """Return a text that matplotlib doesn't take for mathematics."""
    return text.replace("$", r"\$")


def _roofline(made: Any, profile: Profile) -> None:  # noqa: ANN401, a figure
    axes = made.subplots()
    found, ceilings = series.points(profile), profile.ceilings
    for family in series.families_in([point.layer for point in found]):
        some = [point for point in found if series.family(point.layer) is family]
        axes.scatter(
            [point.intensity for point in some],
            [point.rate for point in some],
            c=family.colour,
            marker=family.marker,
            label=family.name,
            zorder=3,
        )
    for point in found:
        if point.number:
            axes.annotate(str(point.number), (point.intensity, point.rate), xytext=(5, -11),
                          textcoords="offset points", fontweight="bold")  # fmt: skip
    if ceilings is not None:
        lowest = min(point.intensity for point in found) / 2
        highest = max(*(point.intensity for point in found), ceilings.flops_per_s
                      / ceilings.bandwidth[-1][1]) * 2  # fmt: skip
        ends = dict.fromkeys((ceilings.bandwidth[0], ceilings.bandwidth[-1]))
        for (size, rate), style in zip(ends, (DASHED, "solid"), strict=False):
            ridge = ceilings.flops_per_s / rate
            axes.plot(
                [min(lowest, ridge), ridge, max(highest, ridge)],
                [min(lowest, ridge) * rate, ceilings.flops_per_s, ceilings.flops_per_s],
                color=GREY,
                linestyle=style,
                label=f"{units.count(rate, 'B/s')} at {units.size(size)}, "
                f"{units.count(ceilings.flops_per_s, 'FLOP/s')}",
            )
    numbered = sorted((point for point in found if point.number), key=lambda item: item.number)
    names = ",  ".join(f"{point.number}: {label(point.layer, 30)}" for point in numbered)
    axes.set(xscale="log", yscale="log", xlabel="arithmetic intensity [FLOP/byte]",
             ylabel="speed [FLOP/s]")  # fmt: skip
    _titled(axes, series.roofline_reading(profile), names)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")


def _timeline(made: Any, profile: Profile) -> None:  # noqa: ANN401, a figure
    layers, sizes = profile.layers, series.peaks(profile)
    seconds = [list(map(one, layers)) for one in (series.forward_s, series.backward_s)]
    panels = made.subplots(1 + (any(sizes) and any(seconds[0])), sharex=True, squeeze=False)
    upper, lower = panels[0, 0], panels[-1, 0]
    if any(seconds[0]):
        scale = units.time_scale([max(map(max, seconds))])
        forward, backward = ([value / scale.factor for value in some] for some in seconds)
        bars = series.bars(series.spans(profile))
        _bars(upper, layers, forward, bars)
        if any(backward):
            upper.bar([at for at, _ in bars], [backward[place] for _, place in bars],
                      bottom=[forward[place] for _, place in bars], width=_wide(layers),
                      color="none", edgecolor=GREY, hatch="////", linewidth=0.5,
                      label="backward")  # fmt: skip
        upper.set_ylabel(f"time [{scale.unit}]")
        _legend(upper)
    if any(sizes):
        scale = units.bytes_scale([max(sizes)])
        _bars(lower, layers, [value / scale.factor for value in sizes], series.bars(sizes))
        lower.set_ylabel(f"memory of tensors [{scale.unit}]")
        if upper is lower:
            _legend(lower)
    lower.set_xlabel(series.in_order(len(layers)))
    _titled(upper, series.timeline_reading(profile))


def _bars(
    axes: Any,  # noqa: ANN401, axes of matplotlib
    layers: Sequence[LayerProfile],
    values: Sequence[float],
    bars: Sequence[tuple[float, int]],
) -> None:
    for family in series.families_in(layers):
        own = [(at, place) for at, place in bars if series.family(layers[place]) is family]
        axes.bar([at for at, _ in own], [values[place] for _, place in own],
                 width=_wide(layers), color=family.colour, label=family.name)  # fmt: skip


def _wide(layers: Sequence[LayerProfile]) -> float:
    """Return the width of a bar, in layers."""
    return 0.8 * series.layers_in_a_bar(len(layers))


def _legend(axes: Any) -> None:  # noqa: ANN401, axes of matplotlib
    """Explain bars, with room for it above the highest."""
    axes.margins(y=0.35)
    axes.legend(fontsize="small", ncols=4, loc="upper left")


def _titled(axes: Any, *lines: str) -> None:  # noqa: ANN401, axes of matplotlib
    """Write lines above axes, each as wide as the figure at most."""
    wrapped = (part for line in lines for part in wrap(line, _LETTERS))
    axes.set_title(plain("\n".join(wrapped)), fontsize="small")


def _field(made: Any, profile: Profile) -> None:  # noqa: ANN401, a figure
    axes = made.subplots()
    found, extent = series.growth(profile), series.input_extent(profile)
    axes.plot([place + 1 for place, _ in found], [size for _, size in found], color=GREY, lw=1)
    layers = [profile.layers[place] for place, _ in found]
    for family in series.families_in(layers):
        some = [item for item in found if series.family(profile.layers[item[0]]) is family]
        axes.scatter(
            [place + 1 for place, _ in some],
            [size for _, size in some],
            c=family.colour,
            marker=family.marker,
            label=family.name,
            zorder=3,
        )
    if extent:
        axes.axhline(extent, color=GREY, linestyle=DASHED, label=f"the input: {extent}")
    axes.set(xlabel=series.IN_ORDER, ylabel="receptive field [positions]",
             ylim=(0, None))  # fmt: skip
    _titled(axes, series.growth_reading(profile))
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")


def _shares(made: Any, profile: Profile) -> None:  # noqa: ANN401, a figure
    axes = made.subplots()
    rest, total = profile.other, profile.total
    sums = {**profile.by_kind(), rest.name: Totals.of([rest])}
    rows = sums.values()
    parts = (
        ("time", [item.forward_s or 0 for item in rows], whole_s(profile), "#0072B2", ""),
        ("MACs", [item.macs for item in rows], total.macs, "#E69F00", "//"),
        ("bytes moved", [item.bytes_moved for item in rows], total.bytes_moved, "#009E73", ".."),
    )
    for number, (name, values, whole, colour, hatch) in enumerate(p for p in parts if p[2]):
        places = [place + number * 0.27 for place in range(len(sums))]
        widths = [100 * value / (whole or 1) for value in values]
        axes.barh(places, widths, height=0.25, color=colour, hatch=hatch, edgecolor="white",
                  linewidth=0, label=name, zorder=3)  # fmt: skip
    axes.set_yticks([place + 0.27 for place in range(len(sums))], list(map(clean, sums)))
    axes.invert_yaxis()
    axes.set(xlabel="share of the whole model [%]")
    axes.grid(visible=True, axis="x", alpha=0.3)
    axes.legend(fontsize="small", loc="lower right")


_KINDS: dict[str, tuple[Callable[[Any, Profile], None], Callable[[Profile], Any], str]] = {
    "roofline": (
        _roofline, lambda profile: profile.ceilings and series.points(profile),
        "times and ceilings: profile with measure=True and roofline=True"),
    "timeline": (
        _timeline, lambda profile: any(series.spans(profile)) or any(series.peaks(profile)),
        "times or memory: profile with measure=True"),
    "receptive_field": (
        _field, series.growth, "layers with a receptive field: profile with receptive_field=True"),
    "kinds": (_shares, lambda profile: profile.layers, "at least one layer"),
}  # fmt: skip
