"""The Dask client on which folds are trained: of this machine, or of a cluster over TLS.

Scheduler and workers of this machine run inside the runner's process and only start the processes
of the folds: no port accepts work.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from spinefrac.errors import TrainingError
from spinefrac.training.runs.records import Cluster
from spinefrac.training.runs.validation import validate_cluster

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_S = 20
#: Dask always starts its status servers; they get no pages and listen on this machine only.
_LOOPBACK_ADDRESS = "127.0.0.1:0"


@contextmanager
def open_client(cluster: Cluster | None, workers: int) -> Iterator[Client]:
    """Open a cluster and close it, or the connection to it, at the end.

    Parameters
    ----------
    cluster : Cluster or None
        None for this machine.
    workers : int
        Folds at the same time on this machine.

    Raises
    ------
    TrainingError
        The cluster cannot be reached, or must not be used.
    """
    import dask
    import distributed  # noqa: F401 - sets its defaults, before some are changed

    for name in ("distributed", "tornado"):
        logging.getLogger(name).setLevel(logging.ERROR)
    quiet = {
        "distributed.admin.system-monitor.interval": "5s",
        "distributed.worker.profile.enabled": False,
        "distributed.comm.timeouts.connect": f"{_CONNECT_S}s",
    }
    within: dict[str, Any] = {
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        # Workers must not count as dead after this machine was suspended.
        "distributed.scheduler.worker-ttl": None,
    }
    with dask.config.set(quiet):
        if cluster is None:
            with dask.config.set(within):
                yield from _open_local_client(workers)
        else:
            yield from _open_remote_client(cluster)


def _open_local_client(workers: int) -> Iterator[Client]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=False,
            protocol="inproc",
            dashboard_address=_LOOPBACK_ADDRESS,
            worker_dashboard_address=_LOOPBACK_ADDRESS,
            memory_limit=None,
            silence_logs=logging.ERROR,
        ) as local,
        Client(local) as client,
    ):
        yield client


def _open_remote_client(cluster: Cluster) -> Iterator[Client]:
    from distributed import Client, Security

    validate_cluster(cluster)
    security = None
    if cluster.address.startswith("tls://"):
        security = Security(
            tls_ca_file=cluster.ca,
            tls_client_cert=cluster.cert,
            tls_client_key=cluster.key,
            require_encryption=True,
        )
    try:
        client = Client(
            cluster.address, security=security, timeout=_CONNECT_S, set_as_default=False
        )
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrainingError(
            f"no scheduler responds at {cluster.address} ({reason}): start it, check the "
            "certificates, then resume the run; see docs/cluster.md"
        ) from error
    with client:
        yield client
