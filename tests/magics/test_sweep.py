"""Sweeps that are measured: what points say, what is left as it was, what is refused."""

import pytest
import torch
from snapshot import of_model, of_process
from sweeping import net
from torch import nn

import magics
from magics import progress
from magics.errors import InputError
from magics.records import Sweep
from magics.session import Interrupted

pytestmark = pytest.mark.usefixtures("quick")

X = torch.randn(3, 4, 8, 8)


def told(sweep):
    return [tuple(point.values.values()) for point in sweep.points]


def test_points_say_what_a_profile_says():
    model = net()
    found = magics.sweep(model, "2x4x8x8", batch=[1, 3], size=[8, 12])
    assert told(found) == [(1, 8), (1, 12), (3, 8), (3, 12)]
    for point in found.points:
        batch, size = point.values.values()
        alone = magics.profile(model, f"{batch}x4x{size}x{size}", measure=False, memory=True)
        assert point.status == "measured"
        assert point.batch == batch
        assert point.params == alone.params
        assert point.macs == alone.total.macs
        assert point.bytes_moved == alone.total.bytes_moved
        assert point.peak_bytes == alone.memory["inference_peak"]
        assert point.input_bytes == alone.memory["inputs"]
        assert point.forward.median_s > 0
        assert point.backward is None
        assert point.samples_per_s == pytest.approx(batch / point.forward.median_s)
        assert point.bytes_per_sample == point.peak_bytes / batch


def test_a_shape_runs_twice_before_it_is_timed_and_all_runs_are_counted():
    seen = []

    class Counted(nn.Conv2d):
        def forward(self, x):
            seen.append(tuple(x.shape))
            return super().forward(x)

    found = magics.sweep(Counted(4, 4, 3), "2x4x8x8", batch=[1, 2, 5])
    for point in found.points:
        runs = seen.count((point.batch, 4, 8, 8))
        assert runs == point.runs
        assert runs >= point.forward.count + 2
    assert len(seen) == sum(point.runs for point in found.points)
    own = sum(point.runs * point.forward.median_s for point in found.points)
    whole = sum(point.busy_s for point in found.points)
    assert found.overhead >= whole / own - 1


def test_training_steps_are_swept_as_such():
    model = net().train()
    found = magics.sweep(model, "2x4x8x8", batch=[1, 2, 4], backward=True)
    for point in found.points:
        alone = magics.profile(model, f"{point.batch}x4x8x8", measure=False, memory=True,
                               backward=True)  # fmt: skip
        assert point.backward.count == point.forward.count
        assert point.seconds_per_call == point.forward.median_s + point.backward.median_s
        assert point.peak_bytes == alone.memory["training_peak"]
    assert found.points[2].predicted_bytes == found.points[2].peak_bytes


@pytest.mark.parametrize(
    "asked",
    [
        {"batch": [1, 5]},
        {"channels": [2, 8]},
        {"groups": [1, 2]},
        {"dilation": [1, 2]},
        {"threads": [1, 2]},
        {"dtype": ["float64", "float32"]},
        {"layout": ["nhwc", "nchw"]},
        {"size": ["6x7", 12], "backward": True},
        {"batch": [1, 2], "mode": "train"},
    ],
)
def test_everything_is_left_as_it_was_found(asked):
    model = net()
    model[1].train()
    x = X.clone()
    before, content = (of_model(model), of_process()), x.clone()
    found = magics.sweep(model, x, **asked)
    assert {point.status for point in found.points} == {"measured"}
    assert (of_model(model), of_process()) == before
    assert torch.equal(x, content)


def test_each_axis_changes_what_it_names():
    model = net()
    macs = {
        "dilation": magics.profile(model, X, measure=False).total.macs,
        "groups": 2 * 3 * 64 * (4 * 2 * 9)
        + 3 * 64 * 8 * 2,  # each of 2 groups has half the channels
        "channels": 3 * 64 * (8 * 8 * 9 + 8 * 9 + 8 * 8),
    }
    for name, value in (("dilation", 1), ("groups", 2), ("channels", 8)):
        (point,) = magics.sweep(model, X, **{name: [value]}).points
        assert point.macs == macs[name], name
    found = magics.sweep(model, X, dtype="fp64,fp32")
    assert [point.environment["dtype"] for point in found.points] == ["float64", "float32"]
    found = magics.sweep(model, X, layout=["nchw", "nhwc"], threads=[1, 2])
    assert [point.environment["layout"] for point in found.points] == [
        "contiguous", "contiguous", "channels_last", "channels_last",
    ]  # fmt: skip
    assert [point.environment["threads"] for point in found.points] == ["1", "2"] * 2
    assert {point.forward.clock for point in found.points} == {"wall"}


class Wide(nn.Module):
    def __init__(self, channels=4, *, depth=1):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Conv2d(channels, channels, 1) for _ in range(depth)))

    def forward(self, x):
        return self.layers(x)


def test_a_class_or_a_function_makes_the_models():
    found = magics.sweep(Wide, "2x4x6x6", channels=[4, 6])
    assert found.model == "Wide"
    assert [point.macs for point in found.points] == [72 * 16, 72 * 36]  # its input goes along

    def stem(channels):
        return nn.Conv2d(3, channels, 1)

    found = magics.sweep(stem, "2x3x6x6", channels=[4, 6], batch=[1, 2])
    assert found.model == "stem"
    assert [point.macs for point in found.points] == [36 * 12, 72 * 12, 36 * 18, 72 * 18]


def test_functions_and_keyword_arguments_are_swept_like_modules():
    model, mask = net(), torch.ones(3, 1, 8, 8)

    def masked(x, *, mask, groups):
        return model(x * mask) * groups

    found = magics.sweep(masked, X, batch=[1, 5], mask=mask, groups=2)
    assert [point.batch for point in found.points] == [1, 5]
    assert {point.status for point in found.points} == {"measured"}
    assert found.inputs == "3x4x8x8 float32, mask=3x1x8x8 float32, groups=2"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_model_is_timed_compiled():
    ran = []

    def backend(module, _inputs):
        def run(*args):
            ran.append(1)
            return module(*args)

        return run

    found = magics.sweep(torch.compile(net(), backend=backend), "1x4x8x8", batch=[1, 2])
    assert [point.status for point in found.points] == ["measured"] * 2
    assert len(ran) >= sum(point.forward.count + 2 for point in found.points)


def test_a_failing_point_is_a_row_with_its_reason():
    found = magics.sweep(net(), "1x4x8x8", channels=[4, 8], dilation=[1, 2])
    assert {point.status for point in found.points} == {"measured"}
    valid = nn.Sequential(nn.Conv2d(4, 4, 5), nn.Conv2d(4, 4, 5))
    found = magics.sweep(valid, "1x4x12x12", size=[9, 4, 7])
    assert [point.status for point in found.points] == ["measured", "failed", "failed"]
    assert found.points[1].reason.startswith("0: the map is smaller than the kernel of Conv2d")
    assert found.points[2].reason.startswith("1: ")
    assert "failed" in found.to_csv()

    class Odd(nn.Conv2d):
        def forward(self, x):
            if x.shape[0] % 2:
                raise ValueError("odd\nnumbers")
            return super().forward(x)

    found = magics.sweep(Odd(4, 4, 1), "1x4x8x8", batch=[1, 2, 3])
    assert [point.status for point in found.points] == ["failed", "measured", "failed"]
    assert "raised ValueError: odd" in found.points[0].reason

    def factory(channels):
        return nn.Conv2d(channels, 4, 1, groups=3)

    found = magics.sweep(factory, "1x3x8x8", channels=[3, 4])
    assert [point.reason[:11] for point in found.points] == ["ValueError:"] * 2
    with pytest.raises(InputError, match="mdoe: no such option"):
        magics.sweep(Wide, "1x3x8x8", channels=[3, 4], mdoe="eval")
    with pytest.raises(InputError, match="MODEL: factory raised ValueError: "):
        magics.sweep(factory, "1x3x8x8", channels=[3, 4], scale=2)


class Receiver:
    def __init__(self):
        self.reports, self.closed = [], 0

    def report(self, done, text):
        self.reports.append((done, text))

    def close(self):
        self.closed += 1


def test_progress_tells_which_point_of_how_many():
    receiver = Receiver()
    with progress.reported_to(receiver):
        magics.sweep(net(), "1x4x8x8", batch=[2, 4], layout=["nchw", "nhwc"])
    assert list(dict.fromkeys(text for _, text in receiver.reports)) == [
        "batch 2, layout contiguous: 1 of 4",
        "batch 2, layout channels_last: 2 of 4",
        "batch 4, layout contiguous: 3 of 4",
        "batch 4, layout channels_last: 4 of 4",
    ]
    for share, text in receiver.reports:
        number = int(text.split()[-3])
        assert (number - 1) / 4 <= share <= number / 4
    assert receiver.closed == 1


def test_a_sweep_shows_itself_and_survives_json():
    found = magics.sweep(net(), "1x4x8x8", batch=[1, 2])
    again = Sweep.from_json(found.to_json())
    assert again == found
    assert str(again) == str(found)
    assert repr(found) == "<Sweep of Sequential over batch: 2 of 2 points measured>"
    assert {"text/plain", "text/html"} <= set(found._repr_mimebundle_())


def test_an_interruption_keeps_the_points_so_far():
    class Stops(nn.Conv2d):
        def forward(self, x):
            if x.shape[0] == 3:
                raise KeyboardInterrupt
            return super().forward(x)

    model = Stops(4, 4, 1)
    before = of_model(model)
    with pytest.raises(Interrupted) as caught:
        magics.sweep(model, "1x4x8x8", batch=[1, 2, 3, 4])
    points = caught.value.partial.points
    assert [point.status for point in points] == ["measured"] * 2 + ["not_run"] * 2
    assert {point.reason for point in points[2:]} == {"interrupted"}
    assert of_model(model) == before


def test_a_model_for_inference_only_is_swept():
    with torch.inference_mode():
        model = net()
    found = magics.sweep(model, "1x4x8x8", batch=[1, 2])
    assert {point.status for point in found.points} == {"measured"}
