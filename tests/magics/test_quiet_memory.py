"""What a memory report leaves on the terminal: what the model writes, and nothing of torch's."""

import subprocess
import sys

CHILD = """
import os
import torch
import magics

class Remembers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 8, 3)
        self.last = None

    def forward(self, images):
        maps = self.layer(images)
        self.last = maps * 2
        os.write(2, b"a line of the model's\\n")
        return maps

net = Remembers()
net(torch.randn(1, 3, 16, 16))
found = magics.profile(net, "1x3x16x16", measure=False, memory=True)
assert found.memory["allocator_peak"] > 0
"""


def test_a_model_that_keeps_its_last_output_brings_no_remark_of_torch_to_the_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert set(done.stderr.splitlines()) == {"a line of the model's"}
    assert done.stderr.count("\n") >= 3  # one for each run, that of the memory included
