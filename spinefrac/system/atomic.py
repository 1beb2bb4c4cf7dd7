"""Files and folders that appear as a whole: written beside, flushed to the disk, renamed.

A reader sees the old file or the new one, never half of one, whenever the writer is killed. What
a killed writer leaves is a hidden file ``.NAME.1a2b3c4d.tmp``.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spinefrac.system import private_files

#: Of a file's name in that of its temporary one, in characters: names are limited to 255 bytes.
_MAX_NAME_LENGTH = 40


@contextmanager
def replacing(
    path: Path, *, overwrite: bool = True, durable: bool = True, suffix: str = ""
) -> Iterator[Path]:
    """Yield the name of a temporary file, which becomes `path` where the body ends well.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    overwrite : bool
        Whether an earlier file may be replaced.
    durable : bool
        Whether to wait for the disk, some milliseconds; not needed for what can be made again.
    suffix : str
        End of the temporary name, for writers that choose the format by it.

    Yields
    ------
    Path
        An empty file that only its owner can read, where `path` is in HOME; else not there yet.
        It is removed where the body, or the rename, fails.

    Raises
    ------
    FileExistsError
        There is a file and `overwrite` is False.
    OSError
        It cannot be written; an earlier file is untouched.
    """
    temporary = _temporary_path(path, suffix)
    try:
        if private_files.is_in_home(path):
            private_files.create_file(temporary)
        yield temporary
        if durable:
            fsync_path(temporary)
        if overwrite:
            temporary.replace(path)
        else:
            _move_without_overwriting(temporary, path)
    finally:
        with suppress(OSError):  # it has its name by now, or never came to be
            temporary.unlink()


def write_bytes(path: Path, content: bytes | memoryview, *, durable: bool = True) -> None:
    """Write a file as a whole or not at all; see `replacing`."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(content)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, which becomes `path` where the body ends well.

    Raises
    ------
    OSError
        It cannot be written, or there is something at `path`. Nothing is left.
    """
    temporary = _temporary_path(path)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_temporary_files(path: Path, older_than_s: float | None = None) -> None:
    """Remove what killed writers of `path` left.

    For callers that hold the lock on writing it; others pass the age, in seconds, from which on
    no writer can still be at work.
    """
    name = re.compile(re.escape(_temporary_prefix(path)) + r"[0-9a-f]{8}\.tmp")
    for left in path.parent.iterdir():
        with suppress(FileNotFoundError):  # somebody else has removed it
            if name.match(left.name) and (
                older_than_s is None or time.time() - left.stat().st_mtime > older_than_s
            ):
                left.unlink()


def fsync_path(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _temporary_path(path: Path, suffix: str = "") -> Path:
    return path.with_name(f"{_temporary_prefix(path)}{secrets.token_hex(4)}.tmp{suffix}")


def _temporary_prefix(path: Path) -> str:
    return f".{path.name[:_MAX_NAME_LENGTH]}."


def _move_without_overwriting(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)  # unlike a rename it fails where there is a file
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.rename(path)
