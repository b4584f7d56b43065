"""The figures of a sweep, and a sweep shown from its file."""

import re
import subprocess
import sys

import pytest
from sweep_examples import (
    CASES,
    batches,
    counted,
    layouts,
)

from magics.errors import InputError, RecordError
from magics.records import Sweep


@pytest.fixture
def plot():
    from matplotlib import pyplot as plt

    yield lambda found, kind: found.plot(kind)
    plt.close("all")


@pytest.mark.filterwarnings("ignore:Glyph")  # no font has all letters
@pytest.mark.parametrize("kind", ["throughput", "time", "memory"])
@pytest.mark.parametrize("name", [name for name in CASES if "no" not in name and name != "counted"])
def test_figures_have_axes_with_units_and_a_line_for_each_value(plot, kind, name):
    found = CASES[name]()
    figure = plot(found, kind)
    figure.canvas.draw()
    (axes,) = figure.axes
    assert axes.get_xlabel() == found.main.name
    assert re.fullmatch(r".+ \[.+\]", axes.get_ylabel())
    solid = [line for line in axes.lines if line.get_marker() != "None"]
    looks = {(line.get_color(), line.get_marker()) for line in solid}
    assert len(looks) == len(solid) == len(found.lines())


def test_a_figure_shows_the_numbers_of_the_points(plot):
    found = batches()
    (line,) = plot(found, "throughput").axes[0].lines
    assert list(line.get_xdata()) == [point.values["batch"] for point in found.points]
    scale = 1e3  # thousands of samples per second
    assert [y * scale for y in line.get_ydata()] == pytest.approx(
        [point.samples_per_s for point in found.points]
    )
    assert plot(found, "time").axes[0].get_xscale() == "log"


def test_a_wrong_picture_and_an_empty_one_are_told():
    with pytest.raises(InputError, match=r"no such picture \(got 'tiem'\); did you mean time\?"):
        batches().plot("tiem")
    with pytest.raises(RecordError, match="nothing to show in the sweep of Net"):
        counted().plot()


def test_a_saved_sweep_shows_itself_without_torch_and_ipython(tmp_path):
    path = tmp_path / "sweep.json"
    layouts().to_json(path)
    code = (
        "import pathlib, sys\n"
        "sys.modules['torch'] = sys.modules['IPython'] = sys.modules['numpy'] = None\n"
        "from magics.records import Sweep\n"
        "shown = Sweep.from_json(pathlib.Path(sys.argv[1]))._repr_mimebundle_()\n"
        "sys.stdout.buffer.write(repr(shown).encode())"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True)
    assert run.stdout.decode() == repr(layouts()._repr_mimebundle_())
    assert Sweep.from_json(path) == layouts()
