"""What is checked before a run is queued: its folder, weights, cluster, name and disk space."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from spinefrac import extras
from spinefrac import settings as places
from spinefrac.errors import BusyError, DatasetError, RunError, TrainingError
from spinefrac.system import budgets
from spinefrac.training import networks
from spinefrac.training.runs.records import Cluster
from spinefrac.training.settings import NETWORK_WEIGHTS, TrainingSettings, is_weights_file

#: Free disk space for checkpoints, weights and the saved model, in addition to the slices.
RESERVED_BYTES = 256 * 2**20


def validate_cluster(cluster: Cluster | None) -> None:
    """Refuse a cluster that anyone on the network could use, or without its certificates.

    Raises
    ------
    TrainingError
    MissingPackageError
        Dask is not installed here.
    """
    if cluster is None:
        return
    extras.require("cluster")
    parts = urlsplit(cluster.address)
    if parts.scheme not in ("tls", "tcp") or not parts.hostname:
        raise TrainingError(
            f"expected a cluster's address like tls://host:8786, got {cluster.address!r}; see "
            "docs/cluster.md"
        )
    if parts.scheme == "tcp" and not _is_loopback(parts.hostname):
        raise TrainingError(
            "a Dask scheduler on plain tcp:// runs any code that anyone sends it, so it is "
            f"accepted on this machine only, not at {parts.hostname}; use tls:// with client "
            "certificates, see docs/cluster.md"
        )
    if parts.scheme == "tls":
        for name, file in (("ca", cluster.ca), ("cert", cluster.cert), ("key", cluster.key)):
            if not file or not Path(file).is_file():
                raise TrainingError(
                    f"a tls:// cluster needs three PEM files and --tls-{name} names "
                    f"{'none' if not file else 'no file: ' + Path(file).name}; give it or set "
                    f"SPINEFRAC_TLS_{name.upper()}, see docs/cluster.md"
                )


def _is_loopback(hostname: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"


def resolve_folder(folder: str | os.PathLike[str], roots: Iterable[Path] | None) -> Path:
    """Return a folder's absolute path without links.

    Raises
    ------
    DatasetError
        It lies outside the roots.
    """
    path = Path(folder).expanduser().resolve()
    if roots is None:
        return path
    if not any(path.is_relative_to(Path(root).resolve()) for root in roots):
        raise DatasetError(
            "Expected a folder inside the data roots, and this one lies or leads outside: choose "
            "one of the list, or have SPINEFRAC_DATA_ROOTS name its location"
        )
    return path


def resolve_weights(settings: TrainingSettings) -> TrainingSettings:
    """Return the settings with the weights by name, or by the absolute path of their file.

    Raises
    ------
    TrainingError
        There is no such file, or the network has no weights of that name.
    """
    weights = settings.initial_weights
    networks.validate_network(settings.network, weights)
    if not is_weights_file(weights):
        return replace(settings, weights=weights)
    path = Path(weights).expanduser()
    if not path.is_file():
        choices = ", ".join(NETWORK_WEIGHTS[settings.network])
        raise TrainingError(
            f"no weights file {path.name}; name an existing .weights.h5 file, or choose {choices}"
        )
    return replace(settings, weights=str(path.resolve()))


def require_free_name(connection: sqlite3.Connection, name: str) -> None:
    """Raise RunError where an unfinished run has the name."""
    row = connection.execute(
        "SELECT id, state FROM runs WHERE name = ? AND state IN ('queued','running')", (name,)
    ).fetchone()
    if row:
        raise RunError(
            f"The name {name} is in use by the run {row['id']}, which is {row['state']}: choose "
            "another name or cancel that run"
        )


def require_place_in_queue(connection: sqlite3.Connection) -> None:
    """Raise BusyError where as many runs wait as may, whoever submitted them."""
    queued = connection.execute("SELECT count(*) FROM runs WHERE state = 'queued'").fetchone()[0]
    if queued >= budgets.RUNS.total:
        raise BusyError(
            f"expected at most {budgets.RUNS.total} queued runs on this server, got one more; "
            f"{budgets.RUNS.advice}"
        )


def require_disk_space(images: int, settings: TrainingSettings) -> None:
    """Raise RunError where the disk has no room for the run."""
    needed = RESERVED_BYTES + images * settings.preprocessing.size**2
    free = shutil.disk_usage(places.runs_dir()).free
    if free < needed:
        raise RunError(
            f"Training needs about {needed / 2**20:.0f} MB in HOME/runs for the slices and "
            f"checkpoints, and {free / 2**20:.0f} MB are free: make room, or set SPINEFRAC_HOME to "
            "a larger disk"
        )
