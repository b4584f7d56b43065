"""The progress bar: what it says, where it shows, and that it leaves nothing behind."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from jupyter_client.manager import KernelManager
from torch import nn

import magics
from magics import bars, progress


class Received:
    def __init__(self):
        self.told = []
        self.closed = 0

    def report(self, done, text):
        self.told.append((done, text))

    def close(self):
        self.closed += 1


class Shown(bars.Shower):
    def __init__(self):
        self.lines = []

    def show(self, done, text):
        assert 0 <= done <= 1
        self.lines.append(text)

    def clear(self):
        self.lines.append(None)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def timed():
    """Return a bar, what it shows, and a function that lets time pass."""
    now = [100.0]
    shown = Shown()
    return bars.Bar(shown, lambda: now[0]), shown.lines, lambda s: now.__setitem__(0, now[0] + s)


def test_nothing_is_told_where_nobody_listens():
    progress.report(0.5, "working")
    with progress.reported_to(None):
        progress.report(0.5, "working")


def test_parts_are_parts_of_the_whole():
    receiver = Received()
    with progress.reported_to(receiver):
        progress.report(0.0, "a")
        with progress.part(0.2, 0.6):
            progress.report(0.5, "b")
            with progress.part(0.5, 1.0):
                progress.report(1.0, "c")
            progress.report(7, "too much")
        progress.report(1.0, "d")
    told = [(pytest.approx(done), text) for done, text in receiver.told]
    assert told == [(0.0, "a"), (0.4, "b"), (0.6, "c"), (0.6, "too much"), (1.0, "d")]
    assert receiver.closed == 1


def test_the_receiver_is_closed_after_an_error_too():
    receiver = Received()
    with pytest.raises(KeyError), progress.reported_to(receiver):
        raise KeyError
    assert receiver.closed == 1
    progress.report(1.0, "late")
    assert receiver.told == []


def test_a_profile_tells_how_far_it_is_from_0_on():
    receiver = Received()
    with progress.reported_to(receiver):
        magics.profile(nn.Conv2d(1, 1, 1).eval(), "1x1x8x8", budget=0.2)
    shares = [done for done, _ in receiver.told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] <= 1
    texts = list(dict.fromkeys(text for _, text in receiver.told))
    assert texts[:2] == ["reading the model", "measuring times"]
    assert "following memory" in texts


def test_no_bar_before_a_second_has_passed(timed):
    bar, lines, wait = timed
    for _ in range(9):
        wait(0.1)
        bar.report(0.5, "working")
    bar.close()
    assert lines == []


def test_the_bar_tells_what_is_done_and_the_time_that_is_left(timed):
    bar, lines, wait = timed
    wait(2)
    bar.report(0.25, "measuring times")
    wait(2)
    bar.report(0.5, "measuring times")
    wait(200)
    bar.report(0.5, "measuring times")
    bar.close()
    bar.close()
    assert lines == [
        " 25%, 6 s left, measuring times",
        " 50%, 4 s left, measuring times",
        " 50%, 3 min 24 s left, measuring times",
        None,
    ]


def test_the_bar_does_not_keep_a_terminal_busy(timed):
    bar, lines, wait = timed
    wait(2)
    for _ in range(1000):
        wait(0.001)
        bar.report(0.5, "working")
    assert len(lines) <= 5


def test_at_the_very_beginning_no_time_is_guessed(timed):
    bar, lines, wait = timed
    wait(2)
    bar.report(0.0, "reading the model")
    assert lines == ["  0%, reading the model"]


def test_a_terminal_shows_one_line_and_empties_it():
    stream = Terminal()
    shower = bars.TerminalShower(stream)
    shower.show(0.5, "50%, 3 s left, measuring times")
    shower.clear()
    text = stream.getvalue()
    assert "\n" not in text
    assert re.fullmatch(r"\r█{12}░{12} 50%, 3 s left, measuring times *\r *\r", text)


def test_a_terminal_without_blocks_gets_signs():
    stream = Terminal()
    stream.encoding = "ascii"
    bars.TerminalShower(stream).show(0.25, "25%")
    assert stream.getvalue().startswith("\r######..................")


def test_there_is_no_bar_where_nobody_sees_it():
    assert bars.bar_for(stream=io.StringIO()) is None
    assert bars.bar_for(stream=Terminal()) is not None


SLOW = """
import torch
from torch import nn

class Slow(nn.Module):
    "Never stable: every other pair of runs takes longer."
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.runs = iter(range(10**9))

    def forward(self, x):
        for _ in range(20 if next(self.runs) // 2 % 2 else 1):
            x.sin()
        return self.conv(x)

net = Slow().eval()
"""


def test_a_terminal_sees_the_bar_come_and_go(tmp_path):
    (tmp_path / "slow_nets.py").write_text(SLOW)
    host, guest = pty.openpty()
    command = [sys.executable, "-m", "magics", "slow_nets.py:net", "1x3x96x96",
               "--budget", "2.5", "--no-roofline"]  # fmt: skip
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=guest, text=True
    ) as process:
        os.close(guest)
        seen = b""
        try:
            while piece := os.read(host, 4096):
                seen += piece
        except OSError:  # the other side is closed: how Linux says end of file
            pass
        out = process.stdout.read()
    os.close(host)
    text = seen.decode()
    assert "conv2d k3" in out
    assert "\r" not in out
    assert re.search(r"\r[█░]{24} +\d+%, \d+ s left, measuring times", text)
    assert text.rpartition("\r")[0].rpartition("\r")[2].strip() == ""


def test_a_pipe_sees_no_bar(tmp_path):
    (tmp_path / "slow_nets.py").write_text(SLOW)
    command = [sys.executable, "-m", "magics", "slow_nets.py:net", "1x3x96x96",
               "--budget", "2", "--no-roofline"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    manager = KernelManager()
    manager.start_kernel(cwd=str(tmp_path_factory.mktemp("notebooks")))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_notebook_sees_the_bar_in_one_output_that_ends_empty(client):
    messages = []
    client.execute_interactive(f"%load_ext magics\n{SLOW}", timeout=120)
    cell = "%convprofile net 1x3x96x96 --budget 2.5 --no-roofline -q"
    client.execute_interactive(cell, timeout=120, output_hook=messages.append)
    shown = [m for m in messages if m["msg_type"] in {"display_data", "update_display_data"}]
    assert [m["msg_type"] for m in shown].count("display_data") == 1
    assert shown[0]["content"]["data"] == shown[-1]["content"]["data"] == {}
    assert len({m["content"]["transient"]["display_id"] for m in shown}) == 1
    html = [m["content"]["data"].get("text/html", "") for m in shown[1:-1]]
    assert html
    assert all("<progress" in each and "left" in each for each in html)
    assert not [m for m in messages if m["msg_type"] == "stream"]


def notebook(*sources):
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
         "source": source, "id": f"cell-{place}"}
        for place, source in enumerate(sources)
    ]  # fmt: skip
    return {"nbformat": 4, "nbformat_minor": 5, "cells": cells,
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3",
                                        "language": "python"}}}  # fmt: skip


@pytest.mark.parametrize(("stored", "checked"), [("2.5", "0.2"), ("0.2", "2.5")])
def test_checked_notebooks_are_equal_to_what_is_stored_bar_or_not(tmp_path, stored, checked):
    path = tmp_path / "slow.ipynb"
    measured = "%convprofile net 1x3x96x96 --budget BUDGET --no-roofline -o kept -q"
    cells = [f"%load_ext magics\n{SLOW}", f"{measured}\nprint(kept.total.macs)"]

    def written(budget, outputs=()):
        book = notebook(*(cell.replace("BUDGET", budget) for cell in cells))
        for cell, given in zip(book["cells"], outputs, strict=False):
            cell["outputs"], cell["execution_count"] = given, 1
        path.write_text(json.dumps(book))

    environment = {**os.environ, "PYTHONPATH": str(Path(magics.__file__).parents[1])}
    written(stored)
    execute = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute",
               "--inplace", str(path), "--log-level", "ERROR"]  # fmt: skip
    subprocess.run(execute, check=True, env=environment, capture_output=True)
    outputs = [cell["outputs"] for cell in json.loads(path.read_text())["cells"]]
    if stored == "2.5":
        assert any(each.get("data") == {} for each in outputs[1])
    written(checked, outputs)
    check = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q",
             "--nbval-cell-timeout=120", "-p", "no:cacheprovider", str(path)]  # fmt: skip
    done = subprocess.run(
        check, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "2 passed" in done.stdout, done.stdout


def test_what_begins_anew_does_not_turn_the_bar_back():
    told = []
    listener = SimpleNamespace(report=lambda done, _: told.append(done), close=lambda: None)
    with progress.reported_to(listener), progress.part(0.0, 0.5):
        for done in (0.2, 0.8, 0.1, 0.9):
            progress.report(done, "measuring times")
    assert told == [0.1, 0.4, 0.4, 0.45]
