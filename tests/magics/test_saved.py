"""What every whole result has from its base: ways out, a way back, a face."""

import copy
import csv
import io
import pickle
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from examples import everything

from magics.errors import RecordError
from magics.records import Comparison, register_form, register_view
from magics.records.saved import Saved

TWO = Comparison(
    names=("this", "that"),
    profiles=(everything(), replace(everything(), model="Other")),
    matches=((0, 0), (1, None)),
    interleaved=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess(Saved):
    _word: ClassVar[str] = "guess"

    numbers: tuple[int, ...] = ()

    def _lines(self) -> list[dict[str, Any]]:
        return [{"number": number} for number in self.numbers]


register_view("text/plain", lambda guess: f"guesses: {guess.numbers}", of="Guess")
register_form("page", lambda guess: f"<p>{guess.numbers}", of="Guess")


def test_a_new_record_is_saved_read_and_shown_without_a_line_of_its_own(tmp_path):
    guess = Guess(numbers=(4, 2))
    guess.to_json(tmp_path / "guess.json")
    assert Guess.from_json(tmp_path / "guess.json") == guess == Guess.from_json(guess.to_json())
    assert guess.to_csv() == "number\n4\n2\n"
    assert list(guess.to_dataframe()["number"]) == [4, 2]
    assert guess.to_html() == "<p>(4, 2)"
    assert str(guess) == "guesses: (4, 2)"
    assert guess._repr_mimebundle_() == {"text/plain": str(guess)}


def test_a_record_stays_a_plain_frozen_one_with_slots():
    guess = Guess(numbers=(4, 2))
    assert not hasattr(guess, "__dict__")
    assert pickle.loads(pickle.dumps(guess)) == copy.deepcopy(guess) == guess
    assert hash(guess) == hash(Guess(numbers=(4, 2)))
    assert repr(guess) == "Guess(numbers=(4, 2))"


def test_the_error_says_what_the_text_should_have_been():
    with pytest.raises(RecordError, match=r"^from_json: no saved guess \(got 'nothing'\); pass"):
        Guess.from_json("nothing")
    with pytest.raises(RecordError, match=r"^from_json: guess\.numbers: not a list \(got 3\)"):
        Guess.from_json('{"schema": 1, "numbers": 3}')
    with pytest.raises(RecordError, match=r"^from_json: no saved comparison"):
        Comparison.from_json("[]")


def test_a_table_without_rows_is_an_empty_text():
    assert Guess().to_csv() == ""


def test_columns_of_times_and_sizes_are_numbers_where_none_is_known():
    made = everything()
    unknown = dict.fromkeys(("forward", "per_call", "backward", "saved_bytes", "peak_bytes"))
    layers = tuple(replace(layer, **unknown) for layer in made.layers)
    frame = replace(made, layers=layers, other=replace(made.other, **unknown)).to_dataframe()
    for name in ("forward_s", "forward_per_call_s", "backward_iqr_s", "saved_bytes"):
        assert frame[name].dtype == "float64"
        assert frame[name].isna().all()


def test_a_comparison_becomes_a_data_frame_with_the_columns_of_its_csv():
    frame = TWO.to_dataframe()
    assert list(frame.columns) == next(csv.reader(io.StringIO(TWO.to_csv())))
    assert list(frame["A_macs"]) == [row.layers[0].macs for row in TWO.rows]
    assert frame["B_name"].isna().tolist() == [False, True, False]
