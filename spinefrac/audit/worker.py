"""The process that audits a folder for the pages.

python -m spinefrac.audit.worker FOLDER [--fresh]
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from spinefrac.audit.background import progress_path, write_progress
from spinefrac.audit.run import audit_folder
from spinefrac.errors import SpinefracError
from spinefrac.system import processes

#: Seconds between two writes of the progress.
_WRITE_INTERVAL_S = 0.5


def main(folder: Path, *, fresh: bool = False) -> int:
    """Audit a folder and write the progress; return 0 where there is a result."""
    path = progress_path(folder)
    started = processes.start_time(os.getpid()) or time.time()
    state: dict[str, Any] = {"process": os.getpid(), "started": started}
    written = 0.0

    def report_progress(done: int, total: int) -> None:
        nonlocal written
        if done == total or time.monotonic() - written > _WRITE_INTERVAL_S:
            written = time.monotonic()
            state.update(done=done, total=total)
            write_progress(path, state)

    try:
        audit_folder(folder, progress=report_progress, fresh=fresh)
    except SpinefracError as error:
        write_progress(path, {**state, "error": str(error)})
        return 1
    except Exception as error:
        message = f"Unexpected {type(error).__name__}: run spinefrac audit."
        write_progress(path, {**state, "error": message})
        raise
    write_progress(path, {**state, "finished": True})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), fresh="--fresh" in sys.argv[2:]))
