"""What Ctrl-C leaves of a line: what is known until then, and the model as it was."""

import signal

import pytest
from asking import run
from IPython.utils.capture import capture_output
from torch import nn


class Stops(nn.Module):
    """Has Ctrl-C pressed in its n-th forward; every other pair of them takes far longer.

    So its times are never stable before.
    """

    def __init__(self, number):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 7)
        self.left = iter(range(number, -1000, -1))  # not an attribute that is put back

    def forward(self, x):
        left = next(self.left)
        if left == 0:
            signal.raise_signal(signal.SIGINT)
        for _ in range(20 if left // 2 % 2 else 1):
            x.sin()
        return self.conv(x)


@pytest.fixture
def shell(one_shell):
    one_shell.reset(new_session=False)
    one_shell.user_ns["net"] = nn.Conv2d(3, 4, 3)
    return one_shell


def test_ctrl_c_gives_what_was_measured_until_then(shell):
    shell.user_ns["stops"] = stops = Stops(60)
    flags = [module.training for module in stops.modules()]
    _, (shown,) = run(shell, "stops 1x3x160x160 -o kept --budget 60 --no-roofline --no-memory")
    kept = shell.user_ns["kept"]
    assert kept.total.macs == 32 * 154 * 154 * 3 * 49
    assert kept.plain.count >= 1
    assert "Interrupted" in shown.data["text/plain"]
    assert [module.training for module in stops.modules()] == flags
    assert "forward" not in vars(stops)


def test_ctrl_c_before_the_first_round_gives_the_counts_and_says_so(shell):
    shell.user_ns["stops"] = Stops(2)
    _, (shown,) = run(shell, "stops 1x3x160x160 -o kept --no-roofline --no-memory")
    assert shell.user_ns["kept"].total.macs == 32 * 154 * 154 * 3 * 49
    text = shown.data["text/plain"]
    assert "Interrupted before the first round ended: there are no times." in text
    assert "0 rounds" not in text


def test_ctrl_c_while_the_model_is_read_shows_the_layers_until_then(shell):
    shell.user_ns["stops"] = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), Stops(0))
    _, (shown,) = run(shell, "stops 1x3x160x160 -o kept")
    assert [row.kind for row in shell.user_ns["kept"].layers] == ["conv2d", "other"]
    for form in shown.data["text/plain"], shown.data["text/html"]:
        assert "Interrupted while the model ran for the first time" in " ".join(form.split())


def test_ctrl_c_before_there_is_anything_to_show_is_one_line(shell):
    shell.user_ns["stops"] = Stops(0)
    with capture_output() as shown:
        result = shell.run_cell("%convprofile --compare net stops 1x3x16x16")
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    (line,) = (shown.stdout + shown.stderr).strip().split("\n")
    assert line.startswith("KeyboardInterrupt: %convprofile: interrupted before")
