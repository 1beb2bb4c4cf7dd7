"""Files written beside and renamed, so that no reader ever sees half of one."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_file(path: Path, content: bytes) -> Iterator[Path]:
    """Write `content` beside `path`, down to the disk; give the file, remove it if it is left."""
    file = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with file.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        yield file
    finally:
        file.unlink(missing_ok=True)


def remove_temporary_files(path: Path) -> None:
    """Remove what killed writers of `path` left. For whoever holds the lock on writing it."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    with temporary_file(path, content) as file:
        file.replace(path)


def fsync_path(path: Path) -> None:
    """Have the system put a file or folder on the disk before going on."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
