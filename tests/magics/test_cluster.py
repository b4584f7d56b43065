"""Sweeps on a dask cluster: real workers in processes of their own, some of which are killed."""

import os
import re
import signal
import sys
import threading

import cluster_nets
import dask
import distributed
import nbformat
import pytest
from local_cluster import in_process
from torch import nn

import magics
import nbimport  # noqa: F401, lets notebooks be imported
from magics import progress
from magics.errors import InputError
from magics.session import Interrupted
from magics.studies import cluster as clusters
from magics.studies.sweeping.tasks import Task

SHAPE = "1x3x8x8"
COUNTS = ("values", "status", "batch", "params", "macs", "bytes_moved")


def counts(sweep):
    return [[getattr(point, name) for name in COUNTS] for point in sweep.points]


def statuses(sweep):
    return [point.status for point in sweep.points]


@pytest.fixture(scope="module")
def cluster():
    """Two workers, each a process with one thread and a limit to its memory."""
    # Else dask gives a killed worker up that is not back within 15 s, as on a busy machine.
    patience = dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"})
    with (
        patience,
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            host="127.0.0.1",
            memory_limit="2GiB",
        ) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def shared_client(cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def client(shared_client):
    """A client of two workers, also after one was killed; afterwards they are as they were."""
    shared_client.wait_for_workers(2, timeout=300)
    yield shared_client
    assert shared_client.status == "running"
    assert not shared_client.futures
    shared_client.wait_for_workers(2, timeout=300)
    own = tuple(sorted(os.sched_getaffinity(0)))
    assert all(found == {own} for found in shared_client.run(cluster_nets.affinities).values())


class Receiver:
    """Is told how far the work is, and does something when it is told for the n-th time."""

    def __init__(self, number, do):
        self.left, self.do = number, do

    def report(self, *_):
        self.left -= 1
        if self.left == 0:
            self.do()

    def close(self):
        pass


def test_a_sweep_on_a_cluster_counts_what_it_counts_here(client):
    net = cluster_nets.Small()
    axes = {"batch": [1, 2, 3], "layout": ["contiguous", "channels_last"], "measure": False}
    there = magics.sweep(net, SHAPE, on=client, **axes)
    here = magics.sweep(net, SHAPE, **axes)
    assert counts(there) == counts(here)
    assert statuses(there) == ["counted"] * 6
    assert there.axes == here.axes
    assert there.warnings == here.warnings


def test_rows_say_where_they_were_measured(client, cluster):
    found = magics.sweep(cluster_nets.Small(), SHAPE, on=cluster.scheduler_address, batch=[1, 2])
    assert statuses(found) == ["measured"] * 2
    addresses = set()
    for point in found.points:
        pattern = r"(\S+), cpu, worker [01] \((tcp://[\d.:]+)\), cores [\d,-]+"
        host, address = re.fullmatch(pattern, point.where).groups()
        assert host == os.uname().nodename
        addresses.add(address)
        assert point.environment["threads"] == "1"
    # Both had a point before the first one was done.
    assert addresses == set(client.scheduler_info(n_workers=-1)["workers"])


def test_points_at_the_same_time_have_cores_of_their_own(client):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core can't be shared out")
    found = magics.sweep(cluster_nets.Telling(), SHAPE, on=client, batch=[1, 2])
    seen = [
        re.search(r"ValueError: (\d+) \[\((.*?),?\)\] (\d+) ", point.reason).groups()
        for point in found.points
    ]
    (pid, cores, threads), (other_pid, other_cores, other_threads) = seen
    assert pid != other_pid
    # All threads of a process were on the same cores, and those are no other's.
    assert not set(cores.split(", ")) & set(other_cores.split(", "))
    assert threads == other_threads == "1"


def test_a_point_with_more_threads_gets_more_cores(client):
    cores = sorted(os.sched_getaffinity(0))
    found = magics.sweep(cluster_nets.Telling(), SHAPE, on=client, threads=[len(cores)])
    (point,) = found.points
    assert f"[{tuple(cores)}] " in point.reason


def test_a_failing_point_is_a_row_with_its_error(client):
    found = magics.sweep(cluster_nets.Failing(), SHAPE, on=client, batch=[1, 2, 3], measure=False)
    assert statuses(found) == ["counted", "failed", "counted"]
    assert "ValueError: two is one too many" in found.points[1].reason
    assert re.search(r"worker [01] \(tcp://", found.points[1].where)


def test_memory_beyond_the_limit_of_a_worker_is_refused_and_the_worker_lives(client):
    before = set(client.run(os.getpid).values())
    found = magics.sweep(
        cluster_nets.Hungry(), SHAPE, on=client, layout=["contiguous"], batch=[1, 2], measure=False
    )
    assert statuses(found) == ["counted", "out_of_memory"]
    assert set(client.run(os.getpid).values()) == before


def test_a_point_that_loses_its_worker_is_run_again(client, tmp_path):
    net = cluster_nets.Deadly(tmp_path / "flag")
    found = magics.sweep(net, SHAPE, on=client, batch=[1, 2, 3, 4], measure=False)
    assert (tmp_path / "flag").exists()
    here = magics.sweep(cluster_nets.Small(), SHAPE, batch=[1, 2, 3, 4], measure=False)
    assert counts(found) == counts(here)


def test_a_worker_that_is_killed_once_results_come_loses_no_point(client, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    net = cluster_nets.Waiting(pipe, tmp_path / "flag")
    tasks = [
        Task(values={"batch": batch}, model=net, inputs=(SHAPE,), options={"measure": False})
        for batch in (1, 2, 3, 4)
    ]
    waiting, came = list(tasks), []

    def done(task, point):
        if not came:  # the other worker waits in the middle of its point
            os.kill(int(pipe.read_text()), signal.SIGKILL)
        came.append((task, point))

    clusters.place(client)(lambda: waiting.pop(0) if waiting else None, done)
    assert sorted(task.values["batch"] for task, _ in came) == [1, 2, 3, 4]
    assert {point.status for _, point in came} == {"counted"}
    assert all(task.values == point.values for task, point in came)


def test_a_point_that_kills_every_worker_is_a_failed_row(client):
    found = magics.sweep(cluster_nets.Deadly(), SHAPE, on=client, batch=[1, 2, 3], measure=False)
    assert statuses(found) == ["counted", "failed", "counted"]
    assert re.match(r"its worker was lost, twice \(tcp://\S+ and tcp://\S+\); ",
                    found.points[1].reason)  # fmt: skip


def test_an_interruption_keeps_what_has_come_and_leaves_the_cluster_usable(client):
    def interrupt():
        raise KeyboardInterrupt

    axes = {"batch": [1, 2, 3, 4, 5, 6], "measure": False}
    with progress.reported_to(Receiver(4, interrupt)), pytest.raises(Interrupted) as caught:
        magics.sweep(cluster_nets.Small(), SHAPE, on=client, **axes)
    found = statuses(caught.value.partial)
    # Two workers have a point each, and for the fourth one to be asked for, two have come.
    assert found.count("counted") == 2
    assert found.count("not_run") == 4
    again = magics.sweep(cluster_nets.Small(), SHAPE, on=client, **axes)
    assert statuses(again) == ["counted"] * 6


def test_a_model_of_this_session_goes_along_by_value(client):
    class Local(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 1)

        def forward(self, x):
            return self.layer(x)

    found = magics.sweep(Local(), SHAPE, on=client, batch=[1, 2], measure=False)
    assert [point.params for point in found.points] == [3 * 5 + 5] * 2


def test_a_model_of_a_notebook_reaches_the_workers(client, tmp_path, monkeypatch):
    cells = [
        nbformat.v4.new_code_cell("from torch import nn"),
        nbformat.v4.new_code_cell(
            "class Head(nn.Module):\n"
            "    def __init__(self):\n"
            "        super().__init__()\n"
            "        self.layer = nn.Conv2d(3, 7, 1)\n"
            "    def forward(self, x):\n"
            "        return self.layer(x)"
        ),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "swept_heads.ipynb")
    monkeypatch.syspath_prepend(tmp_path)
    import swept_heads

    try:
        found = magics.sweep(swept_heads.Head(), SHAPE, on=client, batch=[1, 2], measure=False)
    finally:
        del sys.modules["swept_heads"]
    assert [point.params for point in found.points] == [3 * 7 + 7] * 2


MODULE = "from torch import nn\nclass Only(nn.Conv2d):\n    pass\n"


def test_a_worker_that_can_not_load_the_model_leaves_its_points_to_others(
    client, tmp_path, monkeypatch
):
    (tmp_path / "only_on_one.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import only_on_one

    able, unable = client.scheduler_info(n_workers=-1)["workers"]
    client.run(exec, f"import sys; sys.path.append({str(tmp_path)!r})", workers=[able])
    found = magics.sweep(
        only_on_one.Only(3, 4, 3), SHAPE, on=client, batch=[1, 2, 3], measure=False
    )
    assert statuses(found) == ["counted"] * 3
    assert all(able in point.where for point in found.points)
    (warning,) = found.warnings
    assert unable in warning
    assert "No module named 'only_on_one'" in warning


def test_a_model_that_no_worker_can_load_is_one_line(client, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with pytest.raises(clusters.LostError) as caught:
        magics.sweep(only_here.Only(3, 4, 3), SHAPE, on=client, batch=[1, 2], measure=False)
    message = str(caught.value)
    assert message.startswith("on: no worker can run this (got tcp://")
    assert "No module named 'only_here'" in message
    assert "\n" not in message


def test_a_model_that_can_not_be_pickled_is_one_line(client):
    net = cluster_nets.Small()
    net.lock = threading.Lock()
    with pytest.raises(InputError, match=r"^on: the model or an input can't be sent .*lock"):
        magics.sweep(net, SHAPE, on=client, batch=[1, 2], measure=False)


def test_the_address_of_a_worker_is_no_cluster(client):
    address = next(iter(client.scheduler_info(n_workers=-1)["workers"]))
    with pytest.raises(InputError, match=r"that is a Worker, no scheduler\)"):
        clusters.place(address)


def test_workers_that_join_later_are_used():
    with in_process(0) as local, progress.reported_to(Receiver(1, lambda: local.scale(1))):
        found = magics.sweep(nn.Conv2d(3, 4, 3), SHAPE, on=local, batch=[1, 2], measure=False)
    assert statuses(found) == ["counted"] * 2


def test_what_has_come_is_kept_when_the_scheduler_is_lost():
    with in_process(1) as local, progress.reported_to(Receiver(3, local.close)):
        found = magics.sweep(nn.Conv2d(3, 4, 3), SHAPE, on=local, batch=[1, 2, 3, 4], measure=False)
    assert statuses(found) == ["counted", "counted", "not_run", "not_run"]
    assert found.points[-1].reason.startswith("on: the scheduler doesn't answer any more (got ")
