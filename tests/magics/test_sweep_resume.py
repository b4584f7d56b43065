"""A sweep's file: written after every point, and enough to go on, however the sweep ended."""

import json
import subprocess
import sys
from functools import partial

import pytest
import torch
from sweeping import net
from torch import nn

import magics
from magics.errors import InputError
from magics.records import Sweep
from magics.studies.sweeping.resuming import structure

CHILD = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from torch import nn
import magics
from magics.measurement import whole
from magics.measurement.timing import stopwatch as timing
timing._PROBE_S = timing._LEAST_S = whole._TIMES_AS_LONG = 0.0

class Net(nn.Conv2d):
    def forward(self, x):
        print(len(x), flush=True)
        if len(x) == int(sys.argv[2]):
            os.kill(os.getpid(), getattr(signal, sys.argv[3]))
        return super().forward(x)

magics.sweep(Net(4, 4, 1), "1x4x8x8", batch=[1, 2, 3, 4], resume=sys.argv[1])
"""


def run(path, at, signal):
    """Sweep in a process of its own that gets a signal in the middle of a batch size.

    Returns:
        The process, and which batch sizes ran.
    """
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(at), signal],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return child, set(map(int, child.stdout.split()))


def statuses(path):
    return [point.status for point in Sweep.from_json(path).points]


def test_after_an_interruption_it_goes_on_with_nothing_lost(quick, tmp_path):
    path = tmp_path / "sweep.json"
    child, ran = run(path, 2, "SIGKILL")  # nothing can be done about this one
    assert child.returncode == -9
    assert ran == {1, 2}
    assert statuses(path) == ["measured", "not_run", "not_run", "not_run"]
    killed = Sweep.from_json(path)

    child, ran = run(path, 3, "SIGINT")
    assert "magics.session.Interrupted" in child.stderr
    assert ran == {2, 3}
    interrupted = Sweep.from_json(path)
    assert statuses(path) == ["measured", "measured", "not_run", "not_run"]
    assert interrupted.points[2].reason == "interrupted"
    assert interrupted.points[0] == killed.points[0]

    class Net(nn.Conv2d):
        def forward(self, x):
            here.add(len(x))
            return super().forward(x)

    here = set()
    found = magics.sweep(Net(4, 4, 1), "1x4x8x8", batch=[1, 2, 3, 4], resume=path)
    assert here == {3, 4}
    assert statuses(path) == ["measured"] * 4
    assert found.points[:2] == interrupted.points[:2]


@pytest.fixture
def saved(tmp_path, quick):
    """A file of a sweep, and the sweep."""
    path = tmp_path / "sweep.json"
    return path, magics.sweep(net(), "1x4x8x8", batch=[1, 2], resume=path)


def test_the_file_is_what_to_json_writes(saved):
    path, found = saved
    assert Sweep.from_json(path).points == found.points
    assert json.loads(path.read_text()).keys() == json.loads(found.to_json()).keys()
    assert list(path.parent.iterdir()) == [path]


def test_more_values_are_added_and_older_ones_stay(saved, monkeypatch):
    path, before = saved
    seen = []
    forward = nn.Conv2d.forward
    monkeypatch.setattr(
        nn.Conv2d, "forward", lambda self, x: seen.append(len(x)) or forward(self, x)
    )
    found = magics.sweep(net(), "1x4x8x8", batch=[1, 4, 8], resume=str(path))
    assert set(seen) == {4, 8}
    assert [point.values["batch"] for point in found.points] == [1, 2, 4, 8]
    assert found.points[:2] == before.points
    assert found.points[3].predicted_bytes == found.points[3].peak_bytes
    assert [axis.values for axis in found.axes] == [(1, 2, 4, 8)]
    assert Sweep.from_json(path).points == found.points


def test_a_sweep_of_two_axes_goes_on_along_either(quick, tmp_path):
    path = tmp_path / "sweep.json"
    first = magics.sweep(net(), "1x4x8x8", batch=[1, 2], layout=["nchw"], resume=path)
    found = magics.sweep(net(), "1x4x8x8", batch=[2, 3], layout=["nhwc"], resume=path)
    known = {tuple(point.values.values()): point for point in found.points}
    assert set(known) == {(1, "contiguous"), (2, "contiguous"), (2, "channels_last"),
                          (3, "channels_last")}  # fmt: skip
    assert [known[1, "contiguous"], known[2, "contiguous"]] == list(first.points)
    assert {point.status for point in found.points} == {"measured"}


def test_what_failed_is_tried_again_and_what_was_measured_is_not(quick, tmp_path):
    ran, moods = [], ["bad"]

    class Moody(nn.Conv2d):
        def forward(self, x):
            ran.append(len(x))
            if len(x) == 2 and moods == ["bad"]:
                raise ValueError("not now")
            return super().forward(x)

    path = tmp_path / "sweep.json"
    magics.sweep(Moody(4, 4, 1), "1x4x8x8", batch=[1, 2], resume=path)
    assert statuses(path) == ["measured", "failed"]
    ran.clear()
    moods[:] = ["good"]
    magics.sweep(Moody(4, 4, 1), "1x4x8x8", batch=[1, 2], resume=path)
    assert statuses(path) == ["measured", "measured"]
    assert set(ran) == {2}


def test_an_open_end_goes_on_where_it_was(quick, tmp_path):
    path = tmp_path / "sweep.json"
    first = magics.sweep(net(), "1x4x8x8", size=[4, 8, ...], resume=path, budget=0.2)
    reached = [point for point in first.points if point.status == "measured"]
    assert reached
    again = magics.sweep(net(), "1x4x8x8", size=[4, 8, ...], resume=path, budget=0.2)
    assert list(again.points[: len(reached)]) == reached
    assert again.axes[0].open_ended


@pytest.mark.parametrize(
    ("model", "inputs", "asked", "message"),
    [
        (nn.Conv2d(4, 4, 1), "1x4x8x8", {}, "with other model (got 'Conv2d', and it has "),
        (nn.Sequential(*net()[:4]), "1x4x8x8", {}, "with other layers; name another file"),
        (net(), "2x4x8x8", {}, "with other inputs (got '2x4x8x8', and it has '1x4x8x8')"),
        (net(), "1x4x8x8", {"backward": True}, "with other backward (got True, and it has the"),
        (net(), "1x4x8x8", {"dtype": "fp64"}, "with other dtype (got 'float64', and it has the"),
        (net(), "1x4x8x8", {"size": 8}, "with other size (got 8, and it has the default)"),
        (net(), "1x4x8x8", {"layout": ["nchw", "nhwc"]}, "with other axes (got 'batch and"),
    ],
)  # fmt: skip
def test_a_file_of_another_sweep_is_refused_and_left_alone(saved, model, inputs, asked, message):
    path, _ = saved
    before = path.read_bytes()
    with pytest.raises(InputError) as caught:
        magics.sweep(model, inputs, batch=[1, 2], resume=path, **asked)
    assert str(caught.value).startswith(f"resume: {path} is of a sweep {message}")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"{}", b"[1]", b"\xff\xfe", b'{"schema": 1, "model": "x"}', None]
)
def test_what_is_no_sweep_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "sweep.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        magics.sweep(net(), "1x4x8x8", batch=[1, 2], resume=path)
    assert str(caught.value).startswith("resume: ")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert content is None or path.read_bytes() == content


def test_an_empty_file_is_a_new_one(quick, tmp_path):
    path = tmp_path / "sweep.json"
    path.touch()
    magics.sweep(net(), "1x4x8x8", batch=[1], resume=path)
    assert statuses(path) == ["measured"]


def test_the_address_of_a_function_in_a_model_is_no_difference(quick, tmp_path):
    class Act(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = lambda x: x

        def extra_repr(self):
            return repr(self.act)

        def forward(self, x):
            return self.act(torch.relu(x))

    path = tmp_path / "sweep.json"
    magics.sweep(Act(), "1x4", batch=[1], resume=path)
    magics.sweep(Act(), "1x4", batch=[1, 2], resume=path)
    assert statuses(path) == ["measured"] * 2


class Scaled(nn.Module):
    """Says nothing of how wide it is."""

    def __init__(self, width):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width, 1))

    def forward(self, x):
        return torch.relu(self.scale * x)


def test_a_model_that_hides_its_width_is_told_from_a_wider_one(quick, tmp_path):
    path = tmp_path / "sweep.json"
    magics.sweep(Scaled(4), "1x1x8", batch=[1], resume=path)
    magics.sweep(Scaled(4), "1x1x8", batch=[1, 2], resume=path)
    assert statuses(path) == ["measured"] * 2
    with pytest.raises(InputError, match="with other layers"):
        magics.sweep(Scaled(8), "1x1x8", batch=[1, 2], resume=path)


def factory(kernel):
    return lambda channels: nn.Conv2d(4, channels, kernel)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (factory(1), factory(3)),
        (lambda channels: nn.Conv2d(4, channels, 1), lambda channels: nn.Conv2d(4, channels, 3)),
        (partial(nn.Conv2d, 4, kernel_size=1), partial(nn.Conv2d, 4, kernel_size=3)),
    ],
    ids=["what it refers to", "code", "arguments"],
)
def test_functions_that_make_models_are_told_apart_by_what_they_do(first, other):
    assert structure(first) == structure(first)
    assert structure(first) != structure(other)


def test_a_function_that_is_defined_again_elsewhere_is_the_same():
    made = []
    for place in ("cell 1", "cell 2"):
        names = {"nn": nn}
        exec(compile("\n" * len(made) + "def make(channels):\n return [nn.Conv2d(4, channels, k)"
                     " for k in (1,)][0]", place, "exec"), names)  # fmt: skip
        made.append(structure(names["make"]))
    assert made[0] == made[1]


def test_a_sweep_of_another_function_does_not_go_on(quick, tmp_path):
    path = tmp_path / "sweep.json"
    magics.sweep(factory(1), "1x4x8x8", channels=[2, 4], resume=path)
    again = magics.sweep(factory(1), "1x4x8x8", channels=[2, 4, 8], resume=path)
    assert [point.status for point in again.points] == ["measured"] * 3
    with pytest.raises(InputError, match="with other layers"):
        magics.sweep(factory(3), "1x4x8x8", channels=[2, 4], resume=path)


def test_a_link_to_a_file_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "sweep.json"
    link.symlink_to(tmp_path / "real" / "sweep.json")
    for batches in ([1, 2], [1, 2, 4]):
        magics.sweep(net(), "2x4x8x8", batch=batches, measure=False, resume=link)
        assert link.is_symlink()
        assert len(Sweep.from_json(tmp_path / "real" / "sweep.json").points) == len(batches)
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["sweep.json"]


def test_what_is_no_path_is_told():
    with pytest.raises(InputError, match=r"resume: no path \(got 5\)"):
        magics.sweep(net(), "2x4x8x8", batch=[1, 2], resume=5)
