"""Ceilings: measured in time, kept on disk, and never believed when in doubt."""

import json

import pytest
import torch
from torch.nn import functional

from magics.measurement import device
from magics.measurement.device import measure_ceilings
from magics.measurement.machine.clock import CPU, Clock
from magics.measurement.machine.probes import BUDGET_S, WORKING_SETS, Probes, Setting

SETTING = Setting(torch.device("cpu"), torch.float32, torch.contiguous_format, 1)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(device, "_this_process", {})
    return device.cache_folder()


@pytest.fixture
def counted(monkeypatch):
    """Replace the probes by ones that only count how often they run."""
    runs = []

    class Counted:
        def __init__(self, setting):
            runs.append(setting)

        def overhead(self):
            return 1e-6

        def peak(self):
            return 100e9 + len(runs), "matmul"

        def bandwidth(self):
            return ((1 << 20, 50e9), (1 << 26, 20e9))

    monkeypatch.setattr(device, "Probes", Counted)
    return runs


def forget():
    """Do as a new process would."""
    device._this_process.clear()


def test_the_ceilings_are_about_what_the_same_kernels_reach_by_hand():
    found = measure_ceilings(threads=1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        image, weight = torch.rand(1, 128, 30, 30), torch.rand(128, 128, 3, 3)
        times = []
        for _ in range(8):
            begin = CPU.read()
            functional.conv2d(image, weight)
            times.append((CPU.read() - begin) * 1e-9)
    finally:
        torch.set_num_threads(before)
    rate = 2 * 28 * 28 * 128 * 128 * 9 / min(times)
    # Wide, because others work here too: a wrong factor 2 in a formula is not in it.
    assert 0.6 * rate < found.flops_per_s < 10 * rate
    assert 0 < found.call_overhead_s < 1e-3
    assert found.peak_by in {"matmul", "conv2d"}
    assert found.dtype == "float32"


def test_bandwidth_is_known_from_the_caches_on_and_falls_with_the_working_set():
    points = measure_ceilings(threads=1).bandwidth
    sizes, rates = zip(*points, strict=True)
    assert sizes == WORKING_SETS[: len(sizes)]
    assert len(sizes) >= 2
    assert list(rates) == sorted(rates, reverse=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_every_floating_element_type_has_ceilings(dtype):
    found = measure_ceilings(dtype=dtype, threads=1, layout="channels_last")
    assert found.flops_per_s > 0
    assert found.dtype == str(dtype).removeprefix("torch.")


class SlowMachine:
    """A clock of a machine where a run of any probe takes a tenth of a second."""

    def __init__(self):
        self.now = 0

    def read(self):
        self.now += 50_000_000
        return self.now


def test_probes_stop_growing_when_their_time_is_over():
    slow = SlowMachine()
    clock = Clock("wall", slow.read)
    probes = Probes(SETTING, clock, clock)
    rate, _ = probes.peak()
    points = probes.bandwidth()
    assert rate > 0
    assert len(points) == 1
    # Each of the four probes (matmul, conv2d, and copy and add for one working set, with the
    # price of an empty call before) runs three times at most once its time is over.
    assert slow.now * 1e-9 < BUDGET_S + 6 * 4 * 0.1 + 2


def test_a_second_process_reads_what_the_first_measured(counted, folder):
    first = measure_ceilings(threads=1)
    assert len(list(folder.glob("*.json"))) == 1
    forget()
    assert measure_ceilings(threads=1) == first
    assert len(counted) == 1


def test_ceilings_are_measured_again_on_request_and_then_kept(counted):
    first = measure_ceilings(threads=1)
    again = measure_ceilings(threads=1, fresh=True)
    assert again != first
    forget()
    assert measure_ceilings(threads=1) == again
    assert len(counted) == 2


@pytest.mark.parametrize(
    "other",
    [{"threads": 2}, {"dtype": torch.float64}, {"layout": "channels_last"}],
)
def test_every_setting_has_ceilings_of_its_own(counted, other):
    measure_ceilings(threads=1)
    measure_ceilings(**{"threads": 1, **other})
    assert len(counted) == 2


@pytest.mark.parametrize(
    ("owner", "name"),
    [("platform", "node"), ("torch", "__version__"), ("device", "processor")],
)
def test_an_entry_of_another_machine_processor_or_torch_is_not_used(
    counted, monkeypatch, owner, name
):
    measure_ceilings(threads=1)
    forget()
    place = {"platform": device.platform, "torch": torch, "device": device}[owner]
    monkeypatch.setattr(place, name, "other" if owner == "torch" else lambda: "other")
    measure_ceilings(threads=1)
    assert len(counted) == 2


def _changed(change):
    def corrupt(entry):
        data = json.loads(entry)
        change(data)
        return json.dumps(data).encode()

    return corrupt


@pytest.mark.parametrize(
    "corrupt",
    [
        lambda _: b"",
        lambda _: b"\xff\xfe\x00",
        lambda entry: entry[: len(entry) // 2],
        lambda _: b"[]",
        lambda _: b'{"key": null}',
        _changed(lambda data: data["ceilings"].update(flops_per_s=-1.0)),
        _changed(lambda data: data["ceilings"].update(flops_per_s="much")),
        _changed(lambda data: data["ceilings"].update(flops_per_s=float("nan"))),
        _changed(lambda data: data["ceilings"].update(bandwidth=[])),
        _changed(lambda data: data["ceilings"].pop("bandwidth")),
        _changed(lambda data: data["key"].update(host="elsewhere")),
    ],
)
def test_a_corrupt_or_foreign_entry_is_measured_again_and_replaced(counted, folder, corrupt):
    measure_ceilings(threads=1)
    (entry,) = folder.glob("*.json")
    entry.write_bytes(corrupt(entry.read_bytes()))
    forget()
    second = measure_ceilings(threads=1)
    assert len(counted) == 2
    forget()
    assert measure_ceilings(threads=1) == second
    assert len(counted) == 2


def test_an_entry_that_is_a_folder_is_in_nobodys_way(counted, folder):
    measure_ceilings(threads=1)
    (entry,) = folder.glob("*.json")
    entry.unlink()
    entry.mkdir()
    forget()
    measure_ceilings(threads=1)
    assert len(counted) == 2
    assert [path.name for path in folder.iterdir()] == [entry.name]


def test_without_a_folder_to_write_to_ceilings_last_as_long_as_the_process(
    counted, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "file"))
    monkeypatch.setattr(device.sys, "platform", "linux")
    first = measure_ceilings(threads=1)
    assert measure_ceilings(threads=1) == first
    assert len(counted) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_others_disturbed_is_not_kept(counted, folder, monkeypatch):
    monkeypatch.setattr(device.Contention, "ratio", lambda _: 3.0)
    assert measure_ceilings(threads=2).disturbed
    assert not folder.exists()
    assert not measure_ceilings(threads=1).disturbed  # its own time is right all the same
    measure_ceilings(threads=2)
    assert len(counted) == 3


def test_the_number_of_threads_is_put_back_also_after_an_exception(monkeypatch):
    before = torch.get_num_threads()
    measure_ceilings(threads=before + 1)
    assert torch.get_num_threads() == before

    def broken(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Probes, "bandwidth", broken)
    with pytest.raises(KeyboardInterrupt):
        measure_ceilings(threads=before + 1, fresh=True)
    assert torch.get_num_threads() == before


def test_measuring_leaves_the_random_generator_alone():
    state = torch.get_rng_state()
    measure_ceilings(threads=1)
    assert torch.equal(torch.get_rng_state(), state)
