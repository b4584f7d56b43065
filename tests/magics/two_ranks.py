"""What `test_distributed` runs on two ranks: everything that one launch can show, as JSON."""

import hashlib
import io
import json
import os
import signal
import sys
import traceback
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

import magics.__main__ as command
from magics.errors import ConvProfileError
from magics.studies.distributed import spread

RANK = int(os.environ.get("RANK", "0"))


class Net(nn.Module):
    """Two convolutions, batch norm with buffers, a linear layer of several buckets' size."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        )
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8, bias=False)
        self.head = nn.Linear(8, 50_000)
        self.frozen = nn.Parameter(torch.zeros(5), requires_grad=False)

    def forward(self, x):
        return self.head(self.depthwise(self.features(x)).mean((2, 3)))


class HalfUsed(nn.Sequential):
    def forward(self, x):
        return self[0](x)


class Unlucky(nn.Conv2d):
    def forward(self, x):
        if RANK == 1:
            raise RuntimeError("out of luck")
        return super().forward(x)


class UnluckyLater(nn.Conv2d):
    """Raises where ranks wait for one another, which is when synchronising is on."""

    def forward(self, x):
        within = {frame.f_globals["__name__"] for frame, _ in traceback.walk_stack(None)}
        if RANK == 1 and "torch.nn.parallel.distributed" in within:
            raise RuntimeError("late trouble")
        return super().forward(x)


class Interrupted(nn.Conv2d):
    """Is interrupted by Ctrl-C on one rank while its layers are timed."""

    calls = 0

    def forward(self, x):
        self.__class__.calls += 1
        if RANK == 1 and self.calls == 5:
            signal.raise_signal(signal.SIGINT)
        return super().forward(x)


def state(model):
    """Return all that must be as it was found, in one word."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    for name, parameter in model.named_parameters():
        digest.update(f"{name} {parameter.requires_grad} {parameter.grad}".encode())
    for name, module in model.named_modules():
        own = {key: len(value) for key, value in vars(module).items() if "hooks" in key}
        digest.update(f"{name} {module.training} {sorted(vars(module))} {own}".encode())
    return digest.hexdigest()


def plain_module(folder):
    torch.manual_seed(RANK)  # other weights on each rank: they must stay so
    net = Net()
    net.head.eval()
    net.depthwise.weight.grad = torch.ones_like(net.depthwise.weight)
    before = state(net)
    found = spread(net, "4x3x16x16", budget=0.5)
    if RANK == 0:
        found.to_json(folder / "plain.json")
    return {
        "kept": before == state(net),
        "record": found is not None,
        "left": dist.is_initialized(),
    }


def data_parallel(folder):
    """The same as a data-parallel model that counts itself what it is asked to reduce."""
    torch.manual_seed(0)
    net = Net()
    model = nn.parallel.DistributedDataParallel(net)
    sent = Counter()

    def count(_state, bucket):
        sent["bytes"] += bucket.buffer().numel() * bucket.buffer().element_size()
        return dist.all_reduce(bucket.buffer(), async_op=True).get_future().then(
            lambda future: future.value()[0] / dist.get_world_size()
        )  # fmt: skip

    model.register_comm_hook(None, count)
    before = state(net)
    found = spread(model, torch.rand(2 + RANK, 3, 16, 16), budget=0.5)
    kept = before == state(net)
    if RANK == 0:
        found.to_json(folder / "ddp.json")
    bytes_counted = sent["bytes"]
    model(torch.full((1, 3, 8, 8), float(RANK + 1))).sum().backward()
    mean = net.head.bias.grad.clone()
    dist.all_reduce(mean)
    return {
        "kept": kept,
        "bytes": bytes_counted,
        "left": dist.is_initialized(),
        "synchronises": torch.equal(mean / 2, net.head.bias.grad),
        "flag": model.require_backward_grad_sync,
    }


def said(model, *inputs, **options):
    try:
        spread(model, *inputs, **options)
    except ConvProfileError as error:
        return f"{type(error).__name__}: {error}"
    except KeyboardInterrupt:
        return "KeyboardInterrupt"
    return "nothing"


def complaints():
    square = "1x3x8x8"
    other = nn.Sequential(*[nn.Conv2d(3, 4, 3), nn.ReLU()][: 2 - RANK])
    frozen = nn.Conv2d(3, 4, 3).requires_grad_(requires_grad=False)
    return {
        "nothing to reduce": said(frozen, square, budget=0.1),
        "another class": said((nn.Sequential, HalfUsed)[RANK](nn.Conv2d(3, 4, 3)), square),
        "a shape": said(nn.Conv2d(3, 4, 3), "1x5x8x8"),
        "one rank": said(Unlucky(3, 4, 3), square),
        "other layers": said(other, square),
        "other parameters": said(nn.Conv2d(3, 4 + RANK, 3), square),
        "a function": said(lambda x: x, square),
        "no measuring": said(nn.Conv2d(3, 4, 3), square, measure=False),
        "an option": said(nn.Conv2d(3, 4, 3), square, budgett=1),
        "Ctrl-C": said(Interrupted(3, 4, 3), square),
        "later": said(UnluckyLater(3, 4, 3), square, budget=0.5),
    }


def command_line(folder):
    """Return the status of `python -m magics`, and what this rank printed."""
    os.chdir(folder)
    words = ["nets of mine.ipynb:Net", "2x3x9x9", "--distributed", "--budget", "0.5"]
    printed = io.StringIO(), io.StringIO()
    with redirect_stdout(printed[0]), redirect_stderr(printed[1]):
        status = command.main([*words, "--save", "found.json"])
    return [status, *(stream.getvalue() for stream in printed)]


def main(folder):
    seen = {"plain": plain_module(folder), "command": command_line(folder)}
    dist.init_process_group("gloo")
    seen["ddp"] = data_parallel(folder)
    dtype = nn.parallel.DistributedDataParallel(nn.Conv2d(3, 4, 3))
    seen["dtype"] = said(dtype, "1x3x8x8", dtype="float64")
    half = HalfUsed(nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3))
    seen["unused"] = said(nn.parallel.DistributedDataParallel(half), "1x3x8x8", budget=0.1)
    dist.destroy_process_group()
    seen["said"] = complaints()
    (folder / f"rank{RANK}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
