"""What tests of advice share: a model built to need it, one built not to, and a fake clock."""

import ticking
import torch
from torch import nn

from magics.measurement.machine.clock import Clock
from magics.measurement.timing import racing
from magics.studies import advise
from magics.studies.advising import preparing, trying
from magics.studies.advising.changes import settings as calling
from magics.studies.advising.changes.compiling import Compile


class Needy(nn.Module):
    """Has something wrong wherever advice looks."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)  # a bias, and then
        self.norm = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(2)
        self.first = nn.Conv2d(8, 8, 3, padding=3, dilation=3)
        self.second = nn.Conv2d(8, 8, 3, padding=3, dilation=3)
        self.wide = nn.Conv2d(8, 8, 3, padding=20, dilation=20)
        self.up = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1)
        self.tail = nn.Conv2d(4, 8, 16, stride=16)
        self.few = nn.BatchNorm2d(8)

    def forward(self, x):
        x = self.pool(torch.relu(self.norm(self.stem(x))))
        return self.few(self.tail(self.up(self.wide(self.second(self.first(x))))))


def needy():
    """Return the model in train mode, with statistics that are not those of a new one."""
    torch.manual_seed(0)
    model = Needy().train()
    with torch.no_grad():
        model(torch.randn(4, 3, 16, 16) + 1)
    return model


NEEDY_INPUT = "4x3x16x16"
"""The last batch norm gets 4 values per channel, the dilated layers 8x8 maps."""


def clean():
    """Return a model that needs no advice: eval, channels_last, nothing to fold, no gradients."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
    return model.eval().requires_grad_(requires_grad=False).to(memory_format=torch.channels_last)


def clean_input():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 3, 16, 16, generator=generator)
    return x.to(memory_format=torch.channels_last)


QUICK = {"budget": 600.0}
"""No machine is so busy that this would not last; see `shortly`."""


def shortly(monkeypatch):
    """Measure every change for a moment only, and compile nothing."""
    monkeypatch.setattr(advise, "_MOST_S", 2e-5)
    monkeypatch.setattr(advise, "_SWEEP_S", 5e-4)
    monkeypatch.setattr(racing, "_MOST_ROUNDS", 8)
    # Where others work too, threads that wait for each other take a hundred times as long.
    monkeypatch.setattr(calling, "cores", lambda: 1)
    monkeypatch.setattr(Compile, "variation", lambda *_: "not in this test")


def fake_clock(monkeypatch, *, busy=1.0):
    """Let only operators take time, on a machine that is `busy` times slowed by others."""
    time = ticking.installed(monkeypatch, busy=busy)
    wall = Clock("wall", time.read)
    for module in (racing, trying, preparing):
        monkeypatch.setattr(module, "WALL", wall)
    for name in ("CPU", "PROCESS"):
        monkeypatch.setattr(racing, name, Clock("cpu", time.read))
    for module in (racing, preparing):
        monkeypatch.setattr(module, "Contention", lambda threads: ticking._Steady(threads, busy))
    return time


def executed(suggestion, model, **inputs):
    """Run the lines that are shown on a model, and return what they leave."""
    namespace = {"torch": torch, "model": model, **inputs}
    exec(suggestion.code, namespace)
    return namespace


EVERY = {
    "no_grad", "eval mode", "train mode", "channels_last", "fold batch norm",
    "fold batch norm and channels_last", "bias before batch norm", "channels_last for pools",
    "bfloat16", "flush subnormal numbers", "one thread", "a thread for each processor",
    "batch size", "gradient accumulation", "compile", "checkerboard",
    "dilation wider than its map", "gridding", "batch norm with few samples",
}  # fmt: skip


def error_of(expected, found):
    return ((expected - found).abs().max() / expected.abs().max()).item()
