"""Cores and GPUs of a host, shared out; and a process that is kept on some cores."""

import os
import threading

import pytest
from cluster_nets import affinities
from hypothesis import given
from hypothesis import strategies as st

from magics.studies.cluster.pinning import Host, Seat, Share, kept_on, own_cores


def singles(count):
    return tuple((core,) for core in range(count))


def host(workers, seat):
    return Host(seats={str(number): seat for number in range(workers)})


def taken(host, worker, threads=1, device="cpu"):
    share = host.share(worker, threads=threads, device=device)
    if share is not None:
        host.taken[worker] = share
    return share


def test_idle_workers_share_the_cores_evenly():
    machine = host(3, Seat(singles(8)))
    assert [len(taken(machine, worker).cores) for worker in "012"] == [2, 3, 3]
    assert {core for share in machine.taken.values() for core in share.cores} == set(range(8))


def test_hardware_threads_of_a_core_go_to_one_worker():
    machine = host(2, Seat(((0, 4), (1, 5), (2, 6), (3, 7))))
    assert taken(machine, "0").cores == (0, 1, 4, 5)
    assert taken(machine, "1").cores == (2, 3, 6, 7)


def test_hardware_threads_are_shared_out_where_there_are_fewer_cores_than_workers():
    machine = host(4, Seat(((0, 2), (1, 3))))
    assert [taken(machine, worker).cores for worker in "0123"] == [(0,), (2,), (1,), (3,)]


def test_a_worker_without_a_core_of_its_own_waits_for_one():
    machine = host(2, Seat(singles(1)))
    assert taken(machine, "0").cores == (0,)
    assert taken(machine, "1") is None
    del machine.taken["0"]
    assert taken(machine, "1").cores == (0,)


def test_a_point_with_many_threads_waits_until_as_many_cores_are_free():
    machine = host(2, Seat(singles(4)))
    assert taken(machine, "0").cores == (0, 1)
    assert taken(machine, "1", threads=3) is None
    del machine.taken["0"]
    assert taken(machine, "1", threads=3).cores == (0, 1, 2)


def test_more_threads_than_cores_get_the_whole_host():
    assert taken(host(2, Seat(singles(4))), "0", threads=64).cores == (0, 1, 2, 3)


def test_a_host_whose_processes_can_not_be_kept_anywhere_shares_nothing_out():
    assert taken(host(2, Seat()), "0", threads=5) == Share()


def test_every_point_on_gpus_has_one_for_itself():
    machine = host(3, Seat(gpus=("0", "1")))
    assert [taken(machine, worker, device="cuda") for worker in "012"] == [
        Share(gpu="0"), Share(gpu="1"), None]  # fmt: skip


def test_gpus_that_are_separated_already_stay_so():
    machine = Host(seats={"a": Seat(gpus=("3", "5")), "b": Seat(gpus=("5", "3"))})
    assert taken(machine, "a", device="cuda").gpu == "3"
    assert taken(machine, "b", device="cuda").gpu == "5"


def test_a_gpu_with_a_number_is_that_one_or_none():
    machine = host(2, Seat(gpus=("0", "1")))
    assert taken(machine, "0", device="cuda:1").gpu == "1"
    assert taken(machine, "1", device="cuda:1") is None
    assert taken(machine, "1", device="cuda:0").gpu == "0"


steps = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 6), st.sampled_from(["cpu", "cuda", "cuda:1"])),
    max_size=20,
)


@given(
    st.integers(1, 5),
    st.lists(st.integers(1, 2), min_size=1, max_size=6),
    st.integers(0, 3),
    steps,
)
def test_nobody_ever_has_what_another_has(workers, widths, gpus, points):
    groups, first = [], 0
    for width in widths:
        groups.append(tuple(range(first, first + width)))
        first += width
    seat = Seat(tuple(groups), tuple(map(str, range(gpus))))
    machine = host(workers, seat)
    for number, threads, device in points:
        worker = str(number % workers)
        if worker in machine.taken:
            del machine.taken[worker]
            continue
        share = taken(machine, worker, threads, device)
        if share is None:
            # That would be for ever where nobody gives anything back.
            assert machine.taken
            continue
        assert len(share.cores) >= min(threads, first)
        assert set(share.cores) <= set(seat.single_cores)
        for other, had in machine.taken.items():
            if other != worker:
                assert not set(had.cores) & set(share.cores)
                assert share.gpu is None or had.gpu != share.gpu


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process can't be kept there")
def test_every_thread_is_kept_on_the_cores_and_put_back_also_after_an_error():
    own = os.sched_getaffinity(0)
    some = {min(own)}
    end, started = threading.Event(), []
    before = threading.Thread(target=end.wait)
    before.start()

    def failing():
        with kept_on(some):
            started.append(threading.Thread(target=end.wait))
            started[0].start()
            assert affinities() == {tuple(some)}
            raise ZeroDivisionError

    try:
        with pytest.raises(ZeroDivisionError):
            failing()
        assert affinities() == {tuple(sorted(own))}
    finally:
        end.set()
        for thread in (before, *started):
            thread.join()


def test_cores_that_are_not_to_be_had_leave_everything_as_it_was():
    before = affinities()
    with pytest.raises(OSError, match="Invalid argument"), kept_on([10**4]):
        pass
    assert affinities() == before


def test_own_cores_are_those_that_the_system_names():
    assert sorted(core for group in own_cores() for core in group) == sorted(
        os.sched_getaffinity(0)
    )
