"""Audits in processes of their own, for pages: an audit continues when the browser is closed.

The process (`spinefrac.audit.worker`) saves its result where every audit does
(`spinefrac.audit.cache`). Meanwhile it writes its progress to a file of its own, so that every
server with the same HOME can show it.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import spinefrac
from spinefrac import settings
from spinefrac.system import atomic, private_files, processes

_WORKER = "spinefrac.audit.worker"


@dataclass(frozen=True, slots=True)
class AuditProgress:
    """The progress of the audit of a folder.

    Attributes
    ----------
    running : bool
    done, total : int
        Files read, and all files; 0 of 0 while they are listed.
    error : str
        Why it ended without a result, empty where it did not.
    """

    running: bool
    done: int = 0
    total: int = 0
    error: str = ""


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
    if (progress := read_progress(folder)) and progress.running:
        return
    path = progress_path(folder)
    private_files.make_folder(path.parent)
    process = subprocess.Popen(
        [sys.executable, "-m", _WORKER, str(folder.resolve())] + ["--fresh"] * fresh,
        cwd=Path(spinefrac.__file__).parent.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows
    )
    started = processes.start_time(process.pid) or time.time()
    write_progress(path, {"process": process.pid, "started": started})


def read_progress(folder: Path) -> AuditProgress | None:
    """Return the progress of a folder's audit, or None where none was started."""
    try:
        state = json.loads(progress_path(folder).read_text(encoding="utf-8"))
        process, started = int(state["process"]), float(state["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    done, total = int(state.get("done", 0)), int(state.get("total", 0))
    if error := str(state.get("error", "")):
        return AuditProgress(False, done, total, error)
    if processes.is_alive(process, started):
        return AuditProgress(True, done, total)
    if state.get("finished"):
        return AuditProgress(False, done, total)
    return AuditProgress(
        False, done, total, "The audit was stopped before it was done: start it again."
    )


def clear_progress(folder: Path) -> None:
    """Remove the record of how the last audit of a folder ended."""
    progress_path(folder).unlink(missing_ok=True)


def progress_path(folder: Path) -> Path:
    """Return the file that holds the progress of a folder's audit."""
    name = hashlib.sha256(str(folder.expanduser().resolve()).encode("utf-8", "surrogateescape"))
    return settings.runs_dir() / "audits" / f"run-{name.hexdigest()[:32]}.json"


def write_progress(path: Path, state: Mapping[str, object]) -> None:
    """Replace the progress; a reader that has the file open on Windows only delays the next."""
    try:
        atomic.write_bytes(path, json.dumps(state).encode(), durable=False)
    except PermissionError:
        if sys.platform != "win32":
            raise
