"""An audit in a process of its own, for pages: it goes on when the browser leaves.

    python -m spinefrac.audit.background FOLDER

The process leaves its result where every audit does (`spinefrac.audit.cache`), and meanwhile
writes how far it is to a file of its own, so that any server of this HOME can tell.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spinefrac
from spinefrac.audit import cache
from spinefrac.audit.run import audit_folder
from spinefrac.errors import SpinefracError
from spinefrac.system import atomic, processes

#: Seconds between two writes of the progress.
_WRITE_INTERVAL_S = 0.5


@dataclass(frozen=True, slots=True)
class AuditProgress:
    """How far the audit of a folder is.

    Attributes
    ----------
    running : bool
    done, total : int
        Files looked at, and all; 0 of 0 while they are counted.
    error : str
        Why it ended without a result, empty where it did not.
    """

    running: bool
    done: int = 0
    total: int = 0
    error: str = ""


def start_audit(folder: Path, *, fresh: bool = False) -> None:
    """Start the audit of a folder as a process of its own, unless one is at it.

    Parameters
    ----------
    folder : Path
    fresh : bool
        Look again even where a result is kept.

    Raises
    ------
    OSError
        If HOME cannot be written.
    """
    if (found := read_progress(folder)) and found.running:
        return
    place = _progress_path(folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "spinefrac.audit.background", str(folder.resolve())]
        + ["--fresh"] * fresh,
        cwd=Path(spinefrac.__file__).parent.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows
    )
    started = processes.start_time(process.pid) or time.time()
    _write(place, {"process": process.pid, "started": started})


def read_progress(folder: Path) -> AuditProgress | None:
    """Return how far the audit of a folder is, or None where none was started."""
    try:
        told = json.loads(_progress_path(folder).read_text(encoding="utf-8"))
        process, started = int(told["process"]), float(told["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    done, total = int(told.get("done", 0)), int(told.get("total", 0))
    if error := str(told.get("error", "")):
        return AuditProgress(False, done, total, error)
    if processes.is_alive(process, started):
        return AuditProgress(True, done, total)
    if told.get("finished"):
        return AuditProgress(False, done, total)
    return AuditProgress(
        False, done, total, "The audit was stopped before it was done: start it again."
    )


def clear_progress(folder: Path) -> None:
    """Forget how the last audit of a folder ended."""
    _progress_path(folder).unlink(missing_ok=True)


def main(folder: Path, *, fresh: bool = False) -> int:
    """Audit a folder and write how far it is; 0 where there is a result."""
    place = _progress_path(folder)
    started = processes.start_time(os.getpid()) or time.time()
    told: dict[str, Any] = {"process": os.getpid(), "started": started}
    written = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal written
        if done == total or time.monotonic() - written > _WRITE_INTERVAL_S:
            written = time.monotonic()
            told.update(done=done, total=total)
            _write(place, told)

    try:
        audit_folder(folder, progress=progress, fresh=fresh)
    except SpinefracError as error:
        _write(place, {**told, "error": str(error)})
        return 1
    except Exception as error:
        _write(place, {**told, "error": f"Unexpected {type(error).__name__}: run spinefrac audit."})
        raise
    _write(place, {**told, "finished": True})
    return 0


def _progress_path(folder: Path) -> Path:
    name = hashlib.sha256(str(folder.expanduser().resolve()).encode("utf-8", "surrogateescape"))
    return cache.cache_dir() / f"run-{name.hexdigest()[:32]}.json"


def _write(place: Path, told: dict[str, Any]) -> None:
    """Write by rename; a reader that has the file open on Windows only delays the next."""
    try:
        atomic.write_bytes(place, json.dumps(told).encode(), durable=False)
    except PermissionError:
        if sys.platform != "win32":
            raise


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), fresh="--fresh" in sys.argv[2:]))
