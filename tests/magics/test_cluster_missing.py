"""A sweep on a cluster that is not there, or has nobody."""

import sys
import threading

import distributed
import pytest
from local_cluster import in_process
from torch import nn

import magics
import nbimport  # noqa: F401, lets notebooks be imported
from magics.errors import InputError
from magics.studies import cluster as clusters
from magics.studies.cluster import connection, dispatch

SHAPE = "1x3x8x8"
COUNTS = ("values", "status", "batch", "params", "macs", "bytes_moved")


@pytest.mark.parametrize(
    ("on", "reason"),
    [
        ("tcp://127.0.0.1:9", ""),
        ("elsewhere", "missing port number in address 'elsewhere'"),
        ("http://127.0.0.1:9", "unknown address scheme 'http'"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(on, reason, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(connection, "_CONNECT_S", 0.2)
    before = set(threading.enumerate())
    file = tmp_path / "sweep.json"
    with pytest.raises(InputError) as caught:
        magics.sweep(nn.Conv2d(3, 4, 3), SHAPE, on=on, batch=[1, 2], resume=file)
    message = str(caught.value)
    assert message.startswith(f"on: no cluster answers (got {on}: ")
    assert reason in message
    assert "\n" not in message
    assert set(threading.enumerate()) == before
    assert capfd.readouterr() == ("", "")
    assert not file.exists()


def test_a_server_that_says_nothing_is_no_cluster(monkeypatch):
    import socket

    monkeypatch.setattr(connection, "_CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=r"got tcp://[\d.:]+: nothing within 0.2 s\)"):
            clusters.place(address)


def test_what_is_no_cluster_is_one_line():
    with pytest.raises(InputError, match=r"^on: no cluster \(got 3\); give such as 'tcp://host"):
        magics.sweep(nn.Conv2d(3, 4, 3), SHAPE, on=3, batch=[1, 2])


def test_without_dask_one_line_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "magics.studies.cluster.connection")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"^on: dask.distributed can't be imported .*\[cluster\]"):
        magics.sweep(nn.Conv2d(3, 4, 3), SHAPE, on="tcp://127.0.0.1:9", batch=[1, 2])


def test_a_closed_client_is_one_line():
    with in_process(0) as local, distributed.Client(local, set_as_default=False) as client:
        pass
    with pytest.raises(InputError, match=r"^on: the client has no cluster \(got it closed\)"):
        magics.sweep(nn.Conv2d(3, 4, 3), SHAPE, on=client, batch=[1, 2])


def test_a_cluster_without_workers_is_one_line(monkeypatch):
    monkeypatch.setattr(dispatch, "_PATIENCE_S", 0.0)
    with (
        in_process(0) as local,
        pytest.raises(clusters.LostError, match=r"^on: the cluster has no"),
    ):
        magics.sweep(nn.Conv2d(3, 4, 3), SHAPE, on=local, batch=[1, 2])
