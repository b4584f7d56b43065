"""Which workers there are, and what is said of them; a client that answers from a script."""

from dataclasses import replace

import pytest
import torch

from magics.errors import InputError
from magics.studies.cluster import LostError, worker
from magics.studies.cluster.crew import Crew
from magics.studies.cluster.parcels import _settled, device_of, threads_of
from magics.studies.cluster.pinning import Seat, Share
from magics.studies.sweeping.tasks import Task

TWO = Seat(((0,), (1,)))


def facts(number, **other):
    common = {"process": str(number), "machine": "m", "host": "h", "seat": TWO}
    return worker.Facts(**{**common, "versions": worker.versions(), **other})


class Client:
    """Answers like one of dask's: `workers` are what they would say of themselves, by address."""

    def __init__(self, *said):
        self.workers = {f"tcp://w:{number}": one for number, one in enumerate(said)}
        self.status = "running"
        self.state = dict.fromkeys(self.workers, "running")
        self.asked = []

    def scheduler_info(self, n_workers):
        assert n_workers == -1  # else dask tells of five only
        return {
            "workers": {
                address: {"name": place, "status": self.state[address]}
                for place, address in enumerate(self.workers)
            }
        }

    def run(self, *_, workers, on_error):
        assert on_error == "return"
        self.asked += workers
        return {address: self.workers[address] for address in workers}


@pytest.fixture
def made():
    """Return a crew of workers that say these things."""

    def made(*said):
        crew = Crew(Client(*said), [])
        crew.start()
        return crew

    return made


def take(crew, threads=1, device="cpu"):
    taken = crew.take(threads=threads, device=device)
    return taken and (taken[0].address, taken[1])


def test_every_worker_is_asked_once(made):
    crew = made(facts(0), facts(1))
    assert crew.refresh() == set()
    assert crew.client.asked == ["tcp://w:0", "tcp://w:1"]
    assert crew.warnings == []


def test_workers_of_one_process_are_one_slot(made):
    assert list(made(facts(7), facts(7)).slots) == ["tcp://w:0"]


def test_a_worker_that_takes_no_tasks_gets_none_until_it_does(made):
    crew = made(facts(0))
    crew.client.workers["tcp://w:1"] = facts(1)
    crew.client.state["tcp://w:1"] = "paused"
    crew.refresh()
    assert list(crew.slots) == ["tcp://w:0"]
    crew.client.state["tcp://w:1"] = "running"
    crew.refresh()
    assert list(crew.slots) == ["tcp://w:0", "tcp://w:1"]


def test_the_cores_of_a_lost_worker_are_free_again(made):
    crew = made(facts(0), facts(1))
    assert take(crew) == ("tcp://w:0", Share((0,)))
    assert take(crew) == ("tcp://w:1", Share((1,)))
    del crew.client.workers["tcp://w:0"]
    assert crew.refresh() == {"tcp://w:0"}
    crew.client.workers["tcp://w:9"] = facts(9)
    crew.client.state["tcp://w:9"] = "running"
    crew.refresh()
    assert take(crew) == ("tcp://w:9", Share((0,)))


def test_two_machines_share_nothing(made):
    crew = made(facts(0), facts(1, machine="other"))
    assert take(crew) == ("tcp://w:0", Share((0, 1)))
    assert take(crew) == ("tcp://w:1", Share((0, 1)))


def test_a_point_with_many_threads_goes_where_there_are_enough_cores(made):
    large = Seat(tuple((core,) for core in range(8)))
    crew = made(facts(0), facts(1, machine="large", seat=large))
    assert take(crew, threads=6)[0] == "tcp://w:1"
    assert take(crew, threads=6) is None  # it waits, while the small one is free
    assert take(crew, threads=2)[0] == "tcp://w:0"


def test_a_point_on_a_gpu_goes_where_there_is_one(made):
    crew = made(facts(0), facts(1, seat=replace(TWO, gpus=("0",))))
    assert take(crew, device="cuda") == ("tcp://w:1", Share((0,), "0"))
    assert take(crew, device="cuda") is None


def test_a_worker_without_a_package_is_named_before_anything_runs(made):
    with pytest.raises(InputError, match=r"^on: tcp://w:1 can't run this \(got ModuleNotFound"):
        made(facts(0), ModuleNotFoundError("No module named 'magics'"))


def test_a_worker_without_a_package_that_comes_later_is_left_out_and_said(made):
    crew = made(facts(0))
    crew.client.workers["tcp://w:1"] = ModuleNotFoundError("No module named 'magics'")
    crew.client.state["tcp://w:1"] = "running"
    crew.refresh()
    assert list(crew.slots) == ["tcp://w:0"]
    (warning,) = crew.warnings
    assert warning == (
        "No more points were run by tcp://w:1: ModuleNotFoundError: No module named 'magics'"
    )


def test_other_versions_are_said_once(made):
    other = {**worker.versions(), "torch": "2.4.0"}
    crew = made(facts(0), facts(1, versions=other), facts(2, versions=other))
    crew.refresh()
    assert len(crew.warnings) == 2
    assert f"torch 2.4.0 runs at tcp://w:1, tcp://w:2, {torch.__version__} here." in crew.warnings


def test_more_workers_than_cores_are_said(made):
    (warning,) = made(facts(0), facts(1), facts(2)).warnings
    assert warning.startswith(
        "h has fewer cores (2) than workers (3): as many points run at a time"
    )


def test_workers_that_can_not_be_kept_on_cores_are_said(made):
    (warning,) = made(facts(0, seat=Seat())).warnings
    assert warning.startswith("Workers on h can't be kept on cores of their own")


def test_what_a_client_remembers_of_a_lost_scheduler_does_not_count(made):
    crew = made(facts(0))
    crew.client.status = "connecting"
    with pytest.raises(
        LostError, match=r"^on: the scheduler doesn't answer any more \(got OSError"
    ):
        crew.refresh()


def test_without_workers_one_line_says_why(made):
    crew = made(facts(0))
    crew.exclude(crew.slots["tcp://w:0"], "ModuleNotFoundError: No module named 'nets'")
    with pytest.raises(LostError, match=r"got tcp://w:0: ModuleNotFoundError: No module named"):
        crew.give_up()


def task(values=(), **options):
    return Task(values=dict(values), model=None, inputs=(), options=options)


def test_points_have_one_thread_unless_they_say_otherwise(made):
    slot = made(facts(0)).slots["tcp://w:0"]
    assert _settled(task(), slot, Share()).settings == {"threads": 1}
    assert _settled(task(threads=3), slot, Share()).settings == {}
    assert _settled(task({"threads": 2}), slot, Share()).settings == {"threads": 2}
    assert [threads_of(one) for one in (task(), task(threads=3), task({"threads": 2}))] == [
        None, 3, 2]  # fmt: skip


def test_a_point_runs_on_the_gpu_that_its_worker_has_for_itself(made):
    slot = made(facts(0, seat=replace(TWO, gpus=("4", "6")))).slots["tcp://w:0"]
    for one in (task({"device": "cuda"}), task(device="cuda")):
        assert device_of(one) == "cuda"
        assert _settled(one, slot, Share(gpu="6")).settings["device"] == "cuda:1"
