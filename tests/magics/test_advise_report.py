"""What advice says and shows: made by hand, so that every number is known."""

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import magics
from magics.records import Advice, Measurement, Suggestion
from magics.records.views import formed

LINK = "https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html"


def measured(milliseconds, count=12):
    return Measurement(
        replicates_s=tuple(1e-3 * milliseconds * (1 + 0.001 * n) for n in range(count))
    )


def suggestion(name="fold", verdict="helps", before=10.0, after=5.0, **changes):
    times = {} if before is None else {"before": measured(before), "after": measured(after)}
    values = {"why": f"because of {name}", "link": LINK, "code": f"model = {name}(model)"}
    return Suggestion(name=name, verdict=verdict, **times, **{**values, **changes})


def untimed(name, verdict, **changes):
    return suggestion(name, verdict, before=None, **changes)


ADVICE = Advice(
    model="Net",
    inputs="1x3x8x8 float32",
    baseline="A forward under torch.no_grad() in eval mode, on cpu with 1 thread.",
    suggestions=(
        untimed("checkerboard", "look at", layers=("up",)),
        untimed("gridding", "does not apply", code=""),
        suggestion("channels_last", after=8.0, error=0.0, tolerance=1e-5),
        suggestion("fold", error=1.25e-7, tolerance=1e-5, cost="no more training"),
        suggestion("pools", "no gain", after=10.0, error=0.0, tolerance=0.0),
        suggestion("bfloat16", "hurts", after=20.0, error=3e-3, tolerance=2e-2),
        suggestion("mixed", "changes the result", error=0.5, tolerance=1e-5),
        suggestion("compile", after=6.0, once_s=12.0),
        untimed("batch", "not tried", code=""),
        suggestion("accumulation", "helps", before=10.0, after=12.0, bytes_before=4 << 20,
                   bytes_after=1 << 20),
    ),
    environment={"machine": "Some Processor", "torch": "2.13.0"},
    warnings=("Others work on this machine.",),
)  # fmt: skip


class Tags(HTMLParser):
    """Collects what an HTML text is made of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.codes, self._in_code = [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag == "pre":
            self.codes.append("")
            self._in_code = True

    def handle_endtag(self, tag):
        if tag == "pre":
            self._in_code = False

    def handle_data(self, data):
        if self._in_code:
            self.codes[-1] += data


def test_what_helps_most_comes_first_and_what_was_not_tried_last():
    assert [one.name for one in ADVICE] == [
        "fold", "compile", "channels_last", "accumulation", "checkerboard", "pools", "bfloat16",
        "mixed", "gridding", "batch",
    ]  # fmt: skip
    assert [one.name for one in ADVICE.helps] == [
        "fold", "compile", "channels_last", "accumulation"
    ]  # fmt: skip


def test_the_text_says_gain_interval_error_cost_and_code():
    said = str(ADVICE)
    assert "Advice for Net on 1x3x8x8 float32" in said
    flat = " ".join(said.split())
    assert re.search(r"1\. fold: 2\.00x faster \(1\.9\dx to 2\.0\dx\); the result differs by "
                     r"1\.2e-07 of the largest output, within the 1e-05", flat)  # fmt: skip
    assert "Cost: no more training" in flat
    assert "       model = fold(model)\n" in said
    assert "the result is the same bit for bit" in flat
    # 10 ms before, 6 ms after: 12 s are 3,000 times the 4 ms saved; medians are 1.0055 as long.
    assert "12 s once, paid back after 2,984 calls" in flat
    assert "1.00 MiB of memory at most instead of 4.00 MiB" in flat
    assert "! Others work on this machine." in said
    assert "Some Processor, torch 2.13.0" in flat


def test_what_does_not_help_is_said_in_a_line_each_and_the_rest_in_a_sentence():
    said = " ".join(str(ADVICE).split())
    assert "* pools: neither faster nor slower beyond noise" in said
    assert "What hurts here * bfloat16: 2.00x slower" in said
    assert "What changes the result * mixed:" in said
    assert "more than the 1e-05 that counts as the same" in said
    assert "Does not apply: gridding (because of gridding)." in said
    assert "Not tried: batch (because of batch)." in said


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (measured(1.0, count=1), "too few rounds"),
        (Measurement(replicates_s=(1e-3, 1e-1) * 4), "lost in noise ("),
    ],
)
def test_what_noise_hides_is_not_said_to_be_no_help(after, words):
    one = replace(suggestion("threads", "no gain"), after=after)
    said = " ".join(str(replace(ADVICE, suggestions=(one,))).split())
    assert "What is lost in noise here * threads: not known to be faster or slower:" in said
    assert words in said
    assert "does not help" not in said
    assert "0.00x" not in said


def test_every_line_of_advice_has_its_link():
    bundle = ADVICE._repr_mimebundle_()
    tags = Tags(bundle["text/html"])
    assert tags.links == [LINK] * len(ADVICE)
    said = " ".join(bundle["text/plain"].split())
    assert said.count(f"See {LINK}") == len(ADVICE) - 2  # those in a sentence have none there


def test_html_and_text_say_the_same():
    bundle = ADVICE._repr_mimebundle_()
    text = " ".join(re.sub(r"<[^>]+>", " ", bundle["text/html"]).split())
    for words in ("2.00x faster", "no more training", "2,984 calls", "beyond noise", "Net on",
                  "Others work on this machine.", "because of gridding"):  # fmt: skip
        assert words in text
        assert words in " ".join(bundle["text/plain"].split())


def test_an_untrusted_page_keeps_everything():
    """JupyterLab drops styles and scripts there; there are none to drop."""
    tags = Tags(ADVICE._repr_mimebundle_()["text/html"])
    assert not {"script", "style", "svg", "button", "input"} & set(tags.tags)
    assert "model = fold(model)" in tags.codes


def test_code_can_be_copied_as_it_is():
    lines = "for name in ['a<b', 'c&d']:\n    if name > 'b':\n        print(name)"
    found = Advice(model="Net", inputs="", baseline="", suggestions=(suggestion(code=lines),))
    assert Tags(found._repr_mimebundle_()["text/html"]).codes == [lines]
    kept = [line[7:] for line in str(found).splitlines() if line.startswith(" " * 7)]
    assert "\n".join(kept) == lines


def test_hostile_names_are_text():
    hostile = "<script>alert(1)</script>\x1b[31m"
    found = Advice(
        model=hostile, inputs=hostile, baseline=hostile, warnings=(hostile,),
        suggestions=(
            suggestion(hostile, why=hostile, cost=hostile, code=hostile, layers=(hostile,)),
            untimed(hostile, "does not apply", why=hostile, code=""),
            suggestion(hostile, "no gain", after=10.0, why=hostile),
        ),
    )  # fmt: skip
    bundle = found._repr_mimebundle_()
    assert "<script>" not in bundle["text/html"]
    assert "<script>" not in found.to_html().replace("<!DOCTYPE html>", "")
    assert "\x1b" not in bundle["text/plain"]


def test_where_nothing_helps_that_is_what_is_said():
    found = Advice(model="Net", inputs="", baseline="", suggestions=(
        suggestion("pools", "no gain", after=10.0), untimed("checkerboard", "look at"),
    ))  # fmt: skip
    said = " ".join(str(found).split())
    assert "Nothing that was tried makes it surely faster; 1 thing is worth a look." in said
    empty = Advice(model="Net", inputs="", baseline="", suggestions=())
    assert "Nothing was timed." in str(empty)
    assert "<div" in empty._repr_mimebundle_()["text/html"]
    assert "nothing of 0 helps" in repr(empty)


def test_what_others_disturbed_is_worth_a_look_and_no_help():
    some = suggestion("one thread", "look at", after=0.1, disturbed=True)
    made = replace(ADVICE, suggestions=(some,))
    text = " ".join(str(made).split())
    assert "Nothing that was tried makes it surely faster; 1 thing is worth a look." in text
    assert "try it again on a quiet one" in text
    assert "quiet" not in str(replace(made, suggestions=(replace(some, disturbed=False),)))


def test_a_gain_that_may_be_none_is_not_called_a_help():
    noisy = Measurement(replicates_s=(7e-3, 14e-3, 9e-3, 12e-3))
    with pytest.raises(ValueError, match="helps nothing that was measured"):
        Suggestion(name="x", verdict="helps", why="", link=LINK, before=noisy, after=measured(9, 4))
    with pytest.raises(ValueError, match="verdict: not one of"):
        untimed("x", "splendid")


def test_the_more_claims_share_the_level_the_wider_the_interval():
    noisy = Measurement(replicates_s=tuple(1e-3 * (10 + n % 3) for n in range(12)))
    one, many = (
        Suggestion(name="x", verdict="helps", why="", link=LINK, before=noisy, after=measured(5),
                   claims=claims).gain
        for claims in (1, 12)
    )  # fmt: skip
    assert many.low < one.low < one.value < one.high < many.high


def test_it_never_pays_back_where_there_is_no_sure_gain():
    assert suggestion("compile", "no gain", after=10.0, once_s=12.0).break_even is None
    assert suggestion("compile", "hurts", after=12.0, once_s=12.0).break_even is None


def test_advice_survives_json_and_renders_without_torch(tmp_path):
    place = tmp_path / "advice.json"
    ADVICE.to_json(place)
    assert Advice.from_json(place) == ADVICE
    code = (
        "import sys, pathlib, magics\n"
        f"found = magics.Advice.from_json(pathlib.Path({str(place)!r}))\n"
        "assert set(found._repr_mimebundle_()) == {'text/plain', 'text/html'}\n"
        "assert 'torch' not in sys.modules and 'IPython' not in sys.modules\n"
        "print(found)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert done.stdout.strip() == str(ADVICE).strip()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("baseline"), "no 'baseline' in it"),
        (lambda data: data["suggestions"][0].update(verdict="fine"), "verdict: not one of"),
        (lambda data: data["suggestions"][4].update(verdict="helps"), "helps nothing"),
        (lambda data: data.update(suggestions=3), "suggestions: not a list"),
    ],
)
def test_a_damaged_file_is_one_clear_error(change, message):
    data = json.loads(ADVICE.to_json())
    change(data)
    with pytest.raises(magics.ConvProfileError, match=message):
        Advice.from_json(json.dumps(data))


def test_the_csv_has_a_line_for_each_suggestion():
    lines = list(csv.DictReader(io.StringIO(ADVICE.to_csv())))
    assert [line["name"] for line in lines] == [one.name for one in ADVICE]
    assert float(lines[0]["gain"]) == pytest.approx(2)
    assert float(lines[0]["gain_low"]) < 2 < float(lines[0]["gain_high"])
    assert lines[1]["break_even_calls"] == "2984"
    assert lines[0]["code"] == "model = fold(model)"


def test_a_suggestion_is_found_by_its_name():
    assert ADVICE["fold"].gain.value == pytest.approx(2)
    with pytest.raises(KeyError, match="no such suggestion"):
        ADVICE["flod"]


def test_a_terminal_gets_colour_and_its_own_width_but_no_broken_code(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    shown = formed(ADVICE, "terminal", Terminal())
    assert "\x1b[1mWhat helps\x1b[0m" in shown
    bare = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    prose = [line for line in bare.splitlines() if "https://" not in line]
    assert max(map(len, prose)) <= 70
    assert "       model = fold(model)" in bare.splitlines()
