"""Submit a run, stop it, take it up again. What is wrong is said before anything is queued."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from spinefrac import settings as places
from spinefrac.errors import DatasetError, RunError, TrainingError
from spinefrac.store.card import ParentModel
from spinefrac.training.runs import database, lease
from spinefrac.training.runs.queries import find_run_row, get_run
from spinefrac.training.runs.records import Cluster, FolderSummary, Run
from spinefrac.training.settings import TrainingSettings

_PACKAGES = "spinefrac tensorflow keras numpy opencv-python-headless scikit-learn distributed"
#: Kept free for checkpoints, weights and the saved model, beside the slices themselves.
_RESERVED_BYTES = 256 * 2**20


def summarize_folder(
    folder: str | os.PathLike[str],
    group_by: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> FolderSummary:
    """Say what is in a folder.

    Answered at once where an audit of the unchanged folder is kept; otherwise every file is
    read.

    Parameters
    ----------
    folder : path
    group_by : str
        See `spinefrac.data.scan.scan`.
    progress : callable, optional
        Called with the number of files done and of all files.

    Raises
    ------
    DatasetError
        The folder is missing or empty, holds one class only, or cannot be grouped so.
    """
    from spinefrac.data import folder_layouts, scan

    folder_layouts.list_labelled_files(folder)  # what is wrong with the folder itself is said first
    known = _summarize_cached_audit(folder, group_by)
    if known is not None:
        return known
    dataset = scan.scan(folder, group_by=group_by, progress=progress)
    counts: dict[str, list[int]] = {}
    for item in dataset.items:
        counts.setdefault(item.group, [0, 0])[item.label] += 1
    fracture = int(dataset.labels.sum())
    return FolderSummary(
        images=len(dataset.items),
        fracture=fracture,
        normal=len(dataset.items) - fracture,
        groups=len(counts),
        group_rule=dataset.group_rule,
        fingerprint=dataset.fingerprint,
        unreadable=tuple((entry.path, entry.reason) for entry in dataset.unreadable),
        notes=dataset.notes,
        group_counts=tuple((group, broken, whole) for group, (whole, broken) in counts.items()),
    )


def _summarize_cached_audit(folder: str | os.PathLike[str], group_by: str) -> FolderSummary | None:
    """Return what a kept audit of the unchanged folder says; None where none is kept."""
    from spinefrac.audit import cache

    audit = cache.find_by_listing(cache.hash_listing(folder, group_by))
    if audit is None:
        return None
    return FolderSummary(
        images=audit.images,
        fracture=audit.classes["fracture"],
        normal=audit.classes["normal"],
        groups=audit.groups,
        group_rule=audit.group_rule,
        fingerprint=audit.fingerprint,
        unreadable=tuple((entry["path"], entry["reason"]) for entry in audit.unreadable),
        notes=tuple(audit.notes),
        group_counts=tuple((row.group, row.fracture, row.normal) for row in audit.group_table),
    )


def _summarize_listing(folder: Path, group_by: str) -> FolderSummary | None:
    """Return what is known without opening a slice; None where an audit knows more."""
    from spinefrac.data import folder_layouts

    listing = folder_layouts.list_labelled_files(folder)
    if _summarize_cached_audit(folder, group_by) is not None:
        return None
    fracture = sum(file.label for file in listing.files)
    return FolderSummary(
        images=len(listing.files),
        fracture=fracture,
        normal=len(listing.files) - fracture,
        groups=0,
        group_rule="",
        fingerprint="",
        unreadable=(),
        notes=listing.notes,
        group_counts=(),
    )


def submit(
    folder: str | os.PathLike[str],
    name: str,
    settings: TrainingSettings | None = None,
    *,
    note: str = "",
    threshold_rule: str = "youden",
    cluster: Cluster | None = None,
    parent: ParentModel | None = None,
    trained_by: str = "",
    roots: Iterable[Path] | None = None,
    progress: Callable[[int, int], None] | None = None,
    list_only: bool = False,
    start_runner: bool = True,
) -> Run:
    """Check everything, queue a run, and see that a runner is at work.

    Parameters
    ----------
    folder : path
        Labelled slices, in one of the layouts of `spinefrac.data.folder_layouts`.
    name : str
        Of the model: lower-case letters, digits and hyphens.
    settings : TrainingSettings, optional
    note : str
        Kept in the model's card.
    threshold_rule : str
        See `spinefrac.evaluation.operating_point.choose_threshold`.
    cluster : Cluster, optional
        Train the folds there instead of in processes of this machine.
    parent : Parent, optional
        The saved model whose weights or settings it starts from, see `training.continuing`.
    trained_by : str
        Who submits it, where they are signed in; kept in the model's card.
    roots : iterable of Path, optional
        Folders that the data must lie in; anything may be read where it is None.
    progress : callable, optional
        While the folder is read.
    list_only : bool
        Open no slice: where no audit of the unchanged folder is kept, groups, and whether there
        are enough for the folds, are found out by the runner. For a server, which must not read
        a large folder.
    start_runner : bool
        Whether to start a runner.

    Returns
    -------
    Run
        Queued. Without groups and fingerprint where `list_only` left them to the runner.

    Raises
    ------
    DatasetError
        The folder is missing, empty, outside the roots, of one class, or has too few groups.
    ModelError
        The name is not one, or a saved model has it.
    RunError
        A run that has not ended has the name, there is no room, or the database is not usable.
    TrainingError
        The settings or the cluster cannot be used.
    """
    from spinefrac.data.splits import assign_folds
    from spinefrac.evaluation.operating_point import parse_rule
    from spinefrac.store import identifiers, saving
    from spinefrac.training import finetuning

    settings = settings or TrainingSettings()
    saving.check_id_unused(identifiers.validate(name))
    parse_rule(threshold_rule)
    with database.read_transaction() as connection:
        _require_free_name(connection, name)
    validate_cluster(cluster)
    settings = _resolve_weights_path(settings)
    place = _resolve_within_roots(folder, roots)
    summary = _summarize_listing(place, settings.group_by) if list_only else None
    summary = summary or summarize_folder(place, settings.group_by, progress)
    finetuning.require_unseen_dataset(parent, summary.fingerprint)
    if summary.group_counts:
        assign_folds(*_expand_labels_and_groups(summary), settings.folds, settings.seed)
    _require_disk_space(summary.images, settings)
    now = time.time()
    config = {
        "settings": settings.to_dict(),
        "note": note,
        "threshold_rule": threshold_rule,
        "cluster": asdict(cluster) if cluster else None,
        "trained_by": trained_by,
    }
    with database.write_transaction() as connection:
        _require_free_name(connection, name)
        run = _make_run_id(connection, name, now)
        connection.execute(
            "INSERT INTO runs (id, name, state, folder, config, fingerprint, images, groups_found,"
            " versions, parent, submitted, queued) VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?,"
            " ?, ?)",
            (
                run,
                name,
                str(place),
                json.dumps(config),
                summary.fingerprint,
                summary.images,
                summary.groups,
                json.dumps({package: version(package) for package in _PACKAGES.split()}),
                json.dumps(asdict(parent)) if parent else None,
                now,
                now,
            ),
        )
        record_state(connection, run, "queued")
    if start_runner:
        lease.ensure_runner()
    return get_run(run)


def cancel(run_id: str) -> Run:
    """Stop a run: at once where it waits, within a batch where it trains.

    Its checkpoints stay, so that `resume` can take it up.

    Raises
    ------
    RunError
        There is no such run, or it has ended.
    """
    with database.write_transaction() as connection:
        row = find_run_row(connection, run_id)
        if row["state"] not in ("queued", "running"):
            raise RunError(f"The run {row['id']} is {row['state']} already: nothing to stop")
        if row["state"] == "running" and lease.get_active_runner(connection):
            connection.execute("UPDATE runs SET cancel = 1 WHERE id = ?", (row["id"],))
            record_state(connection, row["id"], "cancelling")
        else:
            connection.execute(
                "UPDATE runs SET state = 'cancelled', ended = ? WHERE id = ?",
                (time.time(), row["id"]),
            )
            record_state(connection, row["id"], "cancelled")
        folder = run_folder(row["id"])
        if folder.is_dir():  # what a fold's process looks at before every batch
            (folder / "cancel").touch()
    return get_run(row["id"])


def resume(run_id: str, *, workers: int | None = None, start_runner: bool = True) -> Run:
    """Queue a cancelled or failed run again; it goes on after its last finished epoch.

    Parameters
    ----------
    run_id : str
        Id or name.
    workers : int, optional
        Folds at the same time from now on.
    start_runner : bool
        Whether to start a runner.

    Raises
    ------
    RunError
        There is no such run, it has not ended or is done, or its name was taken meanwhile.
    """
    from spinefrac.store import saving

    with database.write_transaction() as connection:
        row = find_run_row(connection, run_id)
        if row["state"] == "done":
            raise RunError(
                f"The run {row['id']} is done: train again under another name, or look at it with "
                f"`spinefrac models show {row['model']}`"
            )
        if row["state"] == "running" and row["cancel"]:
            raise RunError(f"The run {row['id']} is still stopping: resume it in a moment")
        if row["state"] in ("failed", "cancelled"):
            _require_free_name(connection, row["name"])
            if row["stage"] != "saving":  # there the model may be this very run's
                saving.check_id_unused(row["name"])
            (run_folder(row["id"]) / "cancel").unlink(missing_ok=True)
            connection.execute(
                "UPDATE runs SET state = 'queued', cancel = 0, queued = ?, ended = NULL,"
                " error = NULL, error_kind = NULL WHERE id = ?",
                (time.time(), row["id"]),
            )
            record_state(connection, row["id"], "queued")
        if workers is not None:
            config = json.loads(row["config"])
            changed = replace(TrainingSettings.from_dict(config["settings"]), workers=workers)
            config["settings"] = changed.to_dict()
            connection.execute(
                "UPDATE runs SET config = ? WHERE id = ?", (json.dumps(config), row["id"])
            )
    if start_runner:
        lease.ensure_runner()
    return get_run(row["id"])


def run_folder(run_id: str) -> Path:
    """Return the folder of a run: its plan, checkpoints and TensorBoard logs."""
    return places.runs_dir() / run_id


def record_state(
    connection: sqlite3.Connection, run_id: str, state: str, attempt: int | None = None
) -> None:
    """Add an event that says a run's new state."""
    connection.execute(
        "INSERT INTO events (time, run, attempt, kind, message) VALUES (?, ?, ?, 'state', ?)",
        (time.time(), run_id, attempt, state),
    )


# --- checks ----------------------------------------------------------------------------------


def validate_cluster(cluster: Cluster | None) -> None:
    """Refuse a cluster that anyone on the network could use, or that cannot be reached safely.

    Raises
    ------
    TrainingError
    """
    if cluster is None:
        return
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
        for what, file in (("ca", cluster.ca), ("cert", cluster.cert), ("key", cluster.key)):
            if not file or not Path(file).is_file():
                raise TrainingError(
                    f"a tls:// cluster needs three PEM files and --tls-{what} names "
                    f"{'none' if not file else 'no file: ' + Path(file).name}; give it or set "
                    f"SPINEFRAC_TLS_{what.upper()}, see docs/cluster.md"
                )


def _is_loopback(hostname: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"


def _resolve_within_roots(folder: str | os.PathLike[str], roots: Iterable[Path] | None) -> Path:
    """Return the folder's real place; refuse one outside the roots, links included."""
    place = Path(folder).expanduser().resolve()
    if roots is None:
        return place
    if not any(place.is_relative_to(Path(root).resolve()) for root in roots):
        raise DatasetError(
            "Expected a folder inside the data roots, and this one lies or leads outside: choose "
            "one of the list, or have SPINEFRAC_DATA_ROOTS name its place"
        )
    return place


def _expand_labels_and_groups(summary: FolderSummary) -> tuple[list[int], list[str]]:
    """Return label and group of each slice, in some order."""
    labels: list[int] = []
    groups: list[str] = []
    for group, fracture, normal in summary.group_counts:
        labels += [1] * fracture + [0] * normal
        groups += [group] * (fracture + normal)
    return labels, groups


def _require_free_name(connection: sqlite3.Connection, name: str) -> None:
    row = connection.execute(
        "SELECT id, state FROM runs WHERE name = ? AND state IN ('queued','running')", (name,)
    ).fetchone()
    if row:
        raise RunError(
            f"The name {name} is in use by the run {row['id']}, which is {row['state']}: choose "
            "another name or cancel that run"
        )


def _require_disk_space(images: int, settings: TrainingSettings) -> None:
    """Refuse a run for which the disk has no room."""
    runs = places.runs_dir()
    needed = _RESERVED_BYTES + images * settings.preprocessing.size**2
    free = shutil.disk_usage(runs).free
    if free < needed:
        raise RunError(
            f"Training needs about {needed / 2**20:.0f} MB in HOME/runs for the slices and "
            f"checkpoints, and {free / 2**20:.0f} MB are free: make room, or set SPINEFRAC_HOME to "
            "a larger disk"
        )


def _resolve_weights_path(settings: TrainingSettings) -> TrainingSettings:
    """Name a weights file so that a process that works elsewhere finds it."""
    weights = settings.weights
    if weights is None:
        return settings
    if weights == "imagenet":
        if settings.network == "compact":
            raise TrainingError(
                "the network 'compact' has no ImageNet weights; leave the weights out, name a "
                "weights file, or choose another network"
            )
        return settings
    place = Path(weights).expanduser()
    if not place.is_file():
        raise TrainingError(
            f"no weights file {place.name}; name an existing .weights.h5 file, or imagenet"
        )
    return replace(settings, weights=str(place.resolve()))


def _make_run_id(connection: sqlite3.Connection, name: str, now: float) -> str:
    stamp = f"{name}-{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}"
    number, run = 1, stamp
    while connection.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone():
        number += 1
        run = f"{stamp}-{number}"
    return run
