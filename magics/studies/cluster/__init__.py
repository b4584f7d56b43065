"""A sweep's points on the workers of an existing ``dask.distributed`` cluster.

A worker's process runs one point at a time, however many threads it has: two points in one process
would share torch's threads, the interpreter's lock and the memory. The workers of a host share its
cores and GPUs; while a point runs, what its worker has is no other's.

    connection    an address or a client -> a client, while points run
    dispatch      points to workers and back, whatever happens to workers
    crew          which workers there are, what each may use, who is free
    pinning       the cores and GPUs of a host, shared out            [no dask]
    parcels       a point as bytes
    worker        what is done in a worker's process
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from magics.errors import ConvProfileError, InputError

if TYPE_CHECKING:
    from magics.studies.cluster.connection import Cluster


class LostError(ConvProfileError):
    """The cluster, or all of its workers, is not there any more; points that came are good."""


def place(on: object) -> Cluster:
    """Return the workers of a cluster as a place where points run.

    Args:
        on: The address of a scheduler, such as 'tcp://host:8786'; a `distributed.Client`, which
            stays open; or an object with a `scheduler_address`, such as a `LocalCluster`.

    Returns:
        What runs points, see `Cluster.__call__`; its `warnings` are for the reader.

    Raises:
        InputError: If `on` is nothing of that or doesn't answer, or dask.distributed is not
            installed.
    """
    try:
        from magics.studies.cluster.connection import Cluster  # noqa: PLC0415, dask is an extra
    except ModuleNotFoundError as error:
        raise InputError(
            f"on: dask.distributed can't be imported here (got {error}); "
            f"pip install 'nbimport-convprofile[cluster]'",
        ) from error
    return Cluster(on)
