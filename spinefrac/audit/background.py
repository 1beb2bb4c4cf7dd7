"""Audits in processes of their own, for pages: an audit continues when the browser is closed.

The process (`spinefrac.audit.worker`) saves its result where every audit does
(`spinefrac.audit.cache`).
"""

from __future__ import annotations

from pathlib import Path

from spinefrac.system import background
from spinefrac.system.background import WorkProgress

_WORKER = "spinefrac.audit.worker"


def start_audit(folder: Path, *, fresh: bool = False) -> None:
    """Start the audit of a folder as a process of its own, unless one is running.

    Parameters
    ----------
    folder : Path
    fresh : bool
        Audit again even where a result is saved.

    Raises
    ------
    OSError
        If HOME cannot be written.
    """
    options = ["--fresh"] * fresh
    background.start(progress_path(folder), _WORKER, str(folder.resolve()), *options)


def read_progress(folder: Path) -> WorkProgress | None:
    """Return the progress of a folder's audit, or None where none was started."""
    return background.read_progress(progress_path(folder))


def clear_progress(folder: Path) -> None:
    """Remove the record of how the last audit of a folder ended."""
    progress_path(folder).unlink(missing_ok=True)


def progress_path(folder: Path) -> Path:
    """Return the file that holds the progress of a folder's audit."""
    return background.progress_path("audits", folder)
