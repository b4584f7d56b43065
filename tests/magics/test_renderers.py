"""A report says what the record holds, in text and in HTML, whatever the record is like."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from textwrap import dedent

import pytest
from examples import HOSTILE, everything, layer, profile

from magics.records import LayerProfile, Measurement, Profile, ReceptiveField


def text_of(made):
    return made._repr_mimebundle_()["text/plain"]


def html_of(made):
    return made._repr_mimebundle_()["text/html"]


class Page(HTMLParser):
    """Reads a fragment, and keeps what a browser or a screen reader would make of it."""

    VOID = ("br", "img")

    def __init__(self, fragment):
        super().__init__()
        self.open, self.tags, self.styles, self.headers = [], [], [], []
        self.tables, self.words = [], []
        self.feed(fragment)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.styles.append(dict(attrs).get("style", ""))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if self.open and self.open[-1] in {"td", "th"}:
            self.tables[-1][-1][-1] += data


def deep(number):
    return profile([layer(f"blocks.{place}.conv", 1 + place % 9) for place in range(number)])


UNTIMED = {"forward": None, "backward": None, "bound": None, "roof_s": None}
CASES = {
    "empty": profile,
    "empty and untimed": lambda: profile(
        plain=None, instrumented=None, other=LayerProfile(name="everything else", kind="other"),
        ceilings=None,
    ),
    "one layer": lambda: profile([layer()]),
    "untimed": lambda: profile(
        [layer(**UNTIMED)], plain=None, instrumented=None, ceilings=None, environment={},
        other=LayerProfile(name="everything else", kind="other"),
    ),
    "everything": everything,
    "one replicate": lambda: profile([layer(forward=Measurement(replicates_s=(0.5,)))]),
    "no time at all": lambda: profile(
        [layer(forward=Measurement(replicates_s=(0.0,)))], plain=Measurement(replicates_s=(0.0,))
    ),
    "negative time": lambda: profile([layer(forward=Measurement(replicates_s=(-1e-7,) * 3))]),
    "hostile names": lambda: profile(
        [layer(name, type=name, kind="other", note=name) for name in HOSTILE],
        model=HOSTILE[0], inputs=HOSTILE[1], warnings=HOSTILE, environment={"machine": HOSTILE[2]},
    ),
    "deep": lambda: deep(700),
}  # fmt: skip


@pytest.fixture(params=CASES, ids=str)
def made(request):
    return CASES[request.param]()


def test_text_fits_a_terminal_of_120_places_and_has_no_control_characters(made):
    for line in text_of(made).split("\n"):
        assert len(line) <= 120 or not line.isascii(), line
        assert line == line.rstrip()
        assert all(letter.isprintable() for letter in line), line


def test_html_is_well_formed_and_every_row_has_a_cell_per_column(made):
    page = Page(html_of(made))
    assert page.tables
    for table in page.tables:
        assert {len(row) for row in table} == {len(table[0])}


def test_html_has_nothing_that_an_untrusted_notebook_drops(made):
    page = Page(html_of(made))
    used = {tag for tag, _ in page.tags}
    assert not used & {"script", "style", "svg", "iframe", "object", "img", "link"}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert not [style for style in page.styles if "var(" in style or "currentColor" in style]


def test_html_leaves_the_colour_of_text_to_the_theme(made):
    properties = {
        part.partition(":")[0] for style in Page(html_of(made)).styles for part in style.split(";")
    }
    assert "color" not in properties
    assert "background-color" not in properties


def test_every_header_tells_a_screen_reader_what_it_heads(made):
    page = Page(html_of(made))
    scopes = [attrs.get("scope") for tag, attrs in page.tags if tag == "th"]
    assert set(scopes) <= {"row", "col"}
    assert scopes.count("row") >= 2
    assert sum(tag == "caption" for tag, _ in page.tags) == len(page.tables)


def test_the_same_layers_stand_in_text_and_html(made):
    text, page = text_of(made), Page(html_of(made))
    for row in page.tables[-1][1:]:
        name = row[0].replace("\xa0", " ")
        assert name[:8] in text
        assert name[-4:] in text


def test_names_are_shown_as_text_and_never_as_html():
    name = HOSTILE[0]
    shown = html_of(profile([layer(name, note=name)], model=name))
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert name in Page(shown).tables[-1][1][0].replace("\xa0", " ")


@pytest.mark.parametrize("view", [text_of, html_of])
def test_the_report_of_a_small_profile_is_the_one_that_was_approved(view):
    untold = {"saved_bytes": None, "peak_bytes": None, "bound": None, "receptive_field": None}
    made = profile(
        [
            layer("stem", 1, macs=2_000_000, elementwise_flops=0, bytes_moved=2048, **untold),
            layer("stem", 2, call_index=1, kind="max_pool2d", **{**UNTIMED, **untold}),
        ],
        warnings=("The time budget ended.",),
        ceilings=None,
    )
    suffix = {text_of: "txt", html_of: "html"}[view]
    approved = Path(__file__).parent / f"approved_report.{suffix}"
    if os.environ.get("APPROVE"):  # after a change that was looked at
        approved.write_text(f"{view(made)}\n", encoding="utf-8")
    assert f"{view(made)}\n" == approved.read_text(encoding="utf-8")


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


def test_seven_hundred_layers_are_folded_and_still_add_up():
    made = deep(700)
    rows = Page(html_of(made)).tables[-1]
    head = [title.split("[")[0] for title in rows[0]]
    assert len(rows) < 250
    column = head.index("MACs")
    unit = {"[k]": 1e3, "[M]": 1e6, "[G]": 1e9}[rows[0][column][-3:]]
    macs = [float(row[column].replace(",", "") or 0) for row in rows[1:-1]]
    assert sum(macs) * unit == pytest.approx(made.total.macs, rel=1e-3)
    assert float(rows[-1][column].replace(",", "")) * unit == pytest.approx(
        made.total.macs, rel=1e-3
    )
    assert (
        sum(int(row[0].split()[1]) for row in rows[1:] if row[0].startswith("…"))
        + sum(row[0].startswith("blocks") for row in rows)
        == 700
    )


def test_every_one_of_seven_hundred_layers_can_be_looked_up():
    made = deep(700)
    page = "".join(Page(html_of(made)).words)
    assert all(row.name in page for row in made.layers)
    assert len(text_of(made).split("\n")) < 300


def test_the_report_of_a_model_as_long_as_resnet_50_is_under_150_kb():
    rows = [layer(f"layer{place % 4}.{place}.downsample.0", 1 + place % 9) for place in range(175)]
    assert len(html_of(profile(rows)).encode()) < 150_000


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
    made = CASES["untimed"]()
    assert (
        "1. conv (conv2d k3 s2 p1): 100.0 % of the MACs: 256 outputs, 27.0 k multiply-adds each"
        in (text_of(made))
    )
    assert "not measured" in text_of(made)
    assert "forward" not in "".join(Page(html_of(made)).tables[-1][0])


def test_what_was_not_counted_and_what_to_know_is_said():
    for shown in (text_of(everything()), "".join(Page(html_of(everything())).words)):
        assert "Not counted, for want of a formula: aten::topk in head (2 calls)" in shown
        assert "head: Runs twice." in shown
        assert "Other programs kept this machine busy." in shown
        assert "stem (call 2)" in shown


def test_backward_memory_and_ceilings_are_said_when_known():
    shown = text_of(everything())
    assert "one backward 24.0 ms" in shown
    assert "forward peak 4.00 KiB" in shown
    assert "100 GFLOP/s (conv2d, float32)" in shown
    assert "backward" not in text_of(profile([layer(backward=None)])).split("\n\n", 1)[0]


def test_a_saved_profile_shows_itself_without_torch_and_ipython(tmp_path):
    path = tmp_path / "saved.json"
    everything().to_json(path)
    code = """
        import pathlib, sys
        sys.modules["torch"] = sys.modules["IPython"] = sys.modules["numpy"] = None
        import magics
        shown = magics.Profile.from_json(pathlib.Path(sys.argv[1]))._repr_mimebundle_()
        sys.stdout.buffer.write(repr(shown).encode())
    """
    run = subprocess.run(
        [sys.executable, "-c", dedent(code), str(path)], capture_output=True, check=True
    )
    assert run.stdout.decode() == repr(everything()._repr_mimebundle_())


def test_the_representation_of_a_profile_is_one_line():
    assert repr(profile([layer()])) == (
        "<Profile of Net on 1x3x8x8 float32: 1 call, 6,912,000 MACs, 3.00 ms>"
    )
    assert repr(CASES["empty and untimed"]()).endswith(": 0 calls, 0 MACs>")


def test_printing_a_profile_is_its_text():
    assert str(everything()) == text_of(everything())
    assert Profile.from_json(json.dumps(json.loads(everything().to_json()))) == everything()
