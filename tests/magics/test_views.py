"""Views of a profile: what they keep, what they sum up, and that they add up to the same."""

import csv
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import resnet18

import magics
from magics import units
from magics.errors import RecordError
from magics.records import LayerProfile, Measurement, Profile, View
from magics.renderers.pictures import pictures
from magics.renderers.series import growth_reading


def layer(name, kind="conv2d", *, forward=None, backward=None, **fields):
    return LayerProfile(
        name=name,
        kind=kind,
        forward=forward and Measurement(replicates_s=forward),
        backward=backward and Measurement(replicates_s=backward),
        **fields,
    )


LAYERS = (
    layer("stem", macs=300, params=3, bytes_moved=30, forward=(1.0, 1.2)),
    layer("layer1.0.conv", macs=100, params=1, bytes_moved=90, forward=(3.0, 3.0)),
    layer("layer1.0.bn", "batch_norm", params=2, bytes_moved=50, forward=(0.5, 0.5)),
    layer("layer1.pool", "max_pool2d", bytes_moved=20, forward=(0.25, 0.25), peak_bytes=7),
    layer("layer10.relu", "other", bytes_moved=10, forward=(0.1, 0.1), backward=(9.0, 9.0)),
    layer("layer2.conv2d()", macs=200, params=9, bytes_moved=40, forward=(2.0, 2.0), peak_bytes=9),
)
WHOLE = Profile(
    model="Net",
    inputs="x",
    layers=LAYERS,
    other=layer("everything else", "other", macs=5, bytes_moved=1, forward=(0.05, 0.05)),
    params=20,
    plain=Measurement(replicates_s=(7.0, 7.0)),
    instrumented=Measurement(replicates_s=(7.1, 7.1)),
    memory={"parameters_bytes": 80},
    warnings=("Other programs kept this machine busy.",),
    environment={"machine": "a computer", "date": "today", "mode": "eval", "device": "cpu"},
)


def names(profile):
    return [row.name for row in profile.layers]


@pytest.mark.parametrize(
    ("only", "kept"),
    [
        ("conv", ["stem", "layer1.0.conv", "layer2.conv2d()"]),
        ("conv2d", ["stem", "layer1.0.conv", "layer2.conv2d()"]),
        ("bn", ["layer1.0.bn"]),
        ("batch_norm", ["layer1.0.bn"]),
        ("pool", ["layer1.pool"]),
        ("pool, bn", ["layer1.0.bn", "layer1.pool"]),
        (["pool", "stem"], ["stem", "layer1.pool"]),
        ("layer1.*", ["layer1.0.conv", "layer1.0.bn", "layer1.pool"]),
        ("*", [row.name for row in LAYERS]),
    ],
)
def test_only_keeps_kinds_families_and_globs_of_names(only, kept):
    assert names(WHOLE.view(only=only)) == kept


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("time", "layer10.relu", "layer1.pool"),
        ("macs", "stem", "layer10.relu"),
        ("bytes", "layer1.0.conv", "layer10.relu"),
        ("params", "layer2.conv2d()", "layer10.relu"),
        ("name", "layer1.0.bn", "stem"),
    ],
)
def test_rows_are_sorted_the_largest_first_or_by_name(sort, first, last):
    found = names(WHOLE.view(sort=sort))
    assert (found[0], found[-1]) == (first, last)
    assert sorted(found) == sorted(names(WHOLE))


def test_names_are_sorted_as_numbers_count():
    found = names(WHOLE.view(sort="name"))
    assert found.index("layer2.conv2d()") < found.index("layer10.relu")


def test_the_top_rows_are_the_longest_ones_unless_sorted_otherwise():
    assert names(WHOLE.view(top=2)) == ["layer10.relu", "layer1.0.conv"]
    assert names(WHOLE.view(top=2, sort="macs")) == ["stem", "layer2.conv2d()"]
    assert names(WHOLE.view(top=99)) == names(WHOLE.view(sort="time"))


def test_without_times_the_top_rows_are_those_with_most_macs():
    assert names(WHOLE.view(stable=True, top=1)) == ["stem"]


def test_at_a_depth_rows_are_summed_up_by_module():
    found = WHOLE.view(depth=1)
    assert names(found) == ["stem", "layer1", "layer10.relu", "layer2.conv2d()"]
    layer1 = found.layers[1]
    assert (layer1.calls, layer1.macs, layer1.params, layer1.bytes_moved) == (3, 100, 3, 160)
    assert layer1.forward.replicates_s == (3.75, 3.75)
    assert layer1.peak_bytes == 7
    assert layer1.kind == "module"
    assert names(WHOLE.view(depth=2))[1:3] == ["layer1.0", "layer1.pool"]
    assert WHOLE.view(depth=9).layers == WHOLE.layers


def test_a_dot_in_a_key_is_no_module():
    profile = Profile(
        model="f", inputs="x", params=0, other=layer("rest", "other"),
        layers=(layer("nets['a.b'].conv"), layer("nets['a.c'].conv")),
    )  # fmt: skip
    assert names(profile.view(depth=1)) == ["nets['a.b'].conv", "nets['a.c'].conv"]


view_options = st.fixed_dictionaries(
    {},
    optional={
        "only": st.sampled_from(["conv", "bn,pool", "layer1.*", "*"]),
        "depth": st.integers(1, 4),
        "sort": st.sampled_from(["time", "macs", "bytes", "params", "name"]),
        "top": st.integers(1, 8),
    },
)


@given(view_options)
@settings(deadline=None)
def test_a_view_adds_up_to_the_whole(options):
    view, total = WHOLE.view(**options).total, WHOLE.total
    for name in ("macs", "params", "bytes_moved", "elementwise_flops", "forward_s"):
        assert getattr(view, name) == getattr(total, name)
    assert WHOLE.view(**options).coverage == pytest.approx(WHOLE.coverage)


def test_a_stable_view_says_nothing_about_the_machine():
    view = WHOLE.view(stable=True)
    assert view.total.macs == WHOLE.total.macs
    assert view.plain is None
    assert all(row.forward is None and row.backward is None for row in view.rows)
    assert view.environment == {"mode": "eval"}
    for shown in (str(view), view._repr_mimebundle_()["text/html"], view.to_json()):
        for word in ("a computer", "today", "busy", "forward of the model"):
            assert word not in shown


def test_stable_views_of_two_measurements_are_the_same():
    model = resnet18().eval()
    measured, counted = (
        magics.profile(model, "1x3x64x64", budget=0.05, roofline=False, measure=measure)
        for measure in (True, False)
    )
    assert measured.view(stable=True).to_json() == counted.view(stable=True).to_json()


def test_depth_of_a_real_network_sums_up_its_stages():
    profile = magics.profile(resnet18().eval(), "1x3x64x64", measure=False)
    view = profile.view(depth=1)
    stages = {}
    for row in profile.layers:
        stages.setdefault(row.name.partition(".")[0], []).append(row.macs)
    assert {row.name: row.macs for row in view.layers} == {k: sum(v) for k, v in stages.items()}


@pytest.mark.parametrize(("digits", "text"), [(2, "1.2 ms"), (3, "1.23 ms"), (6, "1.23457 ms")])
def test_digits_are_those_of_every_rounded_number(digits, text):
    profile = Profile(
        model="Net", inputs="x", params=0, layers=(), other=layer("rest", "other"),
        plain=Measurement(replicates_s=(0.00123456789,)),
    ).view(digits=digits)  # fmt: skip
    assert f"takes {text} (" in str(profile)
    assert f"takes {text} (" in profile._repr_mimebundle_()["text/html"]
    assert json.loads(profile.to_json())["digits"] == digits
    assert units.seconds(0.00123456789) == "1.23 ms"


def test_one_digit_keeps_units_and_whole_numbers():
    with units.rounding(1):
        assert units.count(123_456) == "100 k"
        assert units.size(300 * 1024) == "300 KiB"
        assert units.count(7) == "7"
        assert units.percent(0.123) == "12 %"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sort": "tiem"}, "sort: unknown (got 'tiem'); did you mean time?"),
        ({"sort": "colour"}, "choose from time, macs, bytes, params, name"),
        ({"top": 0}, "top: must be a whole number from 1 (got 0); leave it out for the default"),
        ({"depth": 1.5}, "depth: must be a whole number from 1 (got 1.5)"),
        ({"digits": 16}, "digits: must be a whole number from 1 to 15 (got 16)"),
        ({"only": "cnov"}, "only: no such layer (got 'cnov'); did you mean conv?"),
        ({"only": ""}, "only: must be kinds of layers or globs of names (got '')"),
        ({"only": 3}, "only: must be kinds of layers or globs of names (got 3)"),
        ({"stable": 1}, "stable: must be True or False (got 1); write stable=True"),
        ({"stable": True, "sort": "time"}, "sort: by time is not stable"),
        ({"tpo": 3}, "tpo: no such option (got tpo=3); did you mean top?"),
    ],
)
def test_a_wrong_view_is_one_clear_error(options, message):
    with pytest.raises(magics.ConvProfileError) as caught:
        WHOLE.view(**options)
    assert message in str(caught.value)


def test_profile_tells_where_the_options_of_views_are():
    with pytest.raises(magics.ConvProfileError, match=r"profile\(...\).view\(top=3\)"):
        magics.profile(resnet18(), "1x3x64x64", top=3)


def test_the_record_behind_a_view_stays_as_it_is():
    before = WHOLE.to_json()
    for options in ({"top": 1}, {"stable": True}, {"depth": 1, "only": "conv", "digits": 5}):
        WHOLE.view(**options)
    assert WHOLE.to_json() == before


def test_a_view_is_a_profile_that_can_be_viewed_and_saved():
    view = WHOLE.view(only="conv").view(sort="macs", top=1, digits=4)
    assert names(view) == ["stem"]
    assert view.total.macs == WHOLE.total.macs
    assert Profile.from_json(view.to_json()) == view
    assert View().of(WHOLE) == WHOLE


@pytest.mark.parametrize(
    "view", [{"sort": "macs"}, {"sort": "time", "top": 3}, {"depth": 1, "sort": "name"}]
)
def test_a_sorted_view_knows_the_order_of_the_calls(view):
    unsorted = WHOLE.view(**{key: value for key, value in view.items() if key == "depth"})
    found = WHOLE.view(**view)
    assert found.order
    shown = set(names(found))
    assert names(found.in_order) == [name for name in names(unsorted) if name in shown]
    assert Profile.from_json(found.to_json()) == found
    assert WHOLE.order == found.in_order.order == ()


def test_pictures_of_a_sorted_view_follow_the_network():
    drawn = pictures(WHOLE)
    assert drawn
    assert [picture.uri for picture in pictures(WHOLE.view(sort="time"))] == [
        picture.uri for picture in drawn
    ]


def test_a_view_that_leaves_layers_out_still_counts_their_calls():
    found = WHOLE.view(top=2)
    assert (found.other_calls, found.total.calls) == (4, WHOLE.total.calls)
    for shown in WHOLE, found:
        lines = csv.DictReader(shown.to_csv().splitlines())
        assert sum(int(line["calls"]) for line in lines) == WHOLE.total.calls


@pytest.mark.parametrize("order", [[0, 1, 1], [0, 1], [0, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 5, 5]])
def test_a_wrong_order_is_one_line(order):
    stored = json.loads(WHOLE.to_json()) | {"order": order}
    with pytest.raises(RecordError, match="order: not one place per layer"):
        Profile.from_json(json.dumps(stored))


def test_every_view_knows_how_large_the_input_is():
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, 4), torch.nn.Conv2d(4, 4, 3), torch.nn.BatchNorm2d(4)
    ).eval()
    whole = magics.profile(net, "1x3x24x40", measure=False)
    for view in ({}, {"only": "bn"}, {"sort": "name"}, {"depth": 1}):
        found = whole.view(**view)
        assert found.input_space == (24, 40)
        assert "of an input of 40" in growth_reading(found)
