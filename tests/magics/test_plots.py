"""Figures show what the record holds, with axes, units and a legend; colours are told apart."""

import subprocess
import sys
from dataclasses import replace

import matplotlib as mpl
import pytest
from examples import HOSTILE, deep, everything, layer, profile

from magics.errors import InputError, RecordError
from magics.records import LayerProfile, ReceptiveField
from magics.renderers.series import FAMILIES, family, growth_reading

mpl.use("agg")
KINDS = ("roofline", "timeline", "receptive_field", "kinds")


@pytest.fixture
def plot(request):
    """Draw, and forget the figure afterwards."""
    from matplotlib import pyplot as plt

    yield lambda made, kind: made.plot(kind)
    plt.close("all")


def mixed():
    kinds = ("conv2d", "conv_transpose2d", "max_pool2d", "batch_norm", "linear", "other")
    rows = [layer(f"l{n}.{kind}", n, kind=kind) for n, kind in enumerate(kinds, 1)]
    return profile([*rows, layer("l7.dw", 7, groups=3)])


@pytest.mark.parametrize("kind", KINDS)
def test_axes_have_names_and_units_and_there_is_a_legend(plot, kind):
    figure = plot(mixed(), kind)
    figure.canvas.draw()
    axes = figure.axes
    assert axes[-1].get_xlabel()
    if kind != "kinds":
        labels = [ax.get_ylabel() for ax in axes]
        assert all("[" in label for label in labels), labels
    assert any(ax.get_legend() for ax in axes)


def test_the_roofline_has_a_point_for_each_layer_where_its_numbers_say(plot):
    made = mixed()
    axes = plot(made, "roofline").axes[0]
    shown = sorted(tuple(xy) for marks in axes.collections for xy in marks.get_offsets())
    wanted = sorted(
        ((2 * row.useful_macs + row.elementwise_flops) / row.bytes_moved,
         (2 * row.useful_macs + row.elementwise_flops) / row.forward.median_s)
        for row in made.layers
    )  # fmt: skip
    assert shown == [pytest.approx(point) for point in wanted]
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_the_roofs_meet_at_the_ridge_point(plot):
    made = mixed()
    lines = plot(made, "roofline").axes[0].lines
    ridges = sorted(float(line.get_xdata()[1]) for line in lines)
    peak = made.ceilings.flops_per_s
    assert ridges == pytest.approx(sorted(peak / rate for _, rate in made.ceilings.bandwidth))
    assert all(max(line.get_ydata()) == peak for line in lines)


def test_the_timeline_has_a_bar_for_each_layer(plot):
    upper, lower = plot(mixed(), "timeline").axes
    tall = sorted(bar.get_height() for bar in upper.patches if bar.get_hatch() is None)
    assert tall == pytest.approx([2, 4, 6, 8, 10, 12, 14])  # ms
    assert "[ms]" in upper.get_ylabel()
    assert {bar.get_height() for bar in lower.patches} == {4}  # KiB
    assert "KiB" in lower.get_ylabel()


def test_seven_hundred_layers_have_bars_that_can_be_seen_apart(plot):
    upper, lower = plot(deep(700), "timeline").axes
    upper.figure.canvas.draw()
    for axes in upper, lower:
        bars = sorted(axes.patches, key=lambda bar: bar.get_x())
        forward = [bar for bar in bars if bar.get_hatch() is None]
        assert len(forward) == 234  # of three layers each
        assert [bar.get_width() for bar in forward] == pytest.approx([2.4] * 234)
        assert all(bar.get_window_extent().width > 1.5 for bar in forward)
    assert lower.get_xlabel() == "layer, in order of the calls; a bar: the highest of 3"
    tall = [bar.get_height() for bar in sorted(upper.patches, key=lambda bar: bar.get_x())
            if bar.get_hatch() is None]  # fmt: skip
    seconds = [row.forward.median_s for row in deep(700).layers]
    assert tall == pytest.approx([1e3 * max(seconds[at : at + 3]) for at in range(0, 700, 3)])


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_written_is_cut_off_and_no_legend_hides_a_bar(plot, kind):
    rows = [layer(f"features.block{n}.branch{n}.layer{n}.convolution", n) for n in range(1, 60)]
    figure = plot(profile(rows), kind)
    figure.canvas.draw()
    for axes in figure.axes:
        title = axes.title.get_window_extent()
        assert figure.bbox.x0 <= title.x0 <= title.x1 <= figure.bbox.x1
        if kind == "timeline" and axes.get_legend():
            below = axes.get_legend().get_window_extent().y0
            assert all(bar.get_window_extent().y1 <= below for bar in axes.patches)


def test_the_receptive_field_is_drawn_with_the_input_it_grows_into(plot):
    rows = [layer(f"c{n}", n, receptive_field=ReceptiveField(size=(n, 2 * n))) for n in (1, 2, 3)]
    axes = plot(profile(rows), "receptive_field").axes[0]
    assert list(axes.lines[0].get_ydata()) == [2, 4, 6]
    assert list(axes.lines[1].get_ydata()) == [8, 8]  # the input is 8 x 8


def test_families_differ_in_colour_and_in_shape():
    assert len({item.colour for item in FAMILIES}) == len(FAMILIES)
    assert len({item.marker for item in FAMILIES}) == len(FAMILIES)
    drawn = {family(row).name for row in mixed().layers}
    assert drawn == {item.name for item in FAMILIES}


def dichromat(colour, matrix):
    """Return linear RGB as a dichromat sees it (Machado, Oliveira and Fernandes, 2009)."""
    values = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return [sum(a * b for a, b in zip(row, linear, strict=True)) for row in matrix]


@pytest.mark.parametrize(
    "matrix",
    [
        ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
         (-0.003882, -0.048116, 1.051998)),
        ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
         (-0.011820, 0.042940, 0.968881)),
    ],
    ids=["protanopia", "deuteranopia"],
)  # fmt: skip
def test_colour_blind_readers_can_tell_the_colours_apart(matrix):
    seen = {item.name: dichromat(item.colour, matrix) for item in FAMILIES}
    for name, one in seen.items():
        for other, two in seen.items():
            apart = sum((a - b) ** 2 for a, b in zip(one, two, strict=True)) ** 0.5
            assert name == other or apart > 0.08, (name, other)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_no_mathematics(plot, kind):
    names = [name for name in HOSTILE if name.isascii()]
    rows = [layer(f"{name}$x_{{", n) for n, name in enumerate(names, 1)]
    plot(profile(rows, model="$\\frac{"), kind).canvas.draw()


def test_a_mistyped_picture_is_one_line_that_suggests_the_near_one():
    with pytest.raises(InputError) as caught:
        everything().plot("rofline")
    assert str(caught.value) == ("plot: no such picture (got 'rofline'); did you mean roofline?")


@pytest.mark.parametrize("kind", ["roofline", "timeline", "receptive_field", "kinds"])
def test_a_profile_without_anything_to_show_says_what_it_needs(kind):
    bare = LayerProfile(name="everything else", kind="other")
    with pytest.raises(RecordError, match=rf"^plot: {kind}: nothing to show in .*; it needs "):
        replace(profile(), other=bare).plot(kind)


def test_without_matplotlib_one_line_says_how_to_get_it(tmp_path):
    path = tmp_path / "saved.json"
    everything().to_json(path)
    code = (
        "import sys, pathlib; sys.modules['matplotlib'] = None\n"
        "import magics\n"
        "magics.Profile.from_json(pathlib.Path(sys.argv[1])).plot()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert run.stderr.rstrip().endswith(
        "ModuleNotFoundError: plot: matplotlib is not installed; "
        "pip install 'nbimport-convprofile[plot]'"
    )


def test_one_position_is_no_positions():
    def reading(size):
        seen = ReceptiveField(size=(size, size), stride=(1.0, 1.0), padding=(0.0, 0.0))
        return growth_reading(profile((layer(name="a", receptive_field=seen),)))

    assert reading(1).startswith("One output sees 1 position per axis at first and 1 at most")
    assert reading(3).startswith("One output sees 3 positions per axis at first and 3 at most")
