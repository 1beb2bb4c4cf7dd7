"""Saved results of audits: ``HOME/runs/audits/<fingerprint>.json``.

An unchanged folder is recognised by its listing (path, size and time of every file), so that its
result is found without opening a file. Both depend on the source code of the audit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import spinefrac
from spinefrac import settings
from spinefrac.audit.report import Audit
from spinefrac.data import group_overrides
from spinefrac.data.folder_layouts import FolderLike, list_labelled_files
from spinefrac.system import atomic, private_files

if TYPE_CHECKING:
    from spinefrac.data.scan import Examination


def cache_dir() -> Path:
    """Return the folder of the results."""
    return settings.runs_dir() / "audits"


def hash_listing(folder: FolderLike, group_by: str) -> str:
    """Return the SHA-256 over path, size and time of every file below a folder.

    Corrected groups that are saved for the folder count as well.

    Parameters
    ----------
    folder : path or FolderListing
    group_by : str
        See `spinefrac.data.groups.assign_groups`.

    Raises
    ------
    DatasetError
        If the folder cannot be read as a data set.
    """
    listing = list_labelled_files(folder)
    rule = group_by
    if group_by == "auto":
        rule = f"{group_by} {group_overrides.hash_overrides(listing.root)}"
    text = f"{_hash_source()}\0{rule}\0{listing.root}\0{listing.digest}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def hash_examination(examination: Examination) -> str:
    """Return the SHA-256 over what the fingerprint omits: storage, splits, unreadable files."""
    digest = hashlib.sha256(_hash_source().encode())
    for item, file in zip(examination.dataset.items, examination.metadata, strict=True):
        digest.update(f"{item.split}{file.mode}{file.format}{file.scanner}".encode())
        digest.update(
            f"{file.privacy_issues}{file.position}".encode() + file.numeric_features.tobytes()
        )
    dataset = examination.dataset
    digest.update(repr((dataset.unreadable, dataset.notes, dataset.details)).encode())
    return digest.hexdigest()


def find_by_stamp(fingerprint: str, stamp: str) -> Audit | None:
    """Return the result of a data set, or None where none with this stamp is saved."""
    content = _read(cache_dir() / f"{fingerprint}.json")
    if content is None or content.get("stamp") != stamp:
        return None
    try:
        return Audit.from_dict(content["audit"])
    except (KeyError, TypeError, ValueError):  # not written by this code: audit again
        return None


def find_by_listing(key: str) -> Audit | None:
    """Return the result of an unchanged folder, or None."""
    known = _read(cache_dir() / f"listing-{key[:32]}.json")
    return find_by_stamp(known.get("fingerprint", ""), known.get("stamp", "")) if known else None


def save_result(result: Audit, stamp: str, groups: bytes) -> None:
    """Save a result and its table of groups; where the disk is full, the next audit is new."""
    content = {"stamp": stamp, "audit": result.to_dict()}
    _write(cache_dir() / f"{result.fingerprint}.csv", groups)
    _write(cache_dir() / f"{result.fingerprint}.json", _encode_json(content))


def read_groups_csv(result: Audit) -> bytes | None:
    """Return the table of groups of a result, or None where it is not saved."""
    try:
        return (cache_dir() / f"{result.fingerprint}.csv").read_bytes()
    except OSError:
        return None


def save_listing(key: str, result: Audit) -> None:
    """Save which result belongs to a folder's listing."""
    known = _read(cache_dir() / f"{result.fingerprint}.json")
    if known:
        entry = {"fingerprint": result.fingerprint, "stamp": known["stamp"]}
        _write(cache_dir() / f"listing-{key[:32]}.json", _encode_json(entry))


def delete_listing(key: str) -> None:
    """Audit a folder again next time, although it is unchanged."""
    (cache_dir() / f"listing-{key[:32]}.json").unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _encode_json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _write(path: Path, content: bytes) -> None:
    """Write by rename, so that a reader sees all or nothing."""
    with contextlib.suppress(OSError):  # no room or no right to write
        private_files.make_folder(path.parent)
        atomic.write_bytes(path, content, durable=False)


@cache
def _hash_source() -> str:
    """Return the SHA-256 of the source that an audit's result depends on."""
    digest = hashlib.sha256()
    for room in ("audit", "data", "imaging"):
        for path in sorted((Path(spinefrac.__file__).parent / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
