"""What a report says: numbers below each other, short arguments, reasons, notes."""

import re
from dataclasses import replace

import pytest
from examples import everything, layer, profile
from pages import Page, html_of, text_of

from magics.records import LayerProfile, Measurement, ReceptiveField

UNTIMED = {"forward": None, "backward": None, "bound": None, "roof_s": None}


def untimed(*layers):
    """Return a profile that only counts."""
    other = LayerProfile(name="everything else", kind="other")
    return profile(layers, plain=None, instrumented=None, ceilings=None, other=other)


def test_columns_that_do_not_fit_are_named():
    text = text_of(everything())
    left_out = re.search(r"No room here for: (.*)\. to_csv", text).group(1).split(", ")
    head = next(line for line in text.split("\n") if line.startswith("layer "))
    titles = [title.split("[")[0].strip() for title in Page(html_of(everything())).tables[-1][0]]
    assert not [title for title in left_out if title in head]
    assert set(left_out) < {title.replace("\xa0", " ") for title in titles}


def test_numbers_stand_below_each_other():
    lines = text_of(profile([layer("a", 1), layer("b", 1000)])).split("\n")
    start = next(place for place, line in enumerate(lines) if line.startswith("layer "))
    end = lines[start].index("MACs") + len("MACs")
    rows = [lines[start + 3][:end], lines[start + 4][:end], lines[start + 7][:end]]
    assert [row.rsplit(maxsplit=1)[1] for row in rows] == ["0.007", "6.912", "6.919"]
    assert {len(row.rstrip()) for row in rows} == {end}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"kernel_size": (1, 1), "stride": (1, 1), "padding": ((0, 0), (0, 0))}, "conv2d k1"),
        ({"stride": (1, 1), "dilation": (2, 2)}, "conv2d k3 p1 d2"),
        ({"kernel_size": (3, 1), "stride": (2, 1), "groups": 4}, "conv2d k3x1 s2x1 p1 g4"),
        ({"stride": (1, 1), "padding": ((0, 1), (0, 1))}, "conv2d k3 p0:1"),
    ],
)
def test_arguments_are_short_and_defaults_are_left_out(arguments, shown):
    assert f" {shown}  " in text_of(profile([layer("x", **arguments)]))


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        (ReceptiveField(size=(43, 43)), "43"),
        (ReceptiveField(size=(43, 7)), "43x7"),
        (ReceptiveField(size=(43, 7), whole_input=True), "all"),
        (None, ""),
    ],
)
def test_a_receptive_field_is_a_size_per_axis(seen, shown):
    head, row = Page(html_of(profile([layer("x", receptive_field=seen), layer("y")]))).tables[-1][
        :2
    ]
    assert row[head.index("sees")] == shown


def test_kernels_are_shown_when_they_are_known():
    shown = Page(html_of(profile([layer("x", kernel="mkldnn_convolution")])))
    assert shown.tables[-1][1][shown.tables[-1][0].index("kernel")] == "mkldnn_convolution"
    assert "mkldnn_convolution" in text_of(profile([layer("x", kernel="mkldnn_convolution")]))
    assert "kernel" not in Page(html_of(profile([layer("x")]))).tables[-1][0]


def test_a_slower_backward_and_repeated_rounds_are_said():
    made = replace(
        everything(),
        layers=tuple(
            replace(row, forward=Measurement(replicates_s=(0.010, 0.011, 0.010, 0.011)))
            for row in everything().layers
        ),
        instrumented=Measurement(replicates_s=(0.001,) * 3),
    )
    shown = text_of(made)
    assert "repeated, a layer's time differs by 9.5 %" in shown  # 1 ms of 10.5 ms
    assert "faster, which is noise" in shown
    assert "of the backward" in shown


def test_a_name_too_long_keeps_its_beginning_and_its_end():
    name = "features.denseblock4.denselayer16.branch.conv2"
    text = text_of(profile([layer(name)]))
    assert "\nfeatures…branch.conv2 " in text
    assert f"\n{name}" not in text
    assert name in html_of(profile([layer(name)]))


@pytest.mark.parametrize(
    ("bound", "reason"), [("kernel", "kernel-bound"), ("memory", "memory-bound")]
)
def test_the_most_expensive_layers_come_with_a_reason(bound, reason):
    made = profile([layer(name, number, bound=bound) for number, name in enumerate("abcd", 1)])
    lines = [line for line in text_of(made).split("\n") if re.match(r"\d\. ", line)]
    assert [line[3] for line in lines] == ["d", "c", "b"]
    assert "38.1 % of the time" in lines[0]  # 8 ms of 1 + 2 + 4 + 6 + 8 ms
    assert "40.0 % of the MACs" in lines[0]
    assert text_of(made).count(reason) == 3


def test_the_most_expensive_layers_of_a_count_are_those_with_most_macs():
    made = untimed(layer(**UNTIMED))
    assert (
        "1. conv (conv2d k3 s2 p1): 100.0 % of the MACs: 256 outputs, 27.0 k multiply-adds each"
        in (text_of(made))
    )
    assert "not measured" in text_of(made)
    assert "forward" not in "".join(Page(html_of(made)).tables[-1][0])


def test_a_count_of_several_calls_has_the_outputs_of_all_of_them():
    made = untimed(layer(**{**UNTIMED, "calls": 4}))
    assert "1,024 outputs, 6.75 k multiply-adds each" in text_of(made)


def test_what_was_not_counted_and_what_to_know_is_said():
    page = "".join(Page(html_of(everything())).words)
    for shown in (text_of(everything()), page):
        assert "Not counted, for want of a formula: aten::topk in head (2 calls)" in shown
        assert "head: Runs twice." in shown
        assert "Other programs kept this machine busy." in shown
        assert "stem (call 2)" in shown


def test_backward_memory_and_ceilings_are_said_when_known():
    shown = text_of(everything())
    assert "one backward 24.0 ms" in shown
    assert "432 B of parameters; a forward makes 4.00 KiB of tensors at its peak" in shown
    assert "100 GFLOP/s (conv2d, float32)" in shown
    assert "backward" not in text_of(profile([layer(backward=None)])).split("\n\n", 1)[0]


def test_the_representation_of_a_profile_is_one_line():
    assert repr(profile([layer()])) == (
        "<Profile of Net on 1x3x8x8 float32: 1 call, 6,912,000 MACs, 3.00 ms>"
    )
    assert repr(untimed()).endswith(": 0 calls, 0 MACs>")
