"""Make a saved model's folder appear whole, by one rename, or not at all; write its tables.

A save that is killed leaves a folder ``.tmp-…`` that is never listed and that the next save
removes. A lock on the unfinished folder, which the system releases when its process ends
however it ends, tells an abandoned folder from one that is being written.
"""

from __future__ import annotations

import csv
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.records import EpochRecord, OutOfFoldPredictions
from spinefrac.redaction import Output
from spinefrac.store import identifiers, repository, slice_names
from spinefrac.system import lock, private_files
from spinefrac.system.atomic import fsync_path

#: Prefix of a folder that is being written.
UNFINISHED_PREFIX = ".tmp-"

#: Where folders cannot be locked (Windows), an unfinished one is abandoned after so long.
_STALE_AFTER_S = 24 * 3600


@contextmanager
def create_model_folder(model_id: str) -> Iterator[Path]:
    """Yield an empty folder that becomes the saved model `model_id`; or leave nothing.

    Yields
    ------
    Path
        An empty folder among the saved models, which lists leave out. It takes its name by one
        rename where the body ends well, and is removed where it does not.

    Raises
    ------
    ModelError
        The name is in use or not valid, or the disk is full.
    """
    check_id_unused(model_id)
    models = settings.models_dir()
    try:
        private_files.make_folder(models)
        with unfinished_folder(models, model_id) as folder:
            yield folder
            for path in folder.iterdir():
                fsync_path(path)
            fsync_path(folder)
            publish_folder(folder, model_id)
    except OSError as error:
        raise ModelError(
            f"The model {model_id} cannot be written ({error.strerror or error}), nothing was "
            "saved: make room in the models' folder or permit writing there, and save again"
        ) from error


def publish_folder(folder: Path, model_id: str) -> None:
    """Let a finished folder appear under its name by one rename; ModelError where it is taken."""
    models = settings.models_dir()
    for path in folder.iterdir():
        path.chmod(0o600)  # the out-of-fold table may name patients
    with lock.models_lock():
        check_id_unused(model_id)
        folder.rename(models / model_id)
    fsync_path(models)


def check_id_unused(model_id: str) -> None:
    """Raise a ModelError where a saved model, or any folder, already has this name."""
    if (settings.models_dir() / identifiers.validate(model_id)).exists():
        raise ModelError(
            f"The name {model_id} is in use by a saved model, which is never overwritten: choose "
            "another name or delete that model first"
        )


def remove_unfinished() -> list[str]:
    """Remove what killed saves left behind; return the folders' names.

    A folder that a living process is writing stays.
    """
    models = settings.models_dir()
    if not models.is_dir():
        return []
    with lock.models_lock():
        return _remove_stale(models)


def write_out_of_fold(path: Path, oof: OutOfFoldPredictions) -> None:
    """Write the out-of-fold predictions, one row a slice, as `repository` reads them.

    Slices, groups and series are numbers in the table, see `spinefrac.store.slice_names`.
    """
    numbers = (oof.labels, oof.folds, oof.logits, oof.probabilities)
    unknown = ("",) * len(oof.paths)
    named = {"path": oof.paths, "group": tuple(oof.groups.tolist()), **oof.subgroups}
    paths, groups, *more = slice_names.number_columns(named, Output.OUT_OF_FOLD).values()
    rows = zip(
        paths,
        groups,
        *(column.tolist() for column in numbers),
        oof.pixel_hashes or unknown,
        oof.positions or unknown,
        *more,
        strict=True,
    )
    _write_csv(path, (*repository.OOF_COLUMNS, *oof.subgroups), rows)
    slice_names.save_names(repository.hash_file(path)[0], named)


def write_history(path: Path, history: tuple[EpochRecord, ...]) -> None:
    """Write the training history, one row an epoch, as `repository` reads it."""
    _write_csv(path, [entry.name for entry in fields(EpochRecord)], map(astuple, history))


def _write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table; Python's floats print with all their digits."""
    # A file name need not be UTF-8: other bytes are written unchanged.
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@contextmanager
def unfinished_folder(models: Path, model_id: str) -> Iterator[Path]:
    """Make a folder to write in, held by a lock; remove it unless it was renamed away."""
    with lock.models_lock():
        _remove_stale(models)
        folder = models / f"{UNFINISHED_PREFIX}{model_id}-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        owned = _try_lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if owned is not None:
            os.close(owned)


def _remove_stale(models: Path) -> list[str]:
    """Remove unfinished folders without an owner. The caller holds the models' lock."""
    removed = []
    for folder in models.glob(f"{UNFINISHED_PREFIX}*"):
        owned = _try_lock(folder)
        try:
            old = time.time() - folder.stat().st_mtime > _STALE_AFTER_S
            if owned is not None or (sys.platform == "win32" and old):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder.name)
        finally:
            if owned is not None:
                os.close(owned)
    return removed


def _try_lock(folder: Path) -> int | None:
    """Lock a folder without waiting; None where another process holds it (or on Windows)."""
    if sys.platform == "win32":
        return None
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
