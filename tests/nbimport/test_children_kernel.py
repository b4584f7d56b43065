"""Child processes that a notebook in a kernel starts."""

import contextlib

import pytest

manager = pytest.importorskip("jupyter_client.manager")
pytest.importorskip("joblib")
pytest.importorskip("distributed")

SHAPES = (
    "class Square:\n    side = 3",
    "def double(square):\n    return 2 * square.side",
    "class Squares(list):\n    def __init__(self):\n        super().__init__([4, 9])",
)
START = """
import nbimport, shapes
nbimport.mount("lab", "mounted")
from lab import shapes as mounted
loaded = nbimport.load("loaded/my shapes.ipynb")
modules = [shapes, mounted, loaded]
"""
POOL = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
for method in "spawn", "forkserver":
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        print([pool.submit(m.double, m.Square()).result() for m in modules])
"""
LOKY = """
import joblib
print(joblib.Parallel(2)(joblib.delayed(m.double)(m.Square()) for m in modules))
"""
LOADER = """
from torch.utils.data import DataLoader
for method in "spawn", "forkserver":
    loader = DataLoader(loaded.Squares(), num_workers=1, multiprocessing_context=method)
    print([batch.item() for batch in loader])
"""
DASK = """
from dask.distributed import Client, LocalCluster
with LocalCluster(n_workers=1, processes=True, dashboard_address=None, host="127.0.0.1") as cluster:
    with Client(cluster) as client:
        print([client.submit(m.double, m.Square()).result() for m in modules])
"""


@contextlib.contextmanager
def kernel_in(folder):
    kernel, client = manager.start_new_kernel(cwd=str(folder))

    def run(code):
        found = []
        client.execute_interactive(code, timeout=180, allow_stdin=False, output_hook=found.append)
        errors = [m["content"]["traceback"] for m in found if m["msg_type"] == "error"]
        assert not errors, "\n".join(errors[0])
        return "".join(m["content"]["text"] for m in found if m["msg_type"] == "stream")

    try:
        yield run
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


def test_spawn_forkserver_loky_and_dask_from_a_kernel(notebook, tmp_path):
    for path in ("shapes.ipynb", "mounted/shapes.ipynb", "loaded/my shapes.ipynb"):
        notebook(path, *SHAPES)
    with kernel_in(tmp_path) as run:
        assert run(START) == ""
        assert run(POOL) == "[6, 6, 6]\n[6, 6, 6]\n"
        assert run(LOKY) == "[6, 6, 6]\n"
        assert run(DASK) == "[6, 6, 6]\n"


def test_a_data_loader_in_a_kernel(notebook, tmp_path):
    pytest.importorskip("torch")
    for path in ("shapes.ipynb", "mounted/shapes.ipynb", "loaded/my shapes.ipynb"):
        notebook(path, *SHAPES)
    with kernel_in(tmp_path) as run:
        assert run(START + LOADER) == "[4, 9]\n[4, 9]\n"
