"""What a comparison says and shows, and how it is saved; regressions between saved profiles."""

import base64
import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from timed_profiles import measured, saved, timed

import magics
import magics.__main__ as command
from magics.records import Comparison
from magics.records.ratio import Ratio
from magics.records.views import formed
from magics.renderers.ratio_words import counted, ends
from magics.studies.compare import compared
from magics.studies.history import regressions


@pytest.fixture
def dense_and_separable():
    dense = timed(milliseconds=10.0)
    separable = timed(milliseconds=4.0, macs=100_000, kernel="jit_dw", groups=4, name="dw")
    return compared(["dense", "separable"], [dense, separable], interleaved=True)


def test_the_sentence_says_how_many_fewer_how_much_faster_and_why(dense_and_separable):
    said = " ".join(str(dense_and_separable).split())
    assert "8.00x fewer MACs" in said
    assert re.search(r"it is 2\.33x faster \(2\.\d\dx to 2\.\d\dx\), because of 8\.00x", said)
    # Roofs: 4 ms each. Kernels, medians less a call: (10.07 - 0.01) / (4.028 - 0.01) ms.
    # Whole: 10.57 / 4.528 ms.
    assert "the roofline leaves 1.00x" in said
    assert "the kernels 2.50x, and overhead 2.33x" in said
    assert "FLOP/byte of intensity" in said
    assert "jit_dw" in said


@pytest.mark.parametrize(
    ("macs", "milliseconds", "words"),
    [
        (800_000, 11.0, "because with as many MACs the roofline allows 1.00x"),
        (800_000, 10.4, "No step explains the difference: intensity, kernels and overhead"),
        (1_600_000, 25.0, "because with 2.00x more MACs the roofline allows 1.00x"),
    ],
)
def test_what_is_slower_is_not_said_to_be_so_because_of_fewer_macs(macs, milliseconds, words):
    other = timed(milliseconds=milliseconds, macs=macs)
    said = " ".join(str(compared(["A", "B"], [timed(), other], interleaved=True)).split())
    assert "x slower (" in said
    assert words in said
    assert "because of" not in said
    assert "follows the MACs" not in said


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.9, 0.998, "0.900x to 0.998x"),
        (1.0001, 1.2, "1.0001x to 1.2000x"),
        (0.9, 1.002, "0.90x to 1.00x"),
        (1.0, 1.2, "1.00x to 1.20x"),
        (2.001, 3.0, "2.00x to 3.00x"),
    ],
)
def test_an_interval_without_1_never_looks_as_if_it_held_1(low, high, words):
    assert ends(low, high) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.0, ""), (2.0, "2.00x fewer bytes"), (0.5, "2.00x more bytes"),
     (1 / 1.0034, "1.003x more bytes"), (1.00042, "1.0004x fewer bytes")],
)  # fmt: skip
def test_a_count_that_differs_never_looks_as_if_it_were_the_same(value, words):
    assert counted(Ratio(value, value, value), "bytes") == words


def test_without_a_sure_difference_nothing_is_explained():
    found = compared(["A", "B"], [timed(), timed()], interleaved=True)
    said = " ".join(str(found).split())
    assert "neither faster nor slower beyond noise" in said
    assert "because" not in said
    assert "<img" not in found._repr_mimebundle_()["text/html"]


def test_the_picture_is_a_static_drawing_of_all_steps(dense_and_separable):
    html = dense_and_separable._repr_mimebundle_()["text/html"]
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    drawing = base64.b64decode(data).decode()
    for words in ("fewer MACs", "allowed by the roofline", "reached by the kernels", "8.00x"):
        assert words in drawing
    assert "<script" not in drawing
    assert "Of 8.00x in MACs 2.33x is left in time; each bar takes one more reason in." in html
    assert "2.33x faster" in re.search(r'alt="([^"]*)"', html)[1]


def test_bars_stand_in_the_terminal_in_proportion(dense_and_separable):
    lines = [line for line in str(dense_and_separable).splitlines() if "█" in line]
    bars = {line.split("  ")[-2].strip() or line: line.count("█") for line in lines}
    assert len(bars) == 4
    assert max(bars.values()) == 40  # 8x
    assert min(bars.values()) == 5  # 1x


def test_a_terminal_gets_colour_and_its_own_width(dense_and_separable, monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    shown = formed(dense_and_separable, "terminal", Terminal())
    bare = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert shown != bare
    assert max(map(len, bare.splitlines())) <= 70
    assert "No room here for: " in bare


def test_hostile_names_are_text():
    hostile = timed(name="<script>alert(1)</script>")
    found = compared(["<i>A</i>", "B\x1b[31m"], [hostile, timed()], interleaved=True)
    bundle = found._repr_mimebundle_()
    assert "<script>alert" not in bundle["text/html"]
    assert "<i>A</i>" not in bundle["text/html"]
    assert "\x1b" not in bundle["text/plain"]


def test_a_comparison_survives_json_and_renders_without_torch(dense_and_separable, tmp_path):
    place = tmp_path / "comparison.json"
    dense_and_separable.to_json(place)
    assert Comparison.from_json(place) == dense_and_separable
    code = (
        "import sys, pathlib, magics\n"
        f"found = magics.Comparison.from_json(pathlib.Path({str(place)!r}))\n"
        "bundle = found._repr_mimebundle_()\n"
        "assert set(bundle) == {'text/plain', 'text/html'}\n"
        "assert 'torch' not in sys.modules and 'IPython' not in sys.modules\n"
        "print(found)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert done.stdout.strip() == str(dense_and_separable).strip()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["matches"].append([5, 0]), "no such layers"),
        (lambda data: data["matches"].append([None, None]), "no such layers"),
        (lambda data: data["names"].pop(), "with a name each"),
        (lambda data: data.pop("profiles"), "no 'profiles' in it"),
        (lambda data: data.update(interleaved=1), "interleaved: not true or false"),
    ],
)
def test_a_damaged_file_is_one_clear_error(dense_and_separable, change, message):
    data = json.loads(dense_and_separable.to_json())
    change(data)
    with pytest.raises(magics.ConvProfileError, match=message):
        Comparison.from_json(json.dumps(data))


def test_the_csv_has_a_line_for_each_row(dense_and_separable):
    lines = list(csv.DictReader(io.StringIO(dense_and_separable.to_csv())))
    assert [line["A_name"] for line in lines] == ["conv", "everything else"]
    assert float(lines[0]["macs_A_over_B_value"]) == 8.0
    assert dense_and_separable.to_html().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("later", "allowed", "status"),
    [
        (10.0, "5%", 0),  # the same
        (12.0, "5%", 1),
        (12.0, "5", 1),
        (12.0, "25%", 0),  # beyond noise, but allowed
        (10.6, "5%", 1),
        (8.0, "0%", 0),  # faster
        (12.0, None, 0),  # nobody asked
    ],
)
def test_the_exit_status_is_1_for_a_regression_beyond_noise_and_threshold(
    tmp_path, capsys, later, allowed, status
):
    files = [saved(tmp_path, "a.json", timed()),
             saved(tmp_path, "b.json", timed(milliseconds=later))]  # fmt: skip
    threshold = ["--fail-over", allowed] if allowed else []
    assert command.main(["compare", *files, *threshold]) == status
    said = capsys.readouterr()
    assert said.err == ""
    assert ("Regression: " in said.out) == (status == 1 or (allowed is None and later > 10))


def test_a_difference_within_the_noise_is_no_regression(tmp_path):
    noisy = [7.0, 14.0, 9.0, 12.0, 8.0, 15.0]
    one = replace(timed(), plain=measured(*noisy))
    two = replace(timed(), plain=measured(*(1.2 * value for value in noisy)))
    files = [saved(tmp_path, "a.json", one), saved(tmp_path, "b.json", two)]
    assert command.main(["compare", *files, "--fail-over", "5%"]) == 0


def test_without_times_counts_are_compared(tmp_path):
    one = replace(timed(forward=None), plain=None)
    more = replace(timed(forward=None, macs=900_000), plain=None)
    files = [saved(tmp_path, "a.json", one), saved(tmp_path, "b.json", more)]
    assert command.main(["compare", *files, "--fail-over", "5%"]) == 1
    assert command.main(["compare", *files, "--fail-over", "20%"]) == 0


def test_a_layer_that_makes_the_whole_slower_by_more_than_is_allowed_is_named():
    one, two = timed(), timed(milliseconds=12.0)
    two = replace(two, plain=one.plain)
    found = compared(["last", "now"], [one, two], interleaved=False)
    (text,) = regressions(found, 0.05)
    assert text.startswith("now, conv: forward 1.20x as long")
    assert list(regressions(found, 0.5)) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "FILE: two saved profiles at least (got 0)"),
        (["a.json"], "FILE: two saved profiles at least (got 1)"),
        (["a.json", "nowhere.json"], "nowhere.json: can't be read (No such file or directory)"),
        (["a.json", "wrong.json"], "wrong.json: from_json: no saved profile"),
        (["a.json", "a.json", "--fail-over", "much"], "--fail-over: not a percentage (got 'much')"),
        (["a.json", "a.json", "--fail-over", "-5%"], "--fail-over"),
        (["a.json", "a.json", "--fail-ovr", "5%"], "--fail-ovr: no such option; did you mean"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_2(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path, "a.json", timed())
    (tmp_path / "wrong.json").write_text("no json")
    assert command.main(["compare", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("python -m magics compare: ")
    assert message in said.err
    assert said.err.count("\n") == 1
