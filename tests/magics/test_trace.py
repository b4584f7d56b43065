"""A trace has the documented form, and its slices lie within those of their modules."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from examples import HOSTILE, everything, layer, profile
from torch import nn

import magics
from magics.errors import RecordError
from magics.records import LayerProfile

REQUIRED = {  # "Trace Event Format", Google: fields that viewers need, by phase
    "X": {"name": str, "cat": str, "ph": str, "ts": float, "dur": float, "pid": int, "tid": int},
    "M": {"name": str, "ph": str, "pid": int, "tid": int, "args": dict},
    "C": {"name": str, "ph": str, "ts": float, "pid": int, "args": dict},
}
METADATA = {"process_name": "name", "thread_name": "name", "thread_sort_index": "sort_index"}
SLACK_US = 1e-6  # of adding floats


def trace(made):
    data = json.loads(made.to_trace())
    for event in data["traceEvents"]:
        for name, kind in REQUIRED[event["ph"]].items():
            accepted = (int, float) if kind is float else kind
            assert isinstance(event[name], accepted), (name, event)
        if event["ph"] == "M":
            assert METADATA[event["name"]] in event["args"]
        if event["ph"] == "X":
            assert event["dur"] >= 0
    return data


def slices(data, **wanted):
    found = [event for event in data["traceEvents"] if event["ph"] == "X"]
    return [e for e in found if all(e[name] == value for name, value in wanted.items())]


def tracks(data):
    """Return the number of each named track."""
    named = [event for event in data["traceEvents"] if event["name"] == "thread_name"]
    return {event["args"]["name"]: event["tid"] for event in named}


CASES = {
    "empty": profile,
    "one layer": lambda: profile([layer()]),
    "everything": everything,
    "hostile names": lambda: profile([layer(name) for name in HOSTILE], model=HOSTILE[0]),
    "deep": lambda: profile([layer(f"blocks.{place}.conv", 1) for place in range(700)]),
    "negative": lambda: profile([layer(forward=replace(layer().forward, replicates_s=(-1e-7,)))]),
}


@pytest.fixture(params=CASES, ids=str)
def made(request):
    return CASES[request.param]()


def test_every_event_has_the_fields_that_the_format_asks_for(made):
    data = trace(made)
    assert data["displayTimeUnit"] == "ms"
    assert made.inputs in data["otherData"]["title"]


def test_slices_of_a_track_are_nested_or_apart(made):
    data = trace(made)
    for track in tracks(data).values():
        opened = []
        for event in slices(data, tid=track):
            start, end = event["ts"], event["ts"] + event["dur"]
            while opened and opened[-1] <= start + SLACK_US:
                opened.pop()
            assert not opened or end <= opened[-1] + SLACK_US
            opened.append(end)


def test_each_row_stands_once_among_the_modules_and_once_on_the_track_of_its_kind():
    made = everything()
    data = trace(made)
    for category in ("forward", "backward"):
        rows = [e for e in slices(data, cat=category) if e["name"] in {"stem", "head"}]
        assert len(rows) == 2 * 2
    on_kind = slices(data, cat="forward", tid=tracks(data)["conv2d"])
    assert [event["name"] for event in on_kind] == ["stem", "stem (call 2)", "head"]
    assert [event["dur"] for event in on_kind] == pytest.approx([2000, 4000, 6000])  # us
    assert on_kind[0]["args"]["macs"] == 6_912_000


def test_the_backward_runs_the_other_way_after_the_forward():
    data = trace(everything())
    forward = slices(data, name="forward")[0]
    backward = slices(data, name="backward")[0]
    assert backward["ts"] == pytest.approx(forward["ts"] + forward["dur"])
    rows = slices(data, cat="backward", tid=tracks(data)["conv2d"])
    assert [event["name"] for event in rows] == ["head", "stem (call 2)", "stem"]


def test_layers_lie_within_the_modules_that_hold_them():
    made = profile([layer("a.b.conv"), layer("a.b.bn", 2), layer("a.c.conv"), layer("d")])
    found = slices(trace(made), tid=1, cat="forward")
    by_name = {event["name"]: (event["ts"], event["ts"] + event["dur"]) for event in found}
    assert by_name["a"] == pytest.approx((0, 8000))  # us: 2 + 4 + 2 ms
    assert by_name["b"] == pytest.approx((0, 6000))
    assert by_name["a.b.bn"] == pytest.approx((2000, 6000))
    assert by_name["c"] == pytest.approx((6000, 8000))
    assert by_name["forward"] == pytest.approx((0, 11000))  # with everything else


def test_the_slices_of_a_real_model_add_up_to_its_rows(tmp_path):
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Flatten())
    made = magics.profile(net, torch.rand(1, 3, 8, 8), budget=0.2)
    path = tmp_path / "trace.json"
    assert made.to_trace(path) == path.read_text(encoding="utf-8")
    data = trace(made)
    kinds = [number for name, number in tracks(data).items() if name != "modules"]
    total = sum(event["dur"] for track in kinds for event in slices(data, tid=track))
    rows = sum(max(0.0, row.forward.median_s) for row in made.rows if row.forward)
    assert total == pytest.approx(1e6 * rows)
    assert {"0.0", "0.1"} <= {event["name"] for event in slices(data, tid=1)}


def test_counts_alone_are_no_trace():
    made = profile(
        [layer(forward=None, backward=None)],
        other=LayerProfile(name="everything else", kind="other"),
        plain=None,
    )
    with pytest.raises(RecordError, match=r"^to_trace: .*has no times; profile with measure=True"):
        made.to_trace(Path("never-written.json"))
    assert not Path("never-written.json").exists()
