"""What a spread over ranks says and shows, and how it is saved."""

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from math import isclose

import pytest
from examples import HOSTILE, layer, profile

from magics.errors import RecordError
from magics.records import Measurement, Rank, Spread
from magics.studies.ranking import doubts as rank_doubts


def times(*milliseconds):
    return Measurement(replicates_s=tuple(1e-3 * value for value in milliseconds))


def steady(milliseconds, rounds=12):
    """Return replicates that differ by thousandths, the same way for everybody."""
    return times(*(milliseconds * (1 + 0.001 * (n % 3)) for n in range(rounds)))


def rank(number, *, step=None, alone=None, slow=1.0, name="conv", **changes):
    rows = [layer(name, forward=steady(2 * slow), backward=steady(4.0)),
            layer("head", kind="linear", forward=steady(1.0), backward=steady(1.0))]  # fmt: skip
    made = profile(rows, plain=steady(3 * slow + 1), plain_backward=steady(5.0), ceilings=None)
    values = {"host": "alpha", "device": "cpu", "profile": made, "step": step, "alone": alone}
    return Rank(number=number, **{**values, **changes})


@pytest.fixture
def spread():
    """Steps of 10 ms, 8 without synchronising; rank 2 is half again as slow in the convolution."""
    return Spread(
        ranks=(
            rank(0, step=steady(10.0), alone=steady(6.4)),
            rank(1, step=steady(10.0), alone=steady(6.5), host="beta"),
            rank(2, step=steady(10.0), alone=steady(8.0), slow=1.5, host="beta"),
        ),
        backend="gloo",
        reduction=steady(4.0),
        bucket_bytes=(3 * 2**20, 2**20),
        broadcast_bytes=264,
        settings={"bucket_cap_mb": "25", "find_unused_parameters": "False"},
    )


def said(spread):
    return " ".join(str(spread).split())


def test_a_sentence_says_what_of_a_step_is_communication(spread):
    """The slowest rank counts: 10 ms with, 8 ms without, so 2 ms and a fifth are lost."""
    assert re.search(r"20\.0 % of a training step, 2\.00 ms of 10\.0 ms, is communication "
                     r"\(1\d\.\d % to 2\d\.\d %\)\.", said(spread))  # fmt: skip
    assert isclose(spread.communication.share, 0.2)
    assert isclose(spread.communication.lost_s, 0.2 * spread.communication.step.median_s)


def test_half_of_the_reduction_is_hidden(spread):
    """4 ms by itself, 2 ms lost."""
    assert isclose(spread.communication.hidden, 0.5, rel_tol=0.01)
    assert "reducing takes 4.00 ms; 50 % of that goes on behind the backward" in said(spread)


def test_the_header_says_who_took_part_and_what_is_sent(spread):
    text = said(spread)
    assert text.startswith("Net on 1x3x8x8 float32, on 3 ranks")
    assert "rank 0 on alpha, cpu; ranks 1 and 2 on beta, cpu; gradients go through gloo" in text
    assert "a step reduces 4.00 MiB of gradients in 2 buckets (3.00 MiB, 1.00 MiB)" in text
    assert "a forward broadcasts 264 B of buffers" in text


def test_many_ranks_of_one_machine_are_named_as_a_range():
    everybody = tuple(rank(number) for number in range(8))
    assert "ranks 0 to 7 on alpha, cpu" in said(Spread(ranks=everybody, backend="gloo"))


def test_a_rank_that_is_always_slower_is_named(spread):
    slow = spread.straggler
    assert spread.ranks[slow.place].number == 2
    assert isclose(slow.ratio.value, 8.0 / 6.45, rel_tol=0.01)
    text = said(spread)
    assert "rank 0 waits longest for the slowest one, 1.60 ms" in text
    assert "rank 2 is always slower: in 100 % of the steps it is the last, 1.24x the others" in text
    assert "All wait for rank 2 in every step: look for other programs" in text


def test_ranks_that_take_turns_at_being_slow_are_no_stragglers():
    turns = [times(*(10 + (n % 2 == place) for n in range(12))) for place in (0, 1)]
    found = Spread(ranks=tuple(rank(n, step=turns[n], alone=turns[n]) for n in (0, 1)), backend="")
    assert found.straggler is None
    assert "no rank is always the slowest" in said(found)


def test_the_table_names_the_slowest_rank_where_that_is_sure(spread):
    lines = list(csv.DictReader(io.StringIO(spread.to_csv())))
    first = lines[0]
    assert first["name"] == "conv"
    assert isclose(float(first["forward_fastest_s"]), 2.002e-3, rel_tol=0.01)
    assert isclose(float(first["forward_slowest_s"]), 3.003e-3, rel_tol=0.01)
    assert (first["forward_slowest_rank"], first["forward_sure"]) == ("2", "True")
    assert isclose(float(first["forward_spread"]), 0.5)
    assert lines[1]["forward_sure"] == "False"
    assert [float(first[f"forward_rank{n}_s"]) for n in range(3)] == [
        one.profile.layers[0].forward.median_s for one in spread.ranks
    ]
    row = next(line for line in str(spread).splitlines() if line.startswith("conv "))
    assert "rank 2" in row
    assert "50.0 %" in row
    assert "rank" not in next(line for line in str(spread).splitlines() if line.startswith("head"))
    assert "ranks differ most in conv, forward (rank 2: 1.00 ms more)" in said(spread)


def test_nothing_is_called_lost_that_may_be_noise():
    noisy = times(10, 12, 9, 11, 10, 13, 9, 12)
    other = times(10.2, 11.5, 9.4, 10.6, 10.5, 12.6, 9.1, 12.2)
    found = Spread(ranks=(rank(0, step=noisy, alone=other), rank(1, step=noisy, alone=other)),
                   backend="gloo", reduction=steady(1.0), bucket_bytes=(100,))  # fmt: skip
    text = said(found)
    assert "No time is surely lost to communication (at most" in text
    assert "is communication" not in text
    assert "Gradient accumulation" not in text


def test_remedies_are_for_what_was_found(spread):
    text = said(spread)
    # 2 ms in one step of four: 0.5 of 8.5 ms.
    assert "with 3 of 4 steps in it, 5.9 % of the time would be lost instead of 20.0 %" in text
    assert "broadcast_buffers=False" in text
    assert "bf16_compress_hook" in text
    assert "static_graph" not in text
    unused = replace(spread, settings={"find_unused_parameters": "True"})
    assert "static_graph=True looks once" in said(unused)
    assert "gradient_as_bucket_view" not in text
    copied = replace(spread, settings={"gradient_as_bucket_view": "False"})
    assert "4.00 MiB less to copy and to keep" in said(copied)
    one = replace(spread, bucket_bytes=(4 * 2**20,), reduction=steady(2.0))
    assert "a smaller one (bucket_cap_mb below 25) starts earlier" in said(one)
    many = replace(spread, bucket_bytes=(2**18,) * 12)
    assert "12 buckets of 256 KiB each: fewer and larger ones" in said(many)


def test_without_steps_the_layers_are_shown_all_the_same():
    found = Spread(ranks=(rank(0), rank(1)), backend="")
    assert found.communication is None
    assert found.straggler is None
    assert "The time lost to communication was not measured." in str(found)
    assert "conv" in str(found)


def test_one_rank_is_shown_and_warned_of():
    alone = rank(0, step=steady(10.0), alone=steady(9.0))
    found = Spread(ranks=(alone,), backend="gloo", warnings=tuple(rank_doubts.about([alone])))
    text = said(found)
    assert "! One rank only: it has nobody to wait for." in text
    assert "waits longest" not in text
    assert "is what data parallelism takes by itself" in text
    assert all(not row.forward.is_sure for row in found.rows)


def test_doubts_name_the_ranks_that_differ():
    def other(number, **facts):
        one = rank(number)
        made = replace(one.profile, environment={**one.profile.environment, **facts})
        return replace(one, profile=replace(made, warnings=("Busy.",) * (number > 0)))

    ranks = [other(0, clock="wall"), other(1, clock="cpu"), other(2, clock="cpu", torch="2.4.0")]
    doubts = list(rank_doubts.about(ranks))
    assert any("different clocks (wall on rank 0, cpu on ranks 1 and 2)" in text for text in doubts)
    assert "Ranks differ in torch: 2.13.0 on ranks 0 and 1, 2.4.0 on rank 2." in doubts
    assert "Ranks 1 and 2: Busy." in doubts
    assert any(text.startswith("The model is in eval mode") for text in doubts)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name):
    ranks = tuple(
        rank(n, name=name, host=name, step=steady(9.0), alone=steady(8.0)) for n in (0, 1)
    )
    found = Spread(ranks=ranks, backend=name, warnings=(name,), bucket_bytes=(8,))
    bundle = found._repr_mimebundle_()
    for markup in ("<script>alert", "<img src=x", "</td></table><img"):
        assert markup not in bundle["text/html"]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", bundle["text/plain"])


def test_the_page_says_the_same_as_the_text(spread, tmp_path):
    page = spread.to_html(tmp_path / "spread.html")
    assert (tmp_path / "spread.html").read_text(encoding="utf-8") == page
    assert page.startswith("<!DOCTYPE html>")
    assert "20.0 % of a training step, 2.00 ms of 10.0 ms, is communication" in page
    assert "What would help" in page
    assert page.count("<tr") == 2 + 2 + 1  # head and total; two layers, everything else


def test_a_spread_survives_json_and_renders_without_torch(spread, tmp_path):
    place = tmp_path / "spread.json"
    spread.to_json(place)
    assert Spread.from_json(place) == spread
    code = (
        "import sys, pathlib, magics\n"
        f"found = magics.Spread.from_json(pathlib.Path({str(place)!r}))\n"
        "assert set(found._repr_mimebundle_()) == {'text/plain', 'text/html'}\n"
        "assert 'torch' not in sys.modules and 'IPython' not in sys.modules\n"
        "print(found)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert done.stdout.strip() == str(spread).strip()
    assert repr(spread) == "<Spread of Net over 3 ranks with gloo>"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["ranks"].clear(), "none, or one of them twice"),
        (lambda data: data["ranks"][1].update(number=0), "none, or one of them twice"),
        (lambda data: data["ranks"][1]["profile"]["layers"].pop(), "other layers than the first"),
        (lambda data: data["ranks"][2].update(step=None), "step: not as many on every rank"),
        (lambda data: data["ranks"][2]["alone"]["replicates_s"].pop(), "alone: not as many"),
        (lambda data: data.pop("backend"), "no 'backend' in it"),
        (lambda data: data.update(bucket_bytes="4"), "bucket_bytes: not a list"),
    ],
)
def test_a_record_that_does_not_fit_together_is_refused(spread, change, message):
    data = json.loads(spread.to_json())
    change(data)
    with pytest.raises(RecordError, match=message):
        Spread.from_json(json.dumps(data))


def test_digits_are_those_asked_for(spread):
    assert "2.002 ms of 10.01 ms" in said(replace(spread, digits=4))
