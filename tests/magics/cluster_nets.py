"""Models for workers of a cluster, which import them from here."""

import os
import signal
import threading
from pathlib import Path

import torch
from torch import nn


def affinities():
    """Return the cores that threads of this process are kept on, each set once."""
    threads = Path("/proc/self/task").iterdir()
    return {tuple(sorted(os.sched_getaffinity(int(thread.name)))) for thread in threads}


class Small(nn.Module):
    """A convolution and a pooling; nothing else happens."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, x):
        return self.body(x)


class Failing(Small):
    """Raises at one batch size."""

    def forward(self, x):
        if len(x) == 2:
            raise ValueError("two is one too many")
        return super().forward(x)


class Telling(Small):
    """Raises what it sees of its process."""

    def forward(self, x):
        torch.relu(x)
        raise ValueError(f"{os.getpid()} {sorted(affinities())} {torch.get_num_threads()}")


class Deadly(Small):
    """Ends its process at one batch size: once if there is a flag to leave, or each time."""

    def __init__(self, flag=None):
        super().__init__()
        self.flag = flag

    def forward(self, x):
        if len(x) == 2 and (self.flag is None or not self.flag.exists()):
            if self.flag is not None:
                self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)


class Hungry(Small):
    """Takes memory that no layer tells of, at one batch size."""

    def forward(self, x):
        if len(x) == 2 and x.device.type == "cpu":
            self.eaten = torch.ones(2**30)
        return super().forward(x)


class Waiting(Small):
    """Says once, at one batch size, which process it is in, and waits there without end."""

    def __init__(self, pipe, flag):
        super().__init__()
        self.pipe, self.flag = pipe, flag

    def forward(self, x):
        if len(x) == 2 and not self.flag.exists():
            self.flag.touch()
            self.pipe.write_text(str(os.getpid()))  # waits for a reader
            threading.Event().wait()
        return super().forward(x)
