"""Clocks, what reading them costs, and who else is busy."""

from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from magics.measurement.machine import contention, cuda
from magics.measurement.machine.calibration import FREE
from magics.measurement.machine.clock import CPU, PROCESS, WALL, Clock
from magics.measurement.timing.events import EventLog, call_cost


class Costly:
    """A clock that a reading moves on by `step`."""

    def __init__(self, step):
        self.step = step
        self.now = 0

    def read(self):
        self.now += self.step
        return self.now


@pytest.mark.parametrize("clock", [WALL, CPU, PROCESS])
def test_clocks_of_the_host_never_go_back(clock):
    marks = [clock.read() for _ in range(100)]
    assert marks == sorted(marks)
    assert clock.settled(marks) == marks


def test_a_clock_returns_the_lengths_of_intervals_in_seconds():
    assert Clock("wall", lambda: 0).seconds(0, 5_000_000_000, 5_500_000_000) == [5.0, 0.5]


def test_what_an_event_costs_is_measured_and_split_into_inside_and_outside():
    costly = Costly(7)
    cost = call_cost(Clock("wall", costly.read))
    # Two readings per event: from the first to the second is inside, the rest is around it.
    assert cost.inside_ns == pytest.approx(7, rel=0.01)  # timing all the calls takes two more
    assert cost.outside_ns == pytest.approx(7, rel=0.01)


def test_a_clock_that_is_not_calibrated_costs_nothing():
    assert call_cost(Clock("cuda", Costly(7).read, calibrated=False)) == FREE


class FakeCuda:
    """A device that takes 2 ms between any two events, and counts how often it is waited for."""

    def __init__(self):
        self.created = 0
        self.recorded = 0
        self.waits = 0

    def Event(self, *, enable_timing):  # noqa: N802, torch's name
        assert enable_timing
        self.created += 1
        return FakeEvent(self)

    def synchronize(self):
        self.waits += 1


class FakeEvent:
    def __init__(self, device):
        self.device = device
        self.at = None

    def record(self):
        self.device.recorded += 1
        self.at = self.device.recorded

    def elapsed_time(self, end):
        return 2.0 * (end.at - self.at)


def test_a_cuda_clock_waits_once_per_run_and_uses_its_events_again():
    device = FakeCuda()
    clock = cuda.clock(device)
    for _ in range(3):
        assert clock.seconds(*[clock.read() for _ in range(5)]) == pytest.approx([0.002] * 4)
    assert device.waits == 3
    assert device.created == 5


def test_a_cuda_clock_that_read_nothing_waits_for_nothing():
    device = FakeCuda()
    assert list(cuda.clock(device).settled([])) == []
    assert device.waits == 0


def test_events_of_a_device_become_times_all_at_once():
    device = FakeCuda()
    log = EventLog(cuda.clock(device))
    inner = log.forward("a.b", None, lambda: None)
    begin = log.clock.read()
    log.forward("a", None, inner)()
    events, times = log.taken([begin, log.clock.read()])
    assert device.waits == 1
    assert [(event.path, event.end - event.begin) for event in events] == [
        ("a.b", 2_000_000),
        ("a", 6_000_000),
    ]
    assert times[1] - times[0] == 10_000_000


class FakeGraphs(FakeCuda):
    """Writes down what is done with streams and graphs."""

    def __init__(self):
        super().__init__()
        self.done = []

    def Stream(self):  # noqa: N802, torch's name
        return FakeStream("side", self.done)

    def current_stream(self):
        return FakeStream("current", self.done)

    @contextmanager
    def stream(self, stream):
        self.done.append(f"on {stream.name}")
        yield
        self.done.append("back")

    def CUDAGraph(self):  # noqa: N802, torch's name
        return SimpleNamespace(replay=lambda: self.done.append("replay"))

    @contextmanager
    def graph(self, _graph):
        self.done.append("capture")
        yield
        self.done.append("captured")


class FakeStream:
    def __init__(self, name, done):
        self.name, self.done = name, done

    def wait_stream(self, other):
        self.done.append(f"{self.name} waits for {other.name}")


def test_a_graph_is_captured_after_warm_ups_on_another_stream_and_then_replayed():
    device = FakeGraphs()
    seconds = cuda.graph_seconds(lambda: device.done.append("run"), device)
    captured = device.done.index("captured") + 1
    assert device.done[:captured] == [
        "side waits for current", "on side", "run", "run", "run", "back",
        "current waits for side", "capture", "run", "captured",
    ]  # fmt: skip
    assert set(device.done[captured:]) == {"replay"}
    assert seconds == pytest.approx([0.002] * (len(device.done) - captured - 1))


def test_facts_about_a_device_name_it_and_say_whether_products_are_rounded():
    device = SimpleNamespace(get_device_name=lambda _: "Some GPU")
    facts = cuda.facts(None, device)
    assert facts["machine"] == "Some GPU"
    assert facts["tf32"] in {
        f"matmul {one}, cudnn {other}" for one in ("on", "off") for other in ("on", "off")
    }
    assert facts["cudnn_benchmark"] in {"on", "off"}


def test_rounding_of_products_is_known_by_its_newer_name_where_the_older_one_refuses():
    class Newer:
        fp32_precision = "tf32"

        @property
        def allow_tf32(self):
            raise RuntimeError

    assert cuda._tf32(Newer()) == "on"


@dataclass
class Machine:
    """Times that a fake machine tells [s]: of the clock on the wall, a thread, the process."""

    wall: float = 100.0
    thread: float = 10.0
    process: float = 10.0

    def perf_counter_ns(self):
        return round(self.wall * 1e9)

    def thread_time_ns(self):
        return round(self.thread * 1e9)

    def process_time_ns(self):
        return round(self.process * 1e9)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    fake = Machine()
    fake.stat = tmp_path / "stat"
    monkeypatch.setattr(contention, "time", fake)
    monkeypatch.setattr(contention, "_STAT", fake.stat)

    def busy(seconds):
        row = f"{round(seconds * 100)} 0 0 99 0 0 0 0 0 0"
        fake.stat.write_text(f"cpu  {row}\ncpu0 {row}\ncpu1 {row}\nintr 1\n")

    fake.busy = busy
    busy(0)
    return fake


def passed(machine, *, busy, threads=1, **times):
    seen = contention.Contention(threads)
    seen.start()
    for name, seconds in times.items():
        setattr(machine, name, getattr(machine, name) + seconds)
    machine.busy(busy)
    return seen.ratio()


def test_a_machine_is_quiet_when_the_thread_has_all_the_time_it_wants(machine):
    assert passed(machine, wall=1, thread=1, process=1, busy=1) == 1


def test_a_thread_that_had_to_wait_shows_a_busy_machine(machine):
    assert passed(machine, wall=1, thread=0.5, process=0.5, busy=2) == 2


def test_others_matter_to_two_threads_where_they_don_t_to_one(machine):
    alone = passed(machine, wall=1, thread=1, process=1, busy=2, threads=1)
    assert alone == 1  # the other one works on the second processor
    machine.busy(0)
    pair = passed(machine, wall=1, thread=1, process=1, busy=2, threads=2)
    assert pair == 2


def test_own_threads_are_not_others(machine):
    assert passed(machine, wall=1, thread=1, process=2, busy=2, threads=2) == 1


@pytest.mark.parametrize("text", ["", "cpu\n", "cpu x y z\n", "\xff"])
def test_a_system_that_tells_nothing_leaves_the_thread_s_own_time(machine, text):
    machine.stat.write_text(text, encoding="latin-1")
    seen = contention.Contention(2)
    seen.start()
    machine.wall += 3
    machine.thread += 2
    assert seen.ratio() == 1.5
