"""Files and folders that only their owner can read: what HOME holds may name patients.

Only what is created here gets this mode; folders and files that exist keep theirs.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from spinefrac import settings

#: Held by the thread that creates a file, so that no other one has locked it when it is closed.
_creation = threading.Lock()


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents with mode 700, unless it exists.

    Raises
    ------
    OSError
        It cannot be created.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def create_file(path: Path) -> None:
    """Create an empty file with mode 600, unless it exists.

    One that exists is not opened: on POSIX a process that closes a file loses all its locks on
    that file, those of its other threads included. A database whose locks are lost loses
    transactions (https://www.sqlite.org/howtocorrupt.html, section 2.2).

    Raises
    ------
    OSError
        It cannot be created.
    """
    with _creation:
        if not path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def is_in_home(path: Path) -> bool:
    """Whether a path is in HOME, where every file is private."""
    return path.is_relative_to(settings.home())
