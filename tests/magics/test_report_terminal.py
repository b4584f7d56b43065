"""In a terminal the report is as wide as it is, and in colour unless that is not wanted."""

import io
import os
import pty
import re
import subprocess
import sys

import pytest
from examples import HOSTILE, everything, layer, profile

from magics.records.views import formed

CODE = re.compile("\x1b\\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(made, monkeypatch, columns=120, stream=None, **environment):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"COLUMNS": str(columns), **environment}.items():
        monkeypatch.setenv(name, value)
    return formed(made, "terminal", stream or Terminal())


def test_colour_only_sets_off_what_is_there_without(monkeypatch):
    text = shown(everything(), monkeypatch)
    assert "\x1b[1m" in text
    assert CODE.sub("", text) == str(everything())


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_colour_can_be_refused(monkeypatch, environment):
    assert shown(everything(), monkeypatch, **environment) == str(everything())


def test_an_empty_no_color_refuses_nothing(monkeypatch):
    assert "\x1b[" in shown(everything(), monkeypatch, NO_COLOR="")


def test_a_file_gets_plain_text_of_the_usual_width(monkeypatch):
    assert shown(everything(), monkeypatch, 60, io.StringIO()) == str(everything())


@pytest.mark.parametrize("columns", [60, 80, 100, 132, 200])
def test_no_line_is_longer_than_the_terminal_is_wide(monkeypatch, columns):
    for made in (everything(), profile([layer("a.b" * 30, 9)]), profile([])):
        lines = CODE.sub("", shown(made, monkeypatch, columns)).split("\n")
        assert max(map(len, lines)) <= columns


def test_more_room_shows_more_columns_and_less_room_names_those_left_out(monkeypatch):
    narrow, wide = (shown(everything(), monkeypatch, columns) for columns in (80, 250))
    head = next(line for line in wide.split("\n") if "layer " in line and "kind" in line)
    assert all(word in head for word in ("sees", "saved", "peak", "± backward"))
    assert "No room" not in wide
    assert "No room here for:" in narrow


def test_names_can_not_send_codes_to_a_terminal(monkeypatch):
    text = shown(profile([layer(name, note=name) for name in HOSTILE]), monkeypatch)
    assert "\x1b" not in CODE.sub("", text)
    assert "\x1b[31m" not in text


def test_the_command_prints_in_colour_to_a_terminal_and_plainly_to_a_pipe(tmp_path):
    (tmp_path / "nets.py").write_text("from torch import nn\nnet = nn.Conv2d(3, 4, 3)\n")
    command = [sys.executable, "-m", "magics", "nets.py:net", "1x3x8x8", "--no-measure"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    piped = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, check=True, text=True
    ).stdout
    assert "\x1b" not in piped
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=theirs) as process:
        os.close(theirs)
        received = b""
        try:
            while part := os.read(ours, 65536):
                received += part
        except OSError:  # Linux tells the end of a terminal like this
            pass
        os.close(ours)
    assert process.returncode == 0
    text = received.decode().replace("\r\n", "\n")
    assert "\x1b[1m" in text
    assert "MACs" in CODE.sub("", text)
