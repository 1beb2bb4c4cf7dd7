"""Files and folders that only their owner can read: what HOME holds may name patients.

Only what is created here gets this mode; folders and files that exist keep theirs.
"""

from __future__ import annotations

import os
from pathlib import Path

from spinefrac import settings


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

    Raises
    ------
    OSError
        It cannot be created.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def is_in_home(path: Path) -> bool:
    """Whether a path is in HOME, where every file is private."""
    return path.is_relative_to(settings.home())
