"""What a sweep runs next, when a line ends, and where its knee is: points that nobody measured."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweeping import point

from magics.measurement.machine.clock import Clock
from magics.records import Sweep, SweepAxis
from magics.records.sweep import KNEE
from magics.studies.sweeping import book as book_module
from magics.studies.sweeping.axes import read
from magics.studies.sweeping.book import Book
from magics.studies.sweeping.tasks import Task

TIMES = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=9)


def opened(budget_s=None, **axes):
    found, _, _ = read(axes, lambda _name: False)

    def task(values):
        return Task(values=values, model=None, inputs=("1x4x8x8",))

    return Book(found, task, dimensions=2, budget_s=budget_s)


def run(book, measured):
    """Run all tasks of a book one after another, and return them."""
    tasks = []
    while (task := book.next_task()) is not None:
        tasks.append(task)
        book.note(task.values, measured(task))
    return tasks


def values_of(tasks, name="batch"):
    return [task.values[name] for task in tasks]


def swept(times, name="batch", **more):
    """Return a sweep whose points took so long for each sample."""
    points = [
        point({name: place}, time * place, batch=place, **more)
        for place, time in enumerate(times, 1)
    ]
    axis = SweepAxis(name=name, values=tuple(range(1, len(times) + 1)))
    return Sweep(model="Net", inputs="", axes=(axis,), points=tuple(points))


@given(TIMES)
def test_the_knee_is_the_first_point_within_a_tenth_of_the_best(times):
    (knee,) = swept(times).knees
    place = knee.values["batch"] - 1
    limit = min(point.seconds_per_sample for point in swept(times).points) * (1 + KNEE)
    assert knee.seconds_per_sample <= limit
    for before in swept(times).points[:place]:
        assert before.seconds_per_sample > limit


@given(TIMES, st.randoms())
def test_the_knee_does_not_depend_on_the_order_of_points(times, random):
    sweep = swept(times)
    points = list(sweep.points)
    random.shuffle(points)
    mixed = Sweep(model="Net", inputs="", axes=sweep.axes, points=tuple(points))
    assert mixed.knees == sweep.knees
    assert mixed.lines() == sweep.lines()


@given(TIMES)
def test_there_is_no_knee_where_more_is_not_better(times):
    assert swept(times, "channels").knees == (None,)


def test_points_that_were_not_measured_have_no_say_in_the_knee():
    lost = [point({"batch": value}, status="failed", reason="x") for value in (1, 3)]
    points = (lost[0], point({"batch": 2}, 1.0), lost[1], point({"batch": 4}, 1.9))
    axes = (SweepAxis(name="batch", values=(1, 2, 3, 4)),)
    (knee,) = Sweep(model="Net", inputs="", axes=axes, points=points).knees
    assert knee.values == {"batch": 2}  # 0.5 s a sample, and then 0.475 s
    nothing = Sweep(model="Net", inputs="", axes=axes, points=tuple(lost))
    assert nothing.knees == (None,)


@given(TIMES)
def test_a_sweep_survives_json(times):
    sweep = swept(times, peaks=(1, 5, 3), peak_bytes=5, environment={"threads": "1"})
    assert Sweep.from_json(sweep.to_json()) == sweep
    assert len(sweep.to_csv().splitlines()) == len(times) + 1


def test_lines_take_turns_so_that_what_is_compared_is_measured_soon_after_one_another():
    tasks = run(opened(batch=[4, 1, 2], layout=["nchw", "nhwc"]),
                lambda task: point(task.values))  # fmt: skip
    assert [tuple(task.values.values()) for task in tasks] == [
        (batch, layout) for batch in (1, 2, 4) for layout in ("contiguous", "channels_last")
    ]


def test_points_are_told_in_the_order_asked_for():
    book = opened(layout=["nhwc", "nchw"], batch=[4, 1, 2])
    run(book, lambda task: point(task.values))
    assert [tuple(one.values.values()) for one in book.points()] == list(
        itertools.product(("channels_last", "contiguous"), (4, 1, 2))
    )


@given(st.integers(2, 6), st.integers(0, 3))
def test_an_open_end_goes_on_for_two_points_past_the_knee(knee, noise):
    """Up to the knee each sample takes half as long; from there on as long, give or take."""

    def measured(task):
        place = task.values["batch"].bit_length() - 1
        each = 2.0 ** -min(place, knee) * (1 + 0.01 * noise * (place > knee))
        return point(task.values, each * task.values["batch"])

    tasks = run(opened(batch=[1, 2, ...]), measured)
    assert values_of(tasks) == [2**place for place in range(knee + 3)]


def test_an_open_end_of_sizes_goes_on_until_memory_ends():
    def measured(task):
        full = task.values["size"] >= 96
        return point(task.values, status="out_of_memory" if full else "measured", reason="full")

    book = opened(size=[32, 64, 96, ...])
    assert values_of(run(book, measured), "size") == [32, 64, 96]
    book = opened(size=[16, 32, 48, ...])
    assert values_of(run(book, measured), "size") == [16, 32, 48, 64, 80, 96]
    assert [one.status for one in book.points()] == ["measured"] * 5 + ["out_of_memory"]


def test_an_open_end_does_not_go_on_after_a_failure():
    book = opened(batch=[1, 2, ...])
    tasks = run(book, lambda task: point(task.values, status="failed", reason="no"))
    assert values_of(tasks) == [1, 2]


def test_after_memory_has_ended_a_line_is_not_run_further_but_others_are():
    def measured(task):
        full = task.values["batch"] >= 4 and task.values["dtype"] == "float64"
        return point(task.values, status="out_of_memory" if full else "measured", reason="full")

    book = opened(batch=[1, 4, 8, 16], dtype=["fp64", "fp32"])
    run(book, measured)
    statuses = {tuple(one.values.values()): one for one in book.points()}
    assert statuses[4, "float64"].status == "out_of_memory"
    for batch in (8, 16):
        assert statuses[batch, "float64"].status == "not_run"
        assert statuses[batch, "float64"].reason == "batch 4 was out of memory"
        assert statuses[batch, "float32"].status == "measured"


def test_a_failing_point_does_not_end_its_line():
    book = opened(batch=[1, 2, 3])
    run(book, lambda task: point(task.values, status="measured" if task.values["batch"] != 2
                                 else "failed", reason="odd"))  # fmt: skip
    assert [one.status for one in book.points()] == ["measured", "failed", "measured"]


@pytest.mark.parametrize("name", ["batch", "size", "channels", "groups"])
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 10**6)), min_size=1, max_size=9))
def test_a_peak_is_foretold_from_two_points_place_by_place(name, places):
    """What grows along an axis grows with the number of pixels, samples or channels."""

    def peaks(value):
        grown = {"batch": value, "size": value**2, "channels": value, "groups": 0}[name]
        return tuple(part * grown + constant for part, constant in places)

    tasks = run(opened(**{name: [2, 3, 4, 7]}),
                lambda task: point(task.values, peaks=peaks(task.values[name]), input_bytes=10,
                                   allocator_bytes=max(peaks(task.values[name]))))  # fmt: skip
    expected = [max(peaks(value)) for value in (2, 3, 4, 7)]
    known = 1 if name == "groups" else 2
    assert [task.predicted_bytes for task in tasks] == [None] * known + expected[known:]
    assert [task.needed_bytes for task in tasks][known:] == [it + 10 for it in expected[known:]]
    if name != "groups":
        assert tasks[1].most_bytes >= expected[1]


class FakeClock:
    def __init__(self, monkeypatch):
        self.now = 0
        monkeypatch.setattr(book_module, "WALL", Clock("wall", lambda: self.now))

    def takes(self, seconds):
        def measured(task):
            self.now += round(6 * seconds * task.values["batch"] * 1e9)
            return point(task.values, seconds * task.values["batch"])

        return measured


def test_a_budget_ends_a_sweep_before_the_point_that_would_not_fit(monkeypatch):
    clock = FakeClock(monkeypatch)
    book = opened(10.0, batch=[1, 2, 4, 8, 16])
    tasks = run(book, clock.takes(0.2))  # 1.2 s, 2.4 s, 4.8 s; then 9.6 s would be needed
    assert values_of(tasks) == [1, 2, 4]
    assert [one.status for one in book.points()[3:]] == ["not_run", "not_run"]
    assert book.points()[3].reason == "the budget of 10 s would not suffice"
    assert clock.now <= 10e9


def test_the_first_point_is_measured_whatever_the_budget(monkeypatch):
    clock = FakeClock(monkeypatch)
    tasks = run(opened(1e-6, batch=[3, 9]), clock.takes(5.0))
    assert values_of(tasks) == [3]
    assert tasks[0].budget_s > 0


def test_a_budget_is_shared_out_and_points_get_no_longer_than_usual(monkeypatch):
    clock = FakeClock(monkeypatch)
    tasks = run(opened(2.0, batch=range(1, 9)), clock.takes(0.0))
    assert tasks[0].budget_s == pytest.approx(2.0 / 8.5)
    tasks = run(opened(100.0, batch=range(1, 9)), clock.takes(0.0))
    assert {task.budget_s for task in tasks} == {None}


def test_a_point_that_begins_anew_leaves_the_others_their_shares(monkeypatch):
    def measured(task):
        shares.append(task.budget_s)
        clock.now += task.budget_s * (1 if task.undisturbed else 1.5) * 1e9
        return point(task.values, 1e-3, clock="cpu", environment={"threads": "1"})

    clock, shares = FakeClock(monkeypatch), []
    run(opened(1.0, batch=[1, 2, 3]), measured)
    assert shares == pytest.approx([2 / 7] * 3)
    assert clock.now == pytest.approx(1e9)


def test_where_others_turn_up_points_with_more_threads_are_measured_again():
    def measured(task):
        busy = task.undisturbed or task.values["batch"] >= 4
        seen.append(task.undisturbed)
        how = ("cpu", "1") if busy else ("wall", "2")
        return point(task.values, clock=how[0], environment={"threads": how[1]})

    seen = []
    book = opened(batch=[1, 2, 4, 8])
    tasks = run(book, measured)
    assert values_of(tasks) == [1, 2, 4, 1, 2, 8] or values_of(tasks) == [1, 2, 4, 2, 1, 8]
    assert seen == [False, False, False, True, True, True]
    assert {one.forward.clock for one in book.points()} == {"cpu"}


def test_where_others_turn_up_what_was_taken_over_stays():
    book = opened(batch=[1, 2, 4])
    before = point({"batch": 1}, environment={"threads": "2"})
    book.take_over([before])
    tasks = run(book, lambda task: point(task.values, clock="cpu", environment={"threads": "1"}))
    assert values_of(tasks) == [2, 4]
    assert book.points()[0] is before


def test_points_of_different_threads_are_not_measured_again():
    def measured(task):
        clock = "cpu" if task.values["threads"] == 1 else "wall"
        return point(task.values, batch=1, clock=clock,
                     environment={"threads": str(task.values["threads"])})  # fmt: skip

    assert values_of(run(opened(threads=[1, 2, 4]), measured), "threads") == [1, 2, 4]


def test_several_places_get_several_tasks_and_an_open_end_waits_for_results():
    book = opened(batch=[1, 2, ...])
    first, second = book.next_task(), book.next_task()
    assert values_of([first, second]) == [1, 2]
    assert book.next_task() is None
    book.note(first.values, point(first.values, 1.0))
    assert book.next_task() is None
    book.note(second.values, point(second.values, 1.0))
    assert book.next_task().values == {"batch": 4}


def test_what_was_measured_before_is_not_run_again_and_nothing_of_it_is_lost():
    book = opened(batch=[1, 2, 4])
    before = [point({"batch": 2}), point({"batch": 64}),
              point({"batch": 4}, status="failed", reason="x")]  # fmt: skip
    book.take_over(before)
    assert values_of(run(book, lambda task: point(task.values))) == [1, 4]
    assert [one.values["batch"] for one in book.points()] == [1, 2, 4, 64]
    assert before[0] in book.points()
    assert before[1] in book.points()
