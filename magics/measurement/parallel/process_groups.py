"""The group that processes work together in: found, or made for a while as torchrun says."""

from __future__ import annotations

import itertools
import os
import socket
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d
from torch.distributed.rendezvous import rendezvous

from magics.errors import ConvProfileError, InputError
from magics.measurement.parallel.ranks import PATIENCE, Ranks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch._C._distributed_c10d import Store

_HINT = "torchrun --nproc-per-node 2 -m magics net.py:Net 8x3x32x32 --distributed"
_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torchrun sets
_calls = itertools.count()
_subsets: dict[tuple[int, ...], dist.ProcessGroup] = {}


def here() -> str:
    """Return the name of this machine."""
    return socket.gethostname()


def device_for(wanted: object, *, free: bool) -> str | None:
    """Return the device of this rank, or `None` for that of the model.

    Args:
        wanted: What was asked for; 'cuda' stands for a GPU of each rank's own.
        free: A model on the CPU may go to a GPU, of which each rank has one, unasked.

    Raises:
        InputError: If there are not as many GPUs as ranks on this machine.
    """
    if wanted is None and not (free and torch.cuda.is_available()):
        return None
    if wanted is not None and str(wanted) != "cuda":
        return str(wanted)
    local = int(os.environ.get("LOCAL_RANK", "0"))
    ranks = max(local + 1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus >= ranks:
        return f"cuda:{local}"
    if wanted is None:
        return None
    raise InputError(
        f"device: not a GPU for each rank (got {gpus} for {ranks} ranks on {here()}); start fewer "
        f"ranks, or choose cpu",
    )


@contextmanager
def of_one(rank: int) -> Iterator[dist.ProcessGroup]:
    """Make a group of one rank alone, for a while."""
    group = dist.new_group([rank], backend="gloo", use_local_synchronization=True)
    try:
        yield group
    finally:
        dist.destroy_process_group(group)


@contextmanager
def joined(members: Sequence[int] | None = None) -> Iterator[Ranks]:
    """Join the other processes, through a group that is there or one that lasts as long as this.

    Args:
        members: The ranks that take part, all by default.

    Raises:
        InputError: If this process is one of none.
        ConvProfileError: If the others don't come.
    """
    started = _started()
    lasting = bool(members) and len(members or ()) < dist.get_world_size()
    group = None
    try:
        try:
            group = (
                _subset(tuple(members or ()))
                if lasting
                else dist.new_group(backend="gloo", timeout=PATIENCE)
            )
        except RuntimeError as error:
            raise _missing(error) from error
        store = _apart(distributed_c10d._get_default_store())
        yield Ranks(group, store, made=started)
    finally:
        if started:
            dist.destroy_process_group()
        elif group is not None and not lasting:
            dist.destroy_process_group(group)


def _subset(members: tuple[int, ...]) -> dist.ProcessGroup:
    """Return a group of some ranks, which lasts as long as that of all.

    A group that not all ranks make is named after its ranks; made a second time, it would read
    in the store what the first one had left there, and wait for ever.
    """
    known = _subsets.get(members)
    if known is None or known not in distributed_c10d._world.pg_map:
        known = _subsets[members] = dist.new_group(
            members, backend="gloo", timeout=PATIENCE, use_local_synchronization=True
        )
    return known


def _apart(store: Store) -> Store:
    """Return a store in which nothing is left of earlier calls."""
    return distributed_c10d.PrefixStore(f"convprofile/{next(_calls)}", store)


def _started() -> bool:
    """Start the default group, unless there is one; return whether there was none.

    Raises:
        InputError: If nobody says who the others are.
        ConvProfileError: If the others don't come.
    """
    if not dist.is_available():
        raise InputError("distributed: this torch was built without it; install another build")
    if dist.is_initialized():
        return False
    missing = [name for name in _NEEDED if name not in os.environ]
    if missing:
        raise InputError(
            f"distributed: not inside torchrun ({missing[0]} is not set); start it with {_HINT}",
        )
    gpus = torch.cuda.is_available() and dist.is_nccl_available()
    backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
    try:
        store, rank, count = _rendezvous()
        dist.init_process_group(
            backend, store=_apart(store), rank=rank, world_size=count, timeout=PATIENCE
        )
    except (RuntimeError, ValueError) as error:
        raise _missing(error) from error
    return True


@cache
def _rendezvous() -> tuple[Store, int, int]:
    """Meet the other processes where torchrun says; return the store there, rank and count.

    They meet once: the place may be the first process itself, which can't open twice.
    """
    store, rank, count = next(rendezvous("env://", timeout=PATIENCE))
    return store, rank, count


def _missing(error: Exception) -> ConvProfileError:
    return ConvProfileError(
        f"ranks: they did not all come together (got {' '.join(str(error).split())[:200]!r}); "
        f"check that all were started, and that they reach {os.environ.get('MASTER_ADDR', '')}",
    )
