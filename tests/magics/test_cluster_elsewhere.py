"""A cluster that something else has started, in environments that lack packages."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import cluster_nets
import distributed
import pytest

import magics
from magics.errors import InputError

SHAPE = "1x3x8x8"
# What `dask --preload` runs first: there it is as if nothing of this had been installed.
WITHOUT = """
import sys

class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"magics", "nbimport", "torch", "cluster_nets"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Without)
"""


@pytest.fixture
def start(tmp_path):
    """Start a scheduler or a worker from the command line; all end with the test."""
    started = []
    lacking = tmp_path / "lacking.py"
    lacking.write_text(WITHOUT, encoding="utf-8")

    def start(*command, lacks):
        preload = ["--preload", str(lacking)] if lacks else []
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command, *preload],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(cluster_nets.__file__).parent)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)

    yield start
    for process in reversed(started):
        process.terminate()
    for process in started:
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_a_scheduler_needs_nothing_but_dask_and_a_worker_needs_the_package(start):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    worker = ("worker", address, "--no-dashboard", "--no-nanny", "--nthreads", "1")
    start("scheduler", "--host", address, "--no-dashboard", lacks=True)
    start(*worker, lacks=False)
    net, axes = cluster_nets.Small(), {"batch": [1, 2, 3], "measure": False}
    with distributed.Client(address, timeout=300, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=300)
        able = set(client.scheduler_info(n_workers=-1)["workers"])
        found = magics.sweep(net, SHAPE, on=address, **axes)
        assert [point.macs for point in found.points] == [
            point.macs for point in magics.sweep(net, SHAPE, **axes).points
        ]

        start(*worker, lacks=True)
        client.wait_for_workers(2, timeout=300)
        (unable,) = set(client.scheduler_info(n_workers=-1)["workers"]) - able
        with pytest.raises(InputError) as caught:
            magics.sweep(net, SHAPE, on=client, **axes)
    message = str(caught.value)
    assert message.startswith(f"on: {unable} can't run this (got ModuleNotFoundError: No module ")
    assert "install nbimport-convprofile and torch" in message
    assert "\n" not in message
