"""A report says what the record holds, in text and in HTML, whatever the record is like."""

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree as ET

import pytest
from examples import HOSTILE, deep, everything, layer, profile
from pages import Page, html_of, text_of
from pytorchcv.models.resnet import resnet50

import magics
from magics.records import LayerProfile, Measurement, Profile

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


UNTRUSTED = re.compile(r"<(style|script)>.*?</\1>", re.DOTALL)


def test_html_is_complete_without_what_an_untrusted_notebook_drops(made):
    page, bare = Page(html_of(made)), Page(UNTRUSTED.sub("", html_of(made)))
    assert bare.tables == page.tables
    assert bare.words == page.words
    used = {tag for tag, _ in bare.tags}
    assert not used & {"script", "style", "svg", "iframe", "object", "link", "button"}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert not [style for style in page.styles if "var(" in style or "currentColor" in style]


def test_pictures_need_no_connection_and_are_described(made):
    images = [attrs for tag, attrs in Page(html_of(made)).tags if tag == "img"]
    for image in images:
        begin, _, code = image["src"].partition(",")
        assert begin == "data:image/svg+xml;base64"
        drawing = ET.fromstring(base64.b64decode(code))
        assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
        assert {drawing.get("width"), drawing.get("height")} == {image["width"], image["height"]}
        assert len(image["alt"]) > 40


def test_the_page_is_the_report_and_needs_nothing_else(made, tmp_path):
    path = tmp_path / "report.html"
    page = made.to_html(path)
    assert path.read_text(encoding="utf-8", errors="strict") == page
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert html_of(made) in page
    tags = Page(html_of(made)).tags
    linked = [attrs[name] for _, attrs in tags for name in ("src", "href") if name in attrs]
    assert all(address.startswith("data:") for address in linked)
    assert "@import" not in page
    assert "url(" not in page


def test_html_leaves_the_colour_of_text_to_the_theme(made):
    properties = {
        part.partition(":")[0] for style in Page(html_of(made)).styles for part in style.split(";")
    }
    assert "color" not in properties
    assert "background-color" not in properties


def test_every_header_tells_a_screen_reader_what_it_heads(made):
    page = Page(html_of(made))
    scopes = [attrs.get("scope") for tag, attrs in page.tags if tag == "th"]
    assert set(scopes) <= {"row", "col", "rowgroup"}
    assert scopes.count("row") >= 2
    assert sum(tag == "caption" for tag, _ in page.tags) == len(page.tables)


def test_the_same_layers_stand_in_text_and_html(made):
    text, page = text_of(made), Page(html_of(made))
    for row in page.tables[-1][1:]:
        name = row[0].replace("\xa0", " ")
        assert name[:8] in text
        assert name[-4:] in text


def test_the_spread_of_times_is_shown_where_there_are_several():
    once = profile([layer(forward=Measurement(replicates_s=(0.5,)))],
                   plain=Measurement(replicates_s=(0.6,)))  # fmt: skip
    for view in text_of, html_of:
        assert "± forward" in view(profile([layer()]))
        assert "±" not in view(once)


def test_letters_of_windows_are_explained_where_there_are_some():
    words = "k kernel size, s stride, p padding"
    without = profile([layer(kind="linear", kernel_size=())])
    for view in text_of, html_of:
        assert words in view(profile([layer()]))
        assert words not in view(without)
        assert "share: of the total" in view(without)
    assert "\n." not in text_of(profile())


def test_names_are_shown_as_text_and_never_as_html():
    name = HOSTILE[0]
    shown = html_of(profile([layer(name, note=name)], model=name))
    assert "<script" not in UNTRUSTED.sub("", shown, 1).rpartition("<script>")[0]
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


def macs_of(rows):
    """Return what stands under MACs in a table, as numbers."""
    head = [title.split("[")[0] for title in rows[0]]
    column = head.index("MACs")
    unit = {"[k]": 1e3, "[M]": 1e6, "[G]": 1e9}[rows[0][column][-3:]]
    return [float(row[column].replace(",", "") or 0) * unit for row in rows[1:]]


def in_modules(number):
    """Return a profile of a deep model whose modules are of all sizes."""
    names = ("conv", "bn", "branch.0.conv", "branch.0.bn", "branch.1.conv")
    inner = [f"features.block{place % 3}.layer{place // 3}.{name}" for place in range(200)
             for name in names]  # fmt: skip
    names = ["stem.conv", "stem.bn", *sorted(inner)[: number - 3], "head"]
    return profile([layer(name, 1 + place % 9) for place, name in enumerate(names)])


@pytest.mark.parametrize("make", [deep, in_modules])
def test_seven_hundred_layers_are_folded_and_still_add_up(make):
    made = make(700)
    page = Page(html_of(made))
    _, rows, most, *inside = page.tables
    assert len(rows) < 60
    *macs, total = macs_of(rows)
    assert sum(macs) == pytest.approx(total, rel=1e-3)
    assert total == pytest.approx(made.total.macs, rel=1e-3)
    assert [len(part) for part in inside if len(part) > 1 + 100] == []
    for line, part in zip(macs, inside, strict=False):
        assert sum(macs_of(part)) == pytest.approx(line, rel=2e-2)
    assert [row[0] for part in inside for row in part[1:]] == [row.name for row in made.layers]
    longest = sorted(made.layers, key=lambda row: -row.forward.median_s)[:50]
    assert [row[0] for row in most[1:]] == [row.name for row in longest]
    assert [tag for tag, _ in page.tags].count("details") == 1 + len(inside)
    assert not any("open" in attrs for tag, attrs in page.tags if tag == "details")


def test_the_report_of_seven_hundred_layers_is_of_a_size_to_save_and_to_send():
    made = in_modules(700)
    assert len(html_of(made).encode()) < 600_000
    assert len(text_of(made).split("\n")) < 300


def test_the_report_of_resnet_50_with_a_backward_and_pictures_is_under_150_kb():
    counted = magics.profile(resnet50(), "1x3x224x224", measure=False, device="meta")
    assert len(counted.layers) > 150
    known = ("forward", "backward", "saved_bytes", "peak_bytes", "bound", "roof_s")
    rows = []
    for place, row in enumerate(counted.layers):
        like = layer(number=1 + place % 9)
        told = {name: getattr(like, name) for name in known}
        rows.append(replace(row, **told, kernel="mkldnn_convolution"))
    shown = html_of(replace(profile(rows), plain_backward=everything().plain_backward))
    assert shown.count("<img") == 3
    assert len(shown.encode()) < 150_000


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


def test_printing_a_profile_is_its_text():
    assert str(everything()) == text_of(everything())
    assert Profile.from_json(json.dumps(json.loads(everything().to_json()))) == everything()
