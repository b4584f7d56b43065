"""torchrun: a notebook as the program of two ranks, with gloo, on loopback."""

import socket
import textwrap

import pytest

pytest.importorskip("torch")

TRAIN = (
    """
    import sys, torch
    import torch.distributed as dist
    import shapes
    from . import shapes as same
    """,
    "dist.init_process_group('gloo')\nrank = dist.get_rank()",
    """
    class Own:
        pass

    everyone = [None, None]
    dist.all_gather_object(everyone, (rank, Own(), shapes.Square()))
    total = torch.tensor([float(rank + 1)])
    dist.all_reduce(total)
    """,
    """
    if rank == 0:
        print([(r, type(own) is Own, type(square) is same.Square) for r, own, square in everyone])
        print(total.item(), sys.argv[1:], __name__)
    dist.destroy_process_group()
    """,
)


@pytest.fixture
def torchrun(notebook, python):
    def run(*command):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        place = ["--master-addr", "127.0.0.1", "--master-port", str(port), "--nproc-per-node", "2"]
        args = ["-m", "torch.distributed.run", *place, *command]
        env = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        return python(args=args, hook=False, quiet=False, env=env)

    notebook("shapes.ipynb", "class Square:\n    side = 3")
    return run


GATHERED = "[(0, True, True), (1, True, True)]\n3.0 ['--epochs', '3'] __main__\n"


def test_a_notebook_runs_under_torchrun(torchrun, notebook):
    notebook("train.ipynb", *TRAIN)
    assert torchrun("-m", "nbimport", "run", "train.ipynb", "--epochs", "3") == GATHERED


def test_a_script_under_torchrun_gathers_objects_of_notebooks(torchrun, script):
    cells = ["import nbimport", TRAIN[0].replace("from . import", "import"), *TRAIN[1:]]
    script("train.py", "\n".join(textwrap.dedent(cell).strip("\n") for cell in cells))
    assert torchrun("train.py", "--epochs", "3") == GATHERED
