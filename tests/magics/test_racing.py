"""Whole runs in turns: what is run when, with which clock, and when it is enough."""

from contextlib import contextmanager

import pytest
import ticking

from magics.measurement.machine.clock import Clock
from magics.measurement.timing import racing
from magics.measurement.timing.racing import LEAST_ROUNDS, Race, Runner
from magics.records.ratio import of_times


class Clockwork:
    """Time that passes only when told to [ns]."""

    def __init__(self):
        self.now = 0
        self.log = []

    def clock(self, name="wall"):
        return Clock(name, lambda: self.now)

    def runner(self, name, *lengths, **options):
        def run():
            self.log.append(name)
            self.now += lengths[len(self.log) % len(lengths)]

        return Runner(run, **options)


@pytest.fixture
def work(monkeypatch):
    made = Clockwork()
    monkeypatch.setattr(racing, "WALL", made.clock())
    for name in ("CPU", "PROCESS"):
        monkeypatch.setattr(racing, name, made.clock("cpu"))
    monkeypatch.setattr(racing, "Contention", lambda threads: ticking._Steady(threads, 1.0))
    return made


MS = 1_000_000


def test_all_take_turns_and_have_a_replicate_of_every_round(work):
    runners = [work.runner("A", 10 * MS), work.runner("B", 20 * MS)]
    measured, contention = Race(threads=1).measured(runners, 1.0)
    rounds = work.log[2:]  # each once before, to know how long
    assert len(rounds) == 2 * measured[0].count
    assert all({*pair} == {"A", "B"} for pair in zip(rounds[::2], rounds[1::2], strict=True))
    assert [set(one.replicates_s) for one in measured] == [{0.01}, {0.02}]
    assert contention == 1.0


def test_each_goes_first_in_every_second_round(work):
    runners = [work.runner(name, 10 * MS) for name in "ABC"]
    measured, _ = Race(threads=1).measured(runners, 1.0)
    rounds = "".join(work.log[3:])
    assert rounds == ("CBAABC" * measured[0].count)[: len(rounds)]


@pytest.mark.parametrize("length", [MS // 100, MS, 20 * MS])
def test_who_finds_cold_caches_at_the_beginning_of_a_round_is_no_slower_for_it(
    work, monkeypatch, length
):
    class Collector:
        cold = False

        def collect(self, _generation):
            self.cold = True

    collector = Collector()
    monkeypatch.setattr(racing, "gc", collector)

    def run():
        work.now += length + (MS if collector.cold else 0)
        collector.cold = False

    measured, _ = Race(threads=1).measured([Runner(run), Runner(run)], 2.0)
    ratio = of_times(*measured, paired=True)
    assert ratio.low < 1 < ratio.high
    assert ratio.value == pytest.approx(1, abs=0.05)


def test_what_never_varies_is_known_after_eight_rounds(work):
    measured, _ = Race(threads=1).measured([work.runner("A", MS), work.runner("B", MS)], 1.0)
    assert measured[0].count == 8


def test_what_varies_is_measured_until_the_budget_ends(work):
    runners = [work.runner("A", MS, 9 * MS, 2 * MS), work.runner("B", 5 * MS, MS)]
    measured, _ = Race(threads=1).measured(runners, 0.3)
    assert work.now <= 0.3e9 + 20 * MS  # the last round may take longer than the one before
    assert measured[0].count > 8


def test_three_rounds_are_measured_however_small_the_budget(work):
    measured, _ = Race(threads=1).measured([work.runner("A", MS), work.runner("B", MS)], 1e-6)
    assert measured[0].count == measured[1].count == LEAST_ROUNDS


def test_short_runs_are_repeated_until_reading_the_clock_is_nothing(work):
    runners = [work.runner("A", 1000), work.runner("B", 2000)]
    measured, _ = Race(threads=1).measured(runners, 1.0)
    # Half a millisecond of a microsecond, and one for warming up.
    assert work.log.count("A") == 1 + 501 * measured[0].count
    assert measured[0].median_s == pytest.approx(1e-6)
    assert measured[1].median_s == pytest.approx(2e-6)


def test_where_others_work_the_processor_tells_unless_threads_differ(work, monkeypatch):
    monkeypatch.setattr(racing, "Contention", lambda threads: ticking._Steady(threads, 2.0))
    for wall_only, clock in ((False, "cpu"), (True, "wall")):
        race = Race(threads=1, wall_only=wall_only)
        measured, contention = race.measured([work.runner("A", MS), work.runner("B", MS)], 1.0)
        assert {one.clock for one in measured} == {clock}
        assert contention == 2.0


def test_a_device_has_its_own_clock_whoever_works_on_the_processor(work, monkeypatch):
    monkeypatch.setattr(racing, "Contention", lambda threads: ticking._Steady(threads, 2.0))
    reads = []

    def settled(marks):
        reads.append(len(marks))
        return [3 * mark for mark in marks]

    device = Clock("cuda", lambda: work.now, settled)
    measured, contention = Race(1, device).measured([work.runner("A", MS), work.runner("B", MS)], 1)
    assert {one.clock for one in measured} == {"cuda"}
    assert set(measured[0].replicates_s) == {0.003}
    assert set(reads) == {2}
    assert contention == 1.0


def test_the_setting_holds_around_every_replicate_and_is_no_part_of_it(work):
    @contextmanager
    def setting():
        work.now += 7 * MS
        yield
        work.now += 7 * MS

    runners = [work.runner("A", MS, setting=setting), work.runner("B", MS)]
    measured, _ = Race(threads=1).measured(runners, 1.0)
    assert set(measured[0].replicates_s) == {0.001}


@pytest.mark.parametrize("settled", [True, False])
def test_short_runs_are_warmed_up_before_each_replicate(work, settled):
    runners = [work.runner(name, MS, settled=settled) for name in "AB"]
    measured, _ = Race(threads=1).measured(runners, 1.0)
    assert work.log.count("A") == work.log.count("B") == 1 + 2 * measured[0].count


def test_what_is_slow_to_settle_runs_once_more_before_each_replicate(work):
    runners = [work.runner("A", 10 * MS, settled=True), work.runner("B", 10 * MS)]
    measured, _ = Race(threads=1).measured(runners, 1.0)
    assert work.log.count("A") == 1 + 2 * measured[0].count
    assert work.log.count("B") == 1 + measured[1].count
