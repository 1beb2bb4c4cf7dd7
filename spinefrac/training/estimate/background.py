"""First estimates in processes of their own, for the page Train, and their saved results.

An unchanged folder is recognised by its listing, as for audits; a result of another version of the
audit's code is computed again.
"""

from __future__ import annotations

from contextlib import suppress
from json import dumps
from pathlib import Path

from spinefrac import extras, settings
from spinefrac.audit import cache as audit_cache
from spinefrac.data.folder_layouts import FolderLike
from spinefrac.system import atomic, background, reading
from spinefrac.system.background import WorkProgress
from spinefrac.training.estimate.compute import Estimate

_KIND = "estimates"
_WORKER = "spinefrac.training.estimate.worker"
_MAX_BYTES = 2**20


def start(folder: Path) -> None:
    """Start the estimate of a folder as a process of its own, unless one is running.

    Raises
    ------
    OSError
        If HOME cannot be written.
    MissingPackageError
        No network can run here.
    """
    extras.require("train")
    background.start(progress_path(folder), _WORKER, str(folder.resolve()))


def read_progress(folder: Path) -> WorkProgress | None:
    """Return how far the estimate of a folder is, or None where none was started."""
    return background.read_progress(progress_path(folder))


def stop(folder: Path) -> None:
    """Cancel the estimate of a folder, or forget how it ended."""
    background.stop(progress_path(folder))


def progress_path(folder: Path) -> Path:
    """Return the file that holds the progress of a folder's estimate."""
    return background.progress_path(_KIND, folder)


def find(folder: FolderLike) -> Estimate | None:
    """Return the saved estimate of a folder as it is now, by default settings."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        saved = reading.parse_json(_result_path(folder).read_bytes(), max_bytes=_MAX_BYTES)
        return Estimate.from_dict(saved)
    return None


def save(folder: FolderLike, estimate: Estimate) -> None:
    """Save the estimate of a folder as it is now."""
    content = dumps(estimate.to_dict()).encode()
    atomic.write_bytes(_result_path(folder), content, durable=False)


def _result_path(folder: FolderLike) -> Path:
    return settings.runs_dir() / _KIND / f"{audit_cache.hash_listing(folder, 'auto')}.json"
