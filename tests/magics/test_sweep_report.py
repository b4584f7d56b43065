"""A sweep says what its points hold, as text, as HTML, as pictures, whatever became of them."""

import base64
import os
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from examples import HOSTILE
from pages import Page, html_of, text_of
from sweep_examples import (
    CASES,
    batches,
    counted,
    dtypes,
    hosts,
    layouts,
    lost,
    point,
    sweep,
    trained,
)

from magics.records import Measurement
from magics.records.views import formed

mpl.use("agg")
CODES = re.compile(r"<(style|script)>.*?</\1>", re.DOTALL)


@pytest.fixture(params=CASES, ids=str)
def made(request):
    return CASES[request.param]()


def said(found):
    """Return the text without its line breaks."""
    return " ".join(text_of(found).split())


def column(found, head):
    """Return what stands in a column of the table of points."""
    heads, *rows = Page(html_of(found)).tables[-1]
    place = [title.replace("\xa0", " ").split("[")[0] for title in heads].index(head)
    return [row[place].replace("\xa0", " ") for row in rows]


def test_text_fits_a_terminal_of_120_places_and_has_no_control_characters(made):
    for line in text_of(made).split("\n"):
        assert len(line) <= 120 or not line.isascii(), line
        assert line == line.rstrip()
        assert all(letter.isprintable() for letter in line), line


def test_html_is_well_formed_and_complete_without_scripts_and_styles(made):
    page, bare = Page(html_of(made)), Page(CODES.sub("", html_of(made)))
    assert bare.tables == page.tables
    assert bare.words == page.words
    for table in page.tables:
        assert {len(row) for row in table} == {len(table[0])}
    used = {tag for tag, _ in bare.tags}
    assert not used & {"script", "style", "svg", "iframe", "object", "link", "button"}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    properties = {part.partition(":")[0] for style in page.styles for part in style.split(";")}
    assert not properties & {"color", "background-color"}


def test_the_table_has_a_row_for_each_point_named_by_its_value(made):
    rows = Page(html_of(made)).tables[-1][1:]
    lines = [point for line in made.lines() for point in line]
    assert len(rows) == len(made.points)
    for row, one in zip(rows, lines, strict=True):
        begin = str(one.values[made.main.name])[:5]
        assert row[0].replace("\xa0", " ").startswith(begin) or not begin.isprintable()


def test_headers_tell_a_screen_reader_what_they_head(made):
    page = Page(html_of(made))
    scopes = [attrs.get("scope") for tag, attrs in page.tags if tag == "th"]
    assert scopes.count("row") >= len(made.points)
    assert set(scopes) <= {"row", "col", "rowgroup"}
    assert sum(tag == "caption" for tag, _ in page.tags) == len(page.tables)


def drawings(found):
    """Return the pictures of a report, read as XML, with their alternative texts."""
    images = [attrs for tag, attrs in Page(html_of(found)).tags if tag == "img"]
    return [
        (ET.fromstring(base64.b64decode(image["src"].partition(",")[2])), image["alt"])
        for image in images
    ]


def test_pictures_need_no_connection_and_are_described(made):
    found = drawings(made)
    measured = any(point.forward for point in made.points)
    assert bool(found) == measured
    for drawing, alt in found:
        assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(alt) > 40
        texts = ["".join(text.itertext()) for text in drawing.iter() if text.tag.endswith("text")]
        assert made.main.name in texts
        assert any("[" in text for text in texts)  # a unit


def test_the_page_is_the_report_and_needs_nothing_else(made, tmp_path):
    path = tmp_path / "sweep.html"
    page = made.to_html(path)
    assert path.read_text(encoding="utf-8") == page
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert html_of(made) in page
    assert "url(" not in page


def test_names_are_shown_as_text_and_never_as_html():
    shown = CODES.sub("", html_of(CASES["hostile"]()))
    assert "<script" not in shown
    assert "<img src=x" not in shown
    assert "&lt;script&gt;" in shown
    assert HOSTILE[0] in Page(shown).tables[-1][1][0].replace("\xa0", " ")


@pytest.mark.parametrize("view", [text_of, html_of])
@pytest.mark.parametrize("made", [lost, layouts], ids=["lost", "layouts"])
def test_the_report_is_the_one_that_was_approved(view, made):
    suffix = {text_of: "txt", html_of: "html"}[view]
    approved = Path(__file__).parent / f"approved_sweep_{made.__name__}.{suffix}"
    shown = CODES.sub("", f"{view(made())}\n")  # scripts and styles are those of all reports
    if os.environ.get("APPROVE"):  # after a change that was looked at
        approved.write_text(shown, encoding="utf-8")
    assert shown == approved.read_text(encoding="utf-8")


def test_the_knee_is_said_and_marked_in_words():
    # A sample takes (0.4 ms + 0.1 ms * n) / n: 0.1031 ms at 128, 0.1063 at 64, 0.1125 at 32,
    # and 0.125 at 16, more than 10 % above 0.1031.
    found = batches()
    assert "From batch 32 on, a sample takes 113 µs; more changes that by 8 % at most." in (
        said(found)
    )  # fmt: skip
    assert "At batch 1 it takes 4.44x as long." in said(found)
    assert column(found, "note") == ["", "", "", "", "", "knee", "", ""]


def test_where_time_still_falls_at_the_end_no_knee_is_claimed():
    found = batches(4)
    assert found.knees[0] is found.points[-1]
    sentence = (
        "No knee up to batch 8: a sample takes 150 µs there, and over 10 % longer at batch 4."
    )
    assert sentence in said(found)
    assert "note" not in text_of(found)


def test_where_more_is_slower_again_it_says_so():
    times = {1: 1e-3, 2: 1e-3, 4: 8e-3}  # 1, 0.5 and 2 ms for a sample
    points = [point({"batch": size}, seconds, size) for size, seconds in times.items()]
    sentence = "a sample takes 500 µs; more does not help: at batch 4 it takes 4.00x as long"
    assert f"From batch 2 on, {sentence}" in said(sweep({"batch": times}, points))


def test_where_more_may_be_slower_or_noise_nothing_is_claimed():
    noisy = Measurement(replicates_s=(0.0002, 0.004, 0.0003, 0.009, 0.0005, 0.007))
    points = [point({"batch": 1}, 1e-3, 1), point({"batch": 2}, 1e-3, 2, forward=noisy)]
    found = sweep({"batch": (1, 2)}, points)
    assert "From batch 1 on, a sample takes 1.00 ms; what more changes is lost in noise" in (
        said(found)
    )  # fmt: skip


def test_memory_is_a_sum_for_each_sample_and_one_for_all():
    told = said(batches())
    assert (
        "Each sample adds 1,000 B of memory, beside 500 B whatever the batch, predicted exactly "
        "before each point ran." in told
    )


def test_memory_that_is_not_in_proportion_is_told_as_it_is():
    points = [point({"batch": n}, 1e-3, n, peak_bytes=n**2 * 1024, predicted_bytes=n**2 * 1000)
              for n in (1, 2, 4, 8)]  # fmt: skip
    told = said(sweep({"batch": (1, 2, 4, 8)}, points))
    assert "Memory is not in proportion to the batch: 1.00 KiB at batch 1, 64.0 KiB at batch 8" in (
        told
    )  # fmt: skip
    assert "predicted to within 2.3 %" in told  # 1000 / 1024


def test_what_was_not_measured_is_told_with_its_reason():
    told = text_of(lost())
    assert "! batch 4: failed: RuntimeError: an odd batch" in told
    assert "! batch 8: out of memory: it would need 9 GiB" in told
    assert "! batch 16: not run: larger than what did not fit" in told
    assert "5 points, 2 measured, 1 failed, 1 out of memory, 1 not run" in said(lost())
    assert column(lost(), "note") == ["", "", "failed", "out of memory", "not run"]


def test_many_points_of_one_reason_are_one_sentence():
    points = [point({"batch": size}, None, size, reason="the time is up") for size in range(1, 30)]
    told = said(sweep({"batch": range(1, 30)}, points))
    assert told.count("the time is up") == 1
    assert "batch 1; batch 2; batch 3 and 26 more: not run: the time is up" in told


def test_two_axes_are_compared_where_both_are_past_the_knee_and_shown_as_a_matrix():
    found = layouts()
    assert re.search(
        r"At batch 32, layout channels_last is 2\.00x faster \(1\.9\dx to 2\.\d\dx\) than layout "
        r"contiguous\.",
        said(found),
    )
    matrix, points = Page(html_of(found)).tables
    assert [row[0] for row in matrix] == ["batch", "1", "2", "4", "8", "16", "32", "64"]
    assert matrix[1] == ["1", "500.00", "250.00"]
    assert matrix[0][2].replace("\xa0", " ").startswith("layout channels_last")
    assert [row[1].replace("\xa0", " ") for row in points[1:]] == (
        ["contiguous"] * 7 + ["channels_last"] * 7
    )
    named = [row[0].replace("\xa0", " ") for row in Page(html_of(found)).sums[1]]
    assert named == ["layout contiguous", "layout channels_last"]


def test_a_difference_within_the_noise_is_no_gain():
    noisy = Measurement(replicates_s=(0.7, 1.4, 0.9, 1.2, 0.8, 1.5))
    points = [point({"dtype": name}, 1.0, 2, forward=replace(noisy)) for name in ("a", "b")]
    told = said(sweep({"dtype": ("a", "b")}, points))
    assert "Dtype b is neither faster nor slower beyond noise" in told


def test_values_without_numbers_are_compared_with_the_first():
    assert re.search(
        r"Dtype bfloat16 is 2\.00x slower \(1\.9\dx to 2\.\d\dx\) than dtype float32\.",
        said(dtypes()),
    )


def test_where_there_is_no_knee_to_look_for_cost_is_told_as_it_grows():
    told = said(hosts())
    assert "From size 8 to size 32, time grows 16.00x, MACs grow 16.00x" in told
    assert "knee" not in told


def test_hosts_are_shown_where_they_differ():
    assert "host0, cpu" in text_of(hosts())
    assert "host1, cpu" in text_of(hosts())
    assert "host, cpu" not in text_of(batches())


def test_a_sweep_that_was_only_counted_says_so_and_has_no_column_of_times():
    found = counted()
    assert "2 points, all counted" in said(found)
    assert "not measured: these are counts only" in said(found)
    head = [title.split("[")[0] for title in Page(html_of(found)).tables[-1][0]]
    assert head == ["batch", "MACs", "moved"]


def test_a_training_step_is_a_forward_and_its_backward():
    found = trained()
    assert "the median of 11 forwards and as many backwards" in said(found)
    times = [float(column(found, head)[0]) for head in ("forward", "backward", "per sample")]
    assert times == [1.0, 2.0, 3.0]


def test_digits_are_those_that_were_asked_for():
    assert "a sample takes 112.500 µs" in said(batches(digits=6))


def test_a_terminal_gets_colour_and_its_own_width(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    shown = formed(batches(), "terminal", Terminal())
    assert "\x1b[1m" in shown
    bare = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(map(len, bare.splitlines())) <= 70
    assert "No room here for: " in bare
