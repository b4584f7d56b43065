"""The pictures of a report: what is written is where it belongs, and every bar can be seen."""

import base64
import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from examples import deep, layer, profile
from pages import Page, html_of

from magics.records import Ceilings, Measurement, ReceptiveField

LEFT, RIGHT = 62, 438  # where the axes of a picture end


def drawing_of(made, begin):
    """Return the picture of a report whose description begins so."""
    images = [attrs for tag, attrs in Page(html_of(made)).tags if tag == "img"]
    image = next(image for image in images if image["alt"].startswith(begin))
    return ET.fromstring(base64.b64decode(image["src"].partition(",")[2]))


def texts(drawing):
    """Return (y, x, text) of what is written in a picture."""
    return [(e.get("y"), e.get("x"), e.text) for e in drawing.iter() if e.tag.endswith("text")]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 60])
def test_a_picture_numbers_layers_at_the_layers_and_none_twice(count):
    words = texts(drawing_of(deep(count), "Time and memory"))
    name = next(float(y) for y, _, text in words if text == "layer, in order of the calls")
    numbers = {int(text): float(x) for y, x, text in words if float(y) == name - 16}
    assert len(numbers) == sum(float(y) == name - 16 for y, _, _ in words)
    assert set(numbers) <= set(range(1, count + 1))
    assert set(numbers) >= {1} if count <= 4 else numbers
    left, plot = 62, 450 - 62 - 12
    assert numbers == pytest.approx({n: left + plot * (n - 0.5) / count for n in numbers}, abs=0.1)


@pytest.mark.parametrize("fast", [1e10, 3e10, 1e11, 4e11, 1e12, 1e14])
@pytest.mark.parametrize("macs", [1e2, 1e4, 1e6, 1e8])
def test_what_a_roofline_writes_along_a_line_stays_within_the_axes(fast, macs):
    ceilings = Ceilings(1e11, ((2**20, fast), (2**26, 1e10)), 2e-6, "conv2d", "float32")
    made = profile([layer(macs=int(macs), useful_macs=int(macs))], ceilings=ceilings)
    drawing = drawing_of(made, "Roofline")
    left, right, top, bottom = 62, 438, 8, 214
    written = [e for e in drawing.iter() if e.get("transform") and "B/s" in e.text]
    assert written or macs > 1e2  # a line that can be seen for two decades has room
    for element in written:
        slope = float(element.get("transform").split("(")[1].split()[0])
        half = 2.9 * len(element.text)
        x, y = float(element.get("x")), float(element.get("y"))
        across, up = half * math.cos(math.radians(slope)), half * math.sin(math.radians(slope))
        assert left - 8 <= x - across <= x + across <= right + 8, element.text
        assert top - 8 <= y + up <= y - up <= bottom + 20, element.text
    roof = next(e.get("d") for e in drawing.iter() if e.get("stroke-width") == "1.5")
    points = re.findall(r"[ML]([\d.-]+) ([\d.-]+)", roof)
    assert all(left <= float(x) <= right and top <= float(y) <= bottom for x, y in points), roof


@pytest.mark.parametrize("count", [1, 100, 250, 251, 700, 2000])
def test_bars_are_wide_enough_to_have_one_colour_and_none_is_higher_than_its_layer(count):
    seconds = [1e-3 * (1 + place * 53 % 101) for place in range(count)]
    kinds = ("conv2d", "batch_norm", "max_pool2d")
    layers = [
        layer(str(place), kind=kinds[place % 3], peak_bytes=0, backward=None,
              forward=Measurement(replicates_s=(seconds[place],)))
        for place in range(count)
    ]  # fmt: skip
    drawing = drawing_of(profile(layers), "Time and memory")
    bars = []
    for path in drawing.iter():
        if path.get("stroke-width") and "v-" in path.get("d"):
            assert float(path.get("stroke-width")) >= 1.2
            for x, tall in re.findall(r"M([\d.]+) \d+v-([\d.]+)", path.get("d")):
                bars.append((float(x), float(tall), path.get("stroke")))
    bars.sort()
    each = -(-count // len(bars))
    assert each == math.ceil(1.5 * count / (RIGHT - LEFT))
    highest = [max(range(at, min(at + each, count)), key=lambda place: seconds[place])
               for at in range(0, count, each)]  # fmt: skip
    shares = [tall / max(tall for _, tall, _ in bars) for _, tall, _ in bars]
    assert shares == pytest.approx([seconds[at] / max(seconds) for at in highest], rel=0.01)
    colours = ("#0072B2", "#009E73", "#E69F00")
    assert [colour for *_, colour in bars] == [colours[at % 3] for at in highest]
    told = [text for *_, text in texts(drawing) if text.startswith("layer, in order")]
    more = f"; a bar: the highest of {each}" if each > 1 else ""
    assert told == [f"layer, in order of the calls{more}"]


@pytest.mark.parametrize(
    ("sizes", "side"),
    [((3, 5, 7, 9), "start"), ((9, 9, 11, 13), "end"), ((9, 9, 9, 9), "start"),
     ((3, 5, 9, 9), "start")],
)  # fmt: skip
def test_the_extent_of_the_input_is_written_where_the_curve_is_not(sizes, side):
    layers = [
        layer(
            str(size), receptive_field=ReceptiveField(size=(size,), stride=(1.0,), padding=(0.0,))
        )
        for size in sizes
    ]
    made = replace(profile(layers), input_space=(8,))
    drawing = drawing_of(made, "Receptive field")
    (written,) = [e for e in drawing.iter() if e.text == "the input: 8"]
    assert written.get("text-anchor") == side


@pytest.mark.parametrize("under", [0.4, 0.6, 0.8])
def test_a_number_in_the_roofline_stands_at_its_mark_and_not_on_another(under):
    ceilings = Ceilings(1e11, ((2**20, 1e11), (2**26, 1e10)), 2e-6, "conv2d", "float32")
    layers = [
        layer(str(place), backward=None, forward=Measurement(replicates_s=(seconds,)))
        for place, seconds in enumerate((0.3, 0.3 / under, 0.3 / under**2, 0.3 / under**3))
    ]
    drawing = drawing_of(profile(layers, ceilings=ceilings), "Roofline")
    marks = [
        (float(x), float(y))
        for path in drawing.iter()
        if path.get("marker-mid")
        for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.get("d"))
        if float(y) < 214  # below, the legend has marks, too
    ]
    assert len({mark[1] for mark in marks}) == 4
    numbers = [e for e in drawing.iter() if e.get("font-weight")]
    assert numbers
    for written in numbers:
        x, y, half = float(written.get("x")), float(written.get("y")), 2.9 * len(written.text)
        apart = [max(abs(mark[0] - x) - half, abs(mark[1] - y + 4)) for mark in marks]
        assert 3 < min(apart) < 15
