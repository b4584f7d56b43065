"""Memory of sweeps: foretold, refused, freed; the limits are set by the tests themselves."""

import json
import subprocess
import sys

import pytest
import torch
from nets import resnet18
from sweeping import net
from torch import nn

import magics
from magics.errors import ForwardError
from magics.measurement.machine import headroom
from magics.studies.sweeping import foresight

MIB = 2**20


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("build", [net, resnet18])
def test_a_peak_is_what_it_was_foretold_to_be(quick, build, backward):
    channels = 4 if build is net else 3
    found = magics.sweep(build(), f"1x{channels}x32x32", batch=[1, 2, 3, 5], backward=backward)
    for point in found.points[2:]:
        assert point.predicted_bytes == point.peak_bytes
    for size, points in (("size", [16, 24, 32, 48]), ("channels", [4, 8, 12, 24])):
        if build is net:
            found = magics.sweep(net(), "2x4x8x8", backward=backward, **{size: points})
            for point in found.points[2:]:
                assert point.predicted_bytes == pytest.approx(point.peak_bytes, rel=0.05)


LIMITED = """
import json, resource
import torch
from torch import nn
import magics
from magics.measurement import whole
from magics.measurement.timing import stopwatch as timing
from magics.measurement.machine.headroom import available
from magics.studies.sweeping import foresight, line

torch.set_num_threads(1)
timing._PROBE_S = timing._LEAST_S = whole._TIMES_AS_LONG = 0.0
line._PAST_THE_KNEE = 100  # memory ends what goes on, not times
model = nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 1)).eval()
magics.sweep(model, "1x3x32x32", batch=[1, 2], backward=True, budget=0.1)  # loads what it takes
with open("/proc/self/status") as status:
    used = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmSize"))
before = available(torch.device("cpu"))
resource.setrlimit(resource.RLIMIT_AS, (used + 160 * 2**20, resource.RLIM_INFINITY))
found = {"available": [before, available(torch.device("cpu"))]}

def run(name, **asked):
    swept = magics.sweep(model, "1x3x64x64", budget=600, **asked)
    found[name] = [
        [list(p.values.values()), p.status, p.reason, p.predicted_bytes] for p in swept.points
    ]

run("two lines", batch=[2, 4, 8, 512, 1024], layout=["nchw", "nhwc"])
run("training", batch="1,8,64,...", backward=True)
foresight.available = lambda device: None  # as where nobody knows how much is left
run("blind", dtype=["fp32", "fp64"], batch=[4, 8, 800, 900])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def limited():
    """What sweeps found in a process that may take 160 MiB more than it has."""
    child = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


def test_the_limit_of_a_process_is_seen(limited):
    before, left = limited["available"]
    assert left < before
    assert 150 * MIB < left <= 161 * MIB


def test_a_point_that_will_not_fit_is_not_run_and_ends_its_line(limited):
    points = limited["two lines"]
    statuses = {tuple(values): (status, reason) for values, status, reason, _ in points}
    for layout in ("contiguous", "channels_last"):
        assert [statuses[batch, layout][0] for batch in (2, 4, 8)] == ["measured"] * 3
        status, reason = statuses[512, layout]
        assert status == "out_of_memory"
        # Two maps of 16 channels, 256 MiB, and an input of 24 MiB.
        assert reason.startswith("not run: it would need 280 MiB, and ")
        assert reason.endswith(" MiB is available")
        assert statuses[1024, layout] == ("not_run", "batch 512 was out of memory")
    foretold = {tuple(values): predicted for values, _, _, predicted in points}
    assert foretold[512, "contiguous"] == 256 * MIB


def test_memory_that_is_refused_ends_a_line_and_is_freed_for_the_next(limited):
    """Each line ends at the same point, so what the first one took was given back."""
    statuses = {tuple(values): (status, reason) for values, status, reason, _ in limited["blind"]}
    for dtype in ("float32", "float64"):
        assert [statuses[dtype, batch][0] for batch in (4, 8)] == ["measured"] * 2
        status, reason = statuses[dtype, 800]
        assert status == "out_of_memory"
        assert reason.startswith("out of memory while it ran: ")
        assert reason.endswith("iB more was refused")
        assert statuses[dtype, 900] == ("not_run", "batch 800 was out of memory")


def test_a_training_step_and_an_open_end_stop_when_memory_ends(limited):
    *measured, (_, status, reason, predicted) = limited["training"]
    assert {one[1] for one in measured} == {"measured"}
    assert status == "out_of_memory"
    # The last piece may be refused although there is enough, if it is not in one piece.
    assert reason.startswith(("not run: it would need ", "out of memory while it ran: "))
    assert predicted > 0


class Huge(nn.Module):
    """Makes something large of little."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)
        self.ran = []

    def forward(self, x):
        if not x.is_meta:
            raise AssertionError("it must not run")
        return self.conv(x).expand(-1, 1000, -1, -1) * 2


@pytest.mark.parametrize("backward", [False, True])
def test_a_first_point_far_too_large_is_judged_without_memory(monkeypatch, backward):
    monkeypatch.setattr(foresight, "available", lambda _device: 50 * MIB)
    found = magics.sweep(Huge(), "1x1x32x32", batch=[64, 128], backward=backward)
    first, second = found.points
    assert first.status == "out_of_memory"
    assert first.reason.startswith("not run: it would need ")
    assert first.reason.endswith("and 50.0 MiB is available")
    assert first.predicted_bytes >= 64 * 1000 * 32 * 32 * 4
    assert second.status == "not_run"


def test_a_model_that_says_nothing_without_data_is_judged_by_what_it_can_need_at_most(
    monkeypatch, quick
):
    class Asks(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) if x.sum().item() else x

    monkeypatch.setattr(foresight, "available", lambda _device: 3 * MIB)
    found = magics.sweep(Asks(4, 64, 1), "1x4x32x32", batch=[2, 64, 128])
    assert [point.status for point in found.points] == ["measured", "out_of_memory", "not_run"]
    assert found.points[1].reason.startswith("not run: it may need 1")


@pytest.mark.parametrize(
    ("line", "group", "left"),
    [
        ("0::/a/b", ("a", {"memory.max": "1000", "memory.current": "300",
                           "memory.stat": "anon 5\ninactive_file 100"}), 800),
        ("0::/a/b", ("a/b", {"memory.max": "max", "memory.current": "300",
                             "memory.stat": "inactive_file 100"}), None),
        ("5:cpu,memory:/docker/x", ("memory", {
            "memory.limit_in_bytes": "500", "memory.usage_in_bytes": "450",
            "memory.stat": "total_inactive_file 20"}), 70),
        ("5:cpu:/docker/x", ("memory", {}), None),
        ("0::/", ("", {"memory.max": "10", "memory.current": "20", "memory.stat": ""}), 0),
    ],
)  # fmt: skip
def test_limits_of_control_groups_are_seen(monkeypatch, tmp_path, line, group, left):
    folder, files = group
    own, groups = tmp_path / "cgroup", tmp_path / "groups"
    own.write_text(f"{line}\n")
    (groups / "a" / "b").mkdir(parents=True)
    (groups / folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (groups / folder / name).write_text(content + "\n")
    monkeypatch.setattr(headroom, "_CGROUP", own)
    monkeypatch.setattr(headroom, "_CGROUPS", groups)
    assert list(headroom._of_groups()) == ([] if left is None else [left])


def test_what_a_gpu_has_left_is_what_is_free_and_what_torch_keeps_unused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 50)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _device: 20)
    assert headroom.available(torch.device("cuda")) == 130
    assert headroom.available(torch.device("meta")) is None
    assert headroom.available(torch.device("cpu")) > MIB


def test_a_refusal_of_memory_is_told_from_other_errors():
    refused = [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't "
                     "allocate memory: you tried to allocate 1048576 bytes. Error code 12"),
        RuntimeError("std::bad_alloc"),
    ]  # fmt: skip
    said = "out of memory while it ran"
    words = [said, f"{said}: 2.00 GiB more was refused", f"{said}: 1 MiB more was refused", said]
    for error, expected in zip(refused, words, strict=True):
        wrapped = ForwardError("0: the model raised", layer="0")
        wrapped.__cause__ = error
        assert headroom.is_out_of_memory(wrapped)
        assert headroom.refusal(wrapped).replace("1.00 MiB", "1 MiB") == expected
    for error in (RuntimeError("shape mismatch"), ValueError("out of memory"), KeyError("x")):
        assert not headroom.is_out_of_memory(error)
