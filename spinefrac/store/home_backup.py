"""Everything that HOME holds in one file, and back, also while servers and runs use it.

Databases are copied by SQLite's own backup, so what is written meanwhile is in the copy as a whole
or not at all. They come first: a model that a copied database names is complete by then. A model is
copied under the lock that renames and deletions need; every other file appears by a rename. What
can be made again (caches, logs, unfinished files) is left out.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from spinefrac import settings
from spinefrac.errors import BackupError
from spinefrac.system import atomic, lock, private_files

FORMAT_VERSION = 1
MANIFEST = "backup.json"

#: Databases, and folders with everything below them, relative to HOME.
DATABASES = ("history.sqlite", "access.sqlite", "runs/spinefrac.db")
FOLDERS = ("models", "evaluations", "augmentations", "runs", "data/uploads")
#: Folders and ends of names that are left out.
_LEFT_OUT = ("runs/cache/", "runs/received/", "runs/phantoms/")
_LEFT_OUT_SUFFIXES = (".log", ".pid", ".tmp", "-wal", "-shm", "-journal")
_MAX_MANIFEST_BYTES = 256 * 2**20
_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds.

    Attributes
    ----------
    files, bytes : int
    created_at : str
        UTC, ISO 8601.
    """

    files: int
    bytes: int
    created_at: str


def write(path: Path) -> Backup:
    """Write a backup of HOME, which only its owner can read.

    Parameters
    ----------
    path : Path
        A new file.

    Raises
    ------
    BackupError
        There is a file already, there is nothing to copy, or a database is damaged.
    OSError
        It cannot be written.
    """
    home, path = settings.home(), path.expanduser().absolute()
    if path.exists():
        raise BackupError(f"{path.name} exists already: choose a new name")
    files: dict[str, dict[str, Any]] = {}
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    with atomic.replacing(path, overwrite=False) as temporary:
        temporary.touch(mode=0o600)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name in DATABASES:
                if (home / name).is_file():
                    with _copied_database(home / name) as copy:
                        files[name] = _add(archive, name, copy)
            for unit in _list_units(home):
                with lock.models_lock() if unit.parent.name == "models" else nullcontext():
                    for file in _list_files(unit):
                        name = file.relative_to(home).as_posix()
                        with suppress(FileNotFoundError):  # deleted meanwhile
                            files[name] = _add(archive, name, file)
            if not files:
                raise BackupError("Expected models, runs or a history in HOME, found none")
            manifest = {"version": FORMAT_VERSION, "created_at": created_at, "files": files}
            archive.writestr(MANIFEST, json.dumps(manifest))
    return Backup(len(files), sum(entry["size"] for entry in files.values()), created_at)


def read(path: Path, *, replace: bool = False) -> Backup:
    """Restore HOME from a backup, once every file in it has been verified.

    Databases are written by SQLite's own backup, and folders appear by a rename, so a server may
    run meanwhile. What HOME holds and the backup does not stays.

    Parameters
    ----------
    path : Path
    replace : bool
        Whether models, runs and databases that HOME holds may be replaced.

    Raises
    ------
    BackupError
        It is no backup, is damaged, or HOME holds what would be replaced.
    OSError
        It cannot be read, or HOME cannot be written.
    """
    home = settings.home()
    private_files.make_folder(home)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=home) as folder:
        staged = Path(folder)
        found = _unpack(path, staged)
        units = [*(staged / name for name in DATABASES), *_list_units(staged)]
        units = [unit for unit in units if unit.exists()]
        taken = [unit for unit in units if (home / unit.relative_to(staged)).exists()]
        if taken and not replace:
            raise BackupError(
                f"HOME holds {taken[0].relative_to(staged).as_posix()} already, and would lose it: "
                "restore into an empty SPINEFRAC_HOME, or add --replace"
            )
        with lock.models_lock():
            for unit in units:
                _put(unit, home / unit.relative_to(staged), staged)
    return found


def transfer_database(source: Path, target: Path) -> None:
    """Copy a database over another one by SQLite's backup, while others use them.

    Raises
    ------
    BackupError
        One of them is damaged, or locked for long.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as reading,
            closing(sqlite3.connect(target, timeout=10.0)) as writing,
        ):
            reading.backup(writing)
    except sqlite3.Error as error:
        raise BackupError(
            f"The database {target.name} cannot be copied ({error}): close what has it open, and "
            "try again"
        ) from error


@contextmanager
def _copied_database(path: Path) -> Iterator[Path]:
    """Yield a consistent copy of a database that may be in use."""
    with tempfile.TemporaryDirectory(prefix="spinefrac-backup-") as folder:
        copy = Path(folder) / path.name
        transfer_database(path, copy)
        yield copy


def _list_units(home: Path) -> list[Path]:
    """Return what is replaced as a whole: a model, the folder of a run, of evaluations …"""
    found: list[Path] = []
    for folder in FOLDERS:
        if (home / folder).is_dir():
            found += sorted((home / folder).iterdir())
    return [unit for unit in found if not _is_left_out(unit, home)]


def _list_files(unit: Path) -> list[Path]:
    """Return the files of a unit, without links and what is left out."""
    inside = sorted(unit.rglob("*")) if unit.is_dir() else [unit]
    home = settings.home()
    return [file for file in inside if file.is_file() and not _is_left_out(file, home)]


def _is_left_out(path: Path, home: Path) -> bool:
    name = path.relative_to(home).as_posix()
    return (
        any(part.startswith(".") for part in PurePosixPath(name).parts)
        or f"{name}/".startswith(_LEFT_OUT)
        or name.endswith(_LEFT_OUT_SUFFIXES)
        or name in DATABASES
        or path.is_symlink()
    )


def _add(archive: zipfile.ZipFile, name: str, file: Path) -> dict[str, Any]:
    """Add a file, and return its size and hash."""
    entry = zipfile.ZipInfo(name)
    with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
        size, digest = _copy(source, target)
    return {"size": size, "sha256": digest}


def _copy(source: Any, target: Any) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        target.write(chunk)
    return size, digest.hexdigest()


def _unpack(path: Path, folder: Path) -> Backup:
    """Unpack a backup into an empty folder; every name and hash is verified."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(MANIFEST).file_size > _MAX_MANIFEST_BYTES:
                raise BackupError("The list of files in the backup is too long to be one")
            manifest = json.loads(archive.read(MANIFEST))
            if manifest["version"] != FORMAT_VERSION:
                raise BackupError(
                    f"The backup is of version {manifest['version']}, and this spinefrac knows "
                    f"{FORMAT_VERSION}: update spinefrac"
                )
            for name, entry in manifest["files"].items():
                target = folder / _require_name(name)
                private_files.make_folder(target.parent)
                with archive.open(name) as source, _create(target) as file:
                    size, digest = _copy(source, file)
                if (size, digest) != (entry["size"], entry["sha256"]):
                    raise BackupError(f"{name} in the backup is damaged: take another backup")
    except (KeyError, TypeError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise BackupError(
            f"{path.name} is no backup of spinefrac, or is damaged: choose a file that "
            "`spinefrac backup` wrote"
        ) from error
    files = manifest["files"]
    total = sum(entry["size"] for entry in files.values())
    return Backup(len(files), total, str(manifest["created_at"]))


@contextmanager
def _create(path: Path) -> Iterator[BinaryIO]:
    private_files.create_file(path)
    with path.open("wb") as file:
        yield file


def _require_name(name: str) -> str:
    """Return a name that lies in one of the folders, or is that of a database."""
    parts = PurePosixPath(name).parts
    inside = any(name.startswith(f"{folder}/") for folder in FOLDERS)
    if (name in DATABASES or inside) and ".." not in parts and "\\" not in name:
        return name
    raise BackupError("The backup holds a file that belongs to no HOME: take another backup")


def _put(unit: Path, target: Path, staged: Path) -> None:
    """Put a database or a folder into its place; what was there goes with the staged files."""
    private_files.make_folder(target.parent)
    if target.relative_to(settings.home()).as_posix() in DATABASES:
        private_files.create_file(target)
        transfer_database(unit, target)
        return
    if target.exists():
        replaced = staged / ".replaced"
        private_files.make_folder(replaced)
        target.rename(replaced / f"{len(list(replaced.iterdir()))}")
    shutil.move(unit, target)
