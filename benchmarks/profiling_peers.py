"""Other profilers, each as a function that profiles once and says how many MACs it found.

What is not installed comes from PyPI into a temporary folder, without dependencies, so that
nothing brings a torch of its own; what can't be had is left out of the table.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from torch.profiler import ProfilerActivity
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from torch import nn

Count = Callable[["nn.Module", torch.Tensor], "int | None"]

_PACKAGES = (
    "torchinfo", "fvcore", "iopath", "yacs", "pyyaml", "tqdm", "termcolor", "tabulate",
    "portalocker", "Pillow", "ptflops",
)  # fmt: skip


def install(folder: str) -> str:
    """Install what is needed into a folder and make it importable; return what went wrong."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
    done = subprocess.run([*command, *_PACKAGES], capture_output=True, text=True, check=False)
    sys.path.append(folder)
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


def peers() -> Iterator[tuple[str, Count]]:
    """Yield the profilers that are here, by name."""
    # None needs it for ResNet-50, and one that was built for another torch breaks them.
    sys.modules["torchvision"] = None  # type: ignore[assignment]  # as if not installed
    yield "torch.utils.flop_counter", _flop_counter
    yield "torch.profiler", _profiler
    for name, module, count in (
        ("torchinfo", "torchinfo", _torchinfo),
        ("fvcore", "fvcore.nn", _fvcore),
        ("ptflops", "ptflops", _ptflops),
    ):
        try:
            yield name, count(import_module(module))
        except Exception as error:  # noqa: BLE001, other people's programs
            print(f"\n{name}: not to be had here ({type(error).__name__}: {error})")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let nobody print or warn for a while."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _flop_counter(model: nn.Module, x: torch.Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x)
    return int(counter.get_total_flops()) // 2


def _profiler(model: nn.Module, x: torch.Tensor) -> int:
    with (
        torch.no_grad(),
        torch.profiler.profile(
            activities=[ProfilerActivity.CPU], with_flops=True, record_shapes=True
        ) as seen,
    ):
        model(x)
    table = seen.key_averages()
    table.table()
    counted = {"aten::conv2d", "aten::addmm", "aten::mm"}
    return sum(int(row.flops) for row in table if row.key in counted) // 2


def _torchinfo(package: Any) -> Count:  # noqa: ANN401, a module
    def count(model: nn.Module, x: torch.Tensor) -> int:
        return int(package.summary(model, input_data=x, verbose=0).total_mult_adds)

    return count


def _fvcore(package: Any) -> Count:  # noqa: ANN401, a module
    def count(model: nn.Module, x: torch.Tensor) -> int:
        with torch.no_grad():
            found = package.FlopCountAnalysis(model, x)
            found.unsupported_ops_warnings(enabled=False)
            by_kind = found.by_operator()
        return int(sum(by_kind[kind] for kind in ("conv", "linear", "addmm", "matmul", "bmm")))

    return count


def _ptflops(package: Any) -> Count:  # noqa: ANN401, a module
    def count(model: nn.Module, x: torch.Tensor) -> int:
        macs, _ = package.get_model_complexity_info(
            model, tuple(x.shape[1:]), as_strings=False, print_per_layer_stat=False, verbose=False
        )
        return int(macs)

    return count
