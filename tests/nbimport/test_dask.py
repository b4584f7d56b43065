"""dask.distributed: a LocalCluster, and a cluster that something else has started."""

import os
import socket
import subprocess
import sys

import pytest

pytest.importorskip("distributed")

SHAPES = "class Square:\n    side = 3", "def double(square):\n    return 2 * square.side"
THREE = """
    import sys
    import nbimport
    import shapes
    nbimport.mount("lab", "mounted")
    from lab import shapes as mounted
    loaded = nbimport.load("loaded/my shapes.ipynb")
    modules = [shapes, mounted, loaded]
"""
SUBMIT = "print([client.submit(m.double, m.Square()).result() for m in modules])"


@pytest.fixture
def shapes(notebook):
    for path in ("shapes.ipynb", "mounted/shapes.ipynb", "loaded/my shapes.ipynb"):
        notebook(path, *SHAPES)


def test_a_local_cluster_with_processes_needs_no_line(shapes, script, python):
    text = f"""
    from dask.distributed import Client, LocalCluster
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster, Client(cluster) as client:
        {SUBMIT}
    """
    path = script("program.py", "if __name__ == '__main__':\n" + THREE + text)
    assert python(args=[str(path)], hook=False, quiet=False) == "[6, 6, 6]\n"


@pytest.fixture
def cluster(tmp_path):
    """Start a scheduler and a worker elsewhere, on loopback."""
    started = []
    (tmp_path / "elsewhere").mkdir()

    def start(*options, **variables):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        unwanted = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        kept = {key: value for key, value in os.environ.items() if key not in unwanted}
        commands = (
            ["scheduler", "--host", address, "--no-dashboard", *options],
            ["worker", address, "--no-dashboard", "--no-nanny", "--nthreads", "1", *options],
        )
        started.extend(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                cwd=tmp_path / "elsewhere",
                env={**kept, **variables},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for command in commands
        )
        return address

    yield start
    for process in reversed(started):
        process.terminate()
    for process in started:
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


CONNECT = """
    from distributed import Client
    client = Client(sys.argv[1], timeout=60)
    client.wait_for_workers(1, timeout=60)
"""


def test_a_plugin_prepares_a_cluster_that_was_started_elsewhere(shapes, script, python, cluster):
    text = f"""{CONNECT}
    from nbimport.integrations.dask import NotebookPlugin
    client.register_plugin(NotebookPlugin())
    {SUBMIT}
    """
    path = script("program.py", "if True:\n" + THREE + text)
    assert python(args=[str(path), cluster()], hook=False, quiet=False) == "[6, 6, 6]\n"


def test_preloading_nbimport_prepares_a_cluster(shapes, script, python, cluster, tmp_path):
    path = script("program.py", f"if True:\n{THREE}{CONNECT}    del modules[1]\n    {SUBMIT}")
    address = cluster("--preload", "nbimport", PYTHONPATH=str(tmp_path))
    assert python(args=[str(path), address], hook=False, quiet=False) == "[6, 6]\n"


def test_a_cluster_without_the_hook_says_which_line_to_add(shapes, script, python, cluster):
    path = script("program.py", f"if True:\n{THREE}{CONNECT}    {SUBMIT}")
    stderr = python(args=[str(path), cluster()], hook=False, fails=True)
    advice = stderr.rstrip().splitlines()[-1]
    assert advice.startswith(
        "'shapes' is a notebook here, and a process of the cluster can't import"
    )
    assert "client.register_plugin(nbimport.integrations.dask.NotebookPlugin())" in advice
    assert "--preload nbimport" in advice
    assert stderr.count(advice) == 1


def test_a_cluster_without_nbimport_says_what_to_do(shapes, script, python, cluster):
    path = script("program.py", f"if True:\n{THREE}{CONNECT}    modules = [loaded]\n    {SUBMIT}")
    missing = "raise ModuleNotFoundError(\"No module named 'nbimport'\", name='nbimport')"
    hidden = script("hidden/nbimport/__init__.py", missing).parents[1]
    stderr = python(args=[str(path), cluster(PYTHONPATH=str(hidden))], hook=False, fails=True)
    advice = stderr.rstrip().splitlines()[-1]
    assert advice.startswith("a process of the cluster has no nbimport; install it there")
    assert "cloudpickle.register_pickle_by_value(module)" in advice
