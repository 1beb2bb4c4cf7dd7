"""Files and folders that only their owner can read: what HOME holds may name patients.

What is created here gets this mode at once; what an older version left gets it by `tighten_home`.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from contextlib import suppress
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


#: What this program makes in HOME. The data sets in HOME/data are the user's own.
_OWN_FOLDERS = ("augmentations", "evaluations", "models", "runs")


def tighten_home() -> None:
    """Take the rights of others from what an older version left in HOME; called at every start.

    HOME itself gets mode 700 as well, unless it is a checkout of the source, which others may
    have to read. Links are not followed, and files of another owner stay as they are.
    """
    home = settings.home()
    if sys.platform == "win32" or not home.is_dir():
        return
    if not (home / "pyproject.toml").is_file():
        _take_from_others(home)
    for database in home.glob("*.sqlite*"):
        _take_from_others(database)
    for name in _OWN_FOLDERS:
        if (home / name).is_symlink():
            continue
        _take_from_others(home / name)
        for folder, _, files in os.walk(home / name):
            for path in (Path(folder), *(Path(folder, file) for file in files)):
                _take_from_others(path)


def _take_from_others(path: Path) -> None:
    with suppress(OSError):  # it is gone, or of another owner
        mode = path.lstat().st_mode
        if mode & 0o077 and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            path.chmod(stat.S_IMODE(mode) & ~0o077)


def is_in_home(path: Path) -> bool:
    """Whether a path is in HOME, where every file is private."""
    return path.is_relative_to(settings.home())
