"""A cluster that tests start in their own process."""

import distributed


def in_process(workers):
    """Return a cluster of threads in this process: quick to start, for what needs no more."""
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=":0"
    )
