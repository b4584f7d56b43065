"""`--distributed` on two real ranks: gloo, on loopback."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from two_ranks import Net

import magics
import magics.__main__ as command
from magics.errors import InputError
from magics.measurement.parallel import process_groups, steps
from magics.records import Spread
from magics.studies.distributed import spread

SCRIPT = Path(__file__).with_name("two_ranks.py")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")

BOOK = """
    import os
    from torch import nn

    class Net(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4))

    def odd():
        if os.environ["RANK"] == "1":
            raise OSError("no weights\\non this host")
        return Net()
    """

DYING = """
    import os, signal
    from magics.errors import ConvProfileError
    from magics.measurement.parallel.process_groups import joined
    try:
        with joined() as ranks:
            ranks.told("here")
            if ranks.number == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            ranks.told("still here")
    except ConvProfileError as error:
        print(error)
    """


def environment(**changes):
    return {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **changes}


def launched(*words, folder):
    return subprocess.run(
        [sys.executable, *TORCHRUN, *words], cwd=folder, env=environment(), capture_output=True,
        text=True, timeout=240, check=False,
    )  # fmt: skip


def write_book(folder):
    lines = [line[4:] for line in BOOK.splitlines(keepends=True)]
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
            "source": lines}  # fmt: skip
    (folder / "nets of mine.ipynb").write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})
    )


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What both ranks saw, and where rank 0 saved its records."""
    folder = tmp_path_factory.mktemp("ranks")
    write_book(folder)
    done = launched(str(SCRIPT), str(folder), folder=folder)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank{n}.json").read_text()) for n in (0, 1)], folder


@pytest.fixture(scope="module")
def plain(ranks):
    return Spread.from_json(ranks[1] / "plain.json")


@pytest.fixture(scope="module")
def data_parallel(ranks):
    return Spread.from_json(ranks[1] / "ddp.json")


def test_rows_of_all_ranks_are_those_of_a_profile_in_one_process(plain):
    alone = magics.profile(Net(), "4x3x16x16", measure=False, backward=True)
    told = ("name", "kind", "call_index", "params", "macs", "bytes_moved", "backward_macs",
            "input_shape", "output_shape")  # fmt: skip
    expected = [[getattr(row, name) for name in told] for row in alone.layers]
    for rank in plain.ranks:
        assert [[getattr(row, name) for name in told] for row in rank.profile.layers] == expected
    assert [rank.number for rank in plain.ranks] == [0, 1]
    assert plain.backend == "gloo"
    for row in plain.rows:
        assert len(row.forward.seconds) == 2
    convolution = plain.rows[0]
    assert convolution.forward.median_s > 0
    assert convolution.backward.median_s > 0


def test_the_model_is_left_as_it_was_found_on_every_rank(ranks):
    for seen in ranks[0]:
        assert seen["plain"] == {"kept": True, "record": seen is ranks[0][0], "left": False}
        assert seen["ddp"]["kept"]
        assert seen["ddp"]["left"]  # the user's own group
        assert seen["ddp"]["synchronises"]
        assert seen["ddp"]["flag"] is True


def test_steps_reduce_every_parameter_that_gets_a_gradient_and_broadcast_buffers(plain):
    parameters = sum(p.numel() for p in Net().parameters() if p.requires_grad)
    assert plain.reduced_bytes == 4 * parameters
    # Running mean and variance of 8 channels, and the int64 count of batches.
    assert plain.broadcast_bytes == 2 * 8 * 4 + 8


def test_a_hook_of_the_user_counts_the_same_bytes(ranks, data_parallel):
    """Three warm-ups synchronise, then one step of each round; none within no_sync()."""
    rounds = data_parallel.ranks[0].step.count
    assert data_parallel.ranks[0].alone.count == rounds
    for seen in ranks[0]:
        assert seen["ddp"]["bytes"] == (3 + rounds) * data_parallel.reduced_bytes
    assert data_parallel.reduction is None  # what the hook sends is its own business


def test_communication_is_what_steps_take_longer_and_never_less_than_nothing(plain):
    found = plain.communication
    assert 0 <= found.share < 1
    assert found.lost_s >= 0
    assert min(found.waiting_s) >= 0
    assert found.step.clock == found.alone.clock == "wall"
    for place in range(found.step.count):
        assert found.step.replicates_s[place] == max(
            rank.step.replicates_s[place] for rank in plain.ranks
        )
    assert plain.reduction.count == found.step.count


def test_ranks_may_have_inputs_of_their_own(data_parallel):
    assert data_parallel.ranks[0].profile.inputs == "2x3x16x16 float32"
    assert data_parallel.ranks[1].profile.inputs == "3x3x16x16 float32"
    assert any(text.startswith("The inputs differ: 2x3x16x16 float32 on rank 0, 3x3x16x16")
               for text in data_parallel.warnings)  # fmt: skip
    assert any("came in DistributedDataParallel" in text for text in data_parallel.warnings)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("a shape", "ForwardError: model: expects 3 channels in dimension 1 (got 1x5x8x8)"),
        ("nothing to reduce", "nothing"),
        ("another class", "than on rank 0 (got HalfUsed instead of Sequential); build the same"),
        ("one rank", "ForwardError: rank 1: model: the model raised RuntimeError: out of luck"),
        ("other layers", "rank 1: another model than on rank 0 (got nothing instead of layer '1'"),
        ("other parameters", "(got parameter 'weight' of (5, 3, 3, 3) instead of parameter 'wei"),
        ("a function", "InputError: MODEL: a function has no parameters"),
        ("no measuring", "InputError: measure: training steps are timed"),
        ("an option", "InputError: budgett: no such option (got budgett=1); did you mean budget?"),
        ("Ctrl-C", "KeyboardInterrupt"),
        ("later", "ConvProfileError: rank 1: RuntimeError: late trouble"),
    ],
)  # fmt: skip
def test_what_is_wrong_on_one_rank_is_said_the_same_on_all(ranks, what, message):
    first, second = (seen["said"][what] for seen in ranks[0])
    assert first == second
    assert message in first
    assert "\n" not in first


def test_a_data_parallel_model_keeps_its_tensors(ranks):
    for seen in ranks[0]:
        assert seen["dtype"].startswith("InputError: dtype: a DistributedDataParallel model keeps")


def test_a_parameter_that_gets_no_gradient_is_not_waited_for(ranks):
    for seen in ranks[0]:
        assert seen["unused"].endswith(
            "waits for every parameter (got 2 without a gradient); wrap it with "
            "find_unused_parameters=True"
        )


def test_one_rank_prints_and_saves_what_was_found_of_a_model_in_a_notebook(ranks):
    seen, folder = ranks
    found = Spread.from_json(folder / "found.json")
    assert seen[0]["command"] == [0, f"{found}\n", ""]
    assert seen[1]["command"] == [0, "", ""]
    assert str(found).startswith("Net on 2x3x9x9 float32, on 2 ranks")
    assert [row.layers[0].macs for row in found.rows] == [2 * 4 * 49 * 27, 0, 2 * 4 * 25 * 9, 0]


def test_one_rank_says_in_a_line_what_fails_on_another_and_all_end(tmp_path):
    write_book(tmp_path)
    words = ["-m", "magics", "nets of mine.ipynb:odd", "2x3x9x9", "--distributed"]
    done = launched(*words, folder=tmp_path)
    assert done.returncode != 0
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("python -m magics:")]
    assert "rank 1: nets of mine.ipynb:odd: raised OSError: no weights on this host" in line
    assert done.stdout == ""


def test_a_rank_that_dies_leaves_one_line_and_nobody_waits(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    code = "\n".join(line[4:] for line in DYING.splitlines())
    both = [
        subprocess.Popen([sys.executable, "-c", code], env=environment(RANK=str(rank), **place),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]  # fmt: skip
    output, _ = both[0].communicate(timeout=120)
    both[1].communicate(timeout=120)
    assert both[1].returncode < 0
    (line,) = output.splitlines()
    assert line.startswith("rank 1: gone, or silent for 5 minutes (got ")


def test_outside_torchrun_a_line_says_how_to_start(monkeypatch, capsys):
    monkeypatch.delenv("RANK", raising=False)
    hint = "torchrun --nproc-per-node 2 -m magics net.py:Net 8x3x32x32 --distributed"
    with pytest.raises(InputError, match=f"not inside torchrun .RANK is not set.*{hint}"):
        spread(nn.Conv2d(3, 4, 3), "1x3x8x8")
    assert command.main(["torch.nn:Identity", "1x3x8x8", "--distributed"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("python -m magics: distributed: not inside torchrun")


def test_batch_norms_that_ask_other_ranks_ask_nobody_while_layers_are_timed():
    norm, own = nn.SyncBatchNorm(4), object()
    norm.process_group = own
    norms = steps.Norms([nn.Conv2d(3, 4, 3), norm])
    assert norms
    assert not steps.Norms([nn.BatchNorm2d(4)])
    with norms.asking(alone := object()):
        assert norm.process_group is alone
        with norms.asking(None):  # in the steps
            assert norm.process_group is own
        assert norm.process_group is alone
    assert norm.process_group is own


@pytest.mark.parametrize(
    ("gpus", "wanted", "free", "device"),
    [
        (2, None, True, "cuda:1"),
        (2, "cuda", False, "cuda:1"),
        (2, None, False, None),  # the model's own
        (2, "cpu", True, "cpu"),
        (1, None, True, None),  # not one for each
        (0, None, True, None),
    ],
)
def test_each_rank_gets_a_gpu_of_its_own_where_there_are_enough(
    monkeypatch, gpus, wanted, free, device
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert process_groups.device_for(wanted, free=free) == device


def test_too_few_gpus_are_no_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(InputError, match=r"not a GPU for each rank \(got 1 for 2 ranks"):
        process_groups.device_for("cuda", free=True)
