"""A profile goes out and comes back the same, and what it derives follows from what it holds."""

import csv
import io
import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from examples import HOSTILE, everything, layer, profile
from hypothesis import given
from hypothesis import strategies as st

from magics.errors import RecordError
from magics.records import (
    Ceilings,
    LayerProfile,
    Measurement,
    Profile,
    ReceptiveField,
    Uncounted,
)

counts = st.integers(0, 10**15)
seconds = st.floats(allow_nan=False, allow_infinity=False, width=32)
sizes = st.lists(st.integers(1, 512), max_size=4).map(tuple)
words = st.text(max_size=20)
measurements = st.none() | st.builds(
    Measurement,
    replicates_s=st.lists(seconds, min_size=1, max_size=6).map(tuple),
    clock=st.sampled_from(["wall", "cpu", "cuda"]),
)
fields = st.builds(
    ReceptiveField,
    size=sizes,
    stride=st.lists(seconds, max_size=3).map(tuple),
    whole_input=st.booleans(),
)
layers = st.builds(
    LayerProfile,
    name=words,
    kind=words,
    input_shape=sizes,
    kernel_size=sizes,
    padding=st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3)), max_size=3).map(tuple),
    params=counts,
    macs=counts,
    bytes_moved=counts,
    forward=measurements,
    backward=measurements,
    saved_bytes=st.none() | counts,
    bound=st.none() | st.sampled_from(["compute", "memory", "kernel", "overhead"]),
    roof_s=st.none() | seconds,
    receptive_field=st.none() | fields,
    note=words,
)
positive = st.floats(1e-3, 1e15)
ceilings = st.builds(
    Ceilings,
    flops_per_s=positive,
    bandwidth=st.lists(st.tuples(st.integers(1, 2**40), positive), min_size=1, max_size=4).map(
        tuple
    ),
)
profiles = st.builds(
    Profile,
    model=words,
    inputs=words,
    layers=st.lists(layers, max_size=4).map(tuple),
    other=layers,
    params=counts,
    uncounted=st.lists(st.builds(Uncounted, op=words, layer=words, calls=counts), max_size=2).map(
        tuple
    ),
    warnings=st.lists(words, max_size=2).map(tuple),
    environment=st.dictionaries(words, words, max_size=3),
    plain=measurements,
    instrumented=measurements,
    memory=st.dictionaries(words, counts, max_size=3),
    ceilings=st.none() | ceilings,
)


@given(profiles)
def test_a_profile_comes_back_from_json_as_it_went(made):
    assert Profile.from_json(made.to_json()) == made


def test_a_profile_comes_back_from_a_file_whatever_its_layers_are_called(tmp_path):
    made = profile([layer(name) for name in HOSTILE])
    path = tmp_path / "saved.json"
    text = made.to_json(path)
    assert Profile.from_json(path) == made == Profile.from_json(text)
    made.to_json(str(path))
    assert Profile.from_json(path) == made


def test_json_begins_with_the_version_of_its_schema():
    assert next(iter(json.loads(everything().to_json()))) == "schema"
    assert json.loads(everything().to_json())["schema"] == 1


def test_what_an_older_version_did_not_write_has_its_default():
    data = json.loads(everything().to_json())
    kept = {"schema", "model", "inputs", "layers", "other", "params"}
    old = {name: value for name, value in data.items() if name in kept}
    old["layers"] = [{"name": "conv", "kind": "conv2d", "macs": 7}]
    read = Profile.from_json(json.dumps(old))
    assert read.layers == (LayerProfile(name="conv", kind="conv2d", macs=7),)
    assert read.plain is None
    assert read.memory == {}


def test_a_newer_schema_is_refused_in_words():
    text = json.dumps({**json.loads(everything().to_json()), "schema": 99})
    with pytest.raises(RecordError) as caught:
        Profile.from_json(text)
    assert str(caught.value) == (
        "from_json: schema 99 is newer than 1, the newest known here; update nbimport-convprofile"
    )


@pytest.mark.parametrize(
    "text",
    ["", "no", "[]", "{}", "null", "7", '{"schema": 1}', '{"schema": "1"}', '{"schema": 0}',
     '{"schema": true}', "[" * 100_000, '{"schema": null, "model": 1}'],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_what_is_no_profile_is_refused_in_one_line(text):
    with pytest.raises(RecordError) as caught:
        Profile.from_json(text)
    message = str(caught.value)
    assert message.startswith("from_json: ")
    assert len(message.splitlines()) == 1
    assert len(message) < 200


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("params",), "7", "profile.params: not a whole number (got '7')"),
        (("params",), 7.5, "profile.params: not a whole number (got 7.5)"),
        (("params",), True, "profile.params: not a whole number (got True)"),
        (("model",), None, "profile.model: not text (got None)"),
        (("layers",), {}, "profile.layers: not a list (got {})"),
        (("layers", 2, "macs"), [], "profile.layers[2].macs: not a whole number (got [])"),
        (("layers", 0, "padding", 1), [1], "profile.layers[0].padding[1]: not a list of 2"),
        (("layers", 0, "forward", "replicates_s"), [], "profile.layers[0].forward: replicates_s"),
        (("layers", 0, "forward"), 3, "profile.layers[0].forward: not a Measurement (got 3)"),
        (("environment", "mode"), 1, "profile.environment.mode: not text (got 1)"),
        (("memory",), [], "profile.memory: not a table (got [])"),
        (("ceilings", "flops_per_s"), -1, "profile.ceilings: Ceilings: rates"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(path, value, where):
    data = json.loads(everything().to_json())
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(RecordError) as caught:
        Profile.from_json(json.dumps(data))
    assert str(caught.value).startswith(f"from_json: {where}")


def test_a_missing_field_is_named():
    data = json.loads(everything().to_json())
    del data["layers"][1]["name"]
    with pytest.raises(RecordError, match=r"profile\.layers\[1\]: no 'name' in it"):
        Profile.from_json(json.dumps(data))


def places(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    for step, item in children:
        yield from places(item, (*path, step))


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | seconds | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


@given(st.data())
def test_garbage_anywhere_is_refused_or_shows_itself(data):
    saved = json.loads(everything().to_json())
    path = data.draw(st.sampled_from([path for path in places(saved) if path]))
    inner = saved
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = data.draw(GARBAGE)
    try:
        read = Profile.from_json(json.dumps(saved))
    except RecordError:
        return
    assert set(read._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_csv_has_a_line_for_each_row_and_everything_else(tmp_path):
    made = profile([layer(name, place) for place, name in enumerate(HOSTILE[:-1], 1)])
    path = tmp_path / "saved.csv"
    rows = list(csv.DictReader(io.StringIO(made.to_csv(path))))
    assert [row["name"] for row in rows] == [*HOSTILE[:-1], "everything else"]
    assert sum(int(row["macs"]) for row in rows) == made.total.macs
    assert float(rows[1]["forward_s"]) == 0.004
    assert path.read_text(encoding="utf-8") == made.to_csv()


def test_a_data_frame_has_the_columns_of_the_csv():
    made = everything()
    frame = made.to_dataframe()
    assert list(frame.columns) == made.to_csv().splitlines()[0].split(",")
    assert frame["macs"].sum() == made.total.macs
    assert list(frame["forward_s"]) == [0.002, 0.004, 0.006, 0.001]


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=30))
def test_median_and_iqr_are_those_of_numpy(times):
    made = Measurement(replicates_s=tuple(times))
    low, middle, high = np.percentile(times, [25, 50, 75])
    assert made.median_s == pytest.approx(middle)
    assert made.iqr_s == pytest.approx(high - low, abs=1e-9)
    assert made.minimum_s == min(times)
    assert made.count == len(times)


def test_halves_of_the_replicates_tell_the_noise():
    assert Measurement(replicates_s=(1.0, 2.0, 1.0, 2.0)).split_half == pytest.approx(1 / 1.5)
    assert Measurement(replicates_s=(1.0, 2.0, 3.0)).split_half is None


def test_a_measurement_without_replicates_is_refused():
    with pytest.raises(ValueError, match="replicates_s: empty"):
        Measurement(replicates_s=())


def test_rates_follow_from_counts_and_times():
    row = layer(macs=500, elementwise_flops=24, bytes_moved=256, roof_s=0.0005)
    assert row.flops == 1000
    assert row.arithmetic_intensity == 4.0
    assert row.flops_per_s == pytest.approx(1024 / 0.002)
    assert row.bytes_per_s == pytest.approx(256 / 0.002)
    assert row.efficiency == pytest.approx(0.25)
    assert row.useful_taps == 10_000
    untimed = replace(row, forward=None, bytes_moved=0)
    assert untimed.flops_per_s is untimed.bytes_per_s is untimed.efficiency is None
    assert untimed.arithmetic_intensity is None


def test_coverage_and_overhead_compare_with_the_plain_model():
    made = profile([layer("a", 1), layer("b", 2)])
    assert made.coverage == pytest.approx((2 + 4 + 1) / 7)
    assert made.overhead == pytest.approx(1.02)
    assert replace(made, plain=None).coverage is None
    assert replace(made, instrumented=None).overhead is None


def test_kinds_are_sorted_by_time_and_sum_their_layers():
    made = profile([layer("a", 1, kind="linear"), layer("b", 2), layer("c", 3)])
    kinds = made.by_kind()
    assert list(kinds) == ["conv2d", "linear"]
    assert kinds["conv2d"].calls == 2
    assert kinds["conv2d"].macs == 5 * 6_912_000
    assert kinds["conv2d"].forward_s == pytest.approx(0.010)


def test_a_record_can_not_be_changed():
    with pytest.raises(FrozenInstanceError):
        everything().params = 3
