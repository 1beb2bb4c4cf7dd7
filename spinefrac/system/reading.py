"""Read files and JSON that somebody else may have written: regular files only, within limits."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")

#: Longest JSON that is parsed, in bytes, where a caller does not say.
MAX_JSON_BYTES = 16 * 2**20

#: Deepest nesting of objects and lists; a model's card has five levels.
MAX_JSON_DEPTH = 32


class UnreadableContentError(ValueError):
    """Content is not what was expected; the message is a clause such as ``it is no JSON``."""


@contextmanager
def open_regular_file(path: Path, *, follow_links: bool = True) -> Iterator[BufferedReader]:
    """Open a regular file for reading; never wait for one that is a pipe or a device.

    Parameters
    ----------
    path : Path
    follow_links : bool
        Whether `path` itself may be a symbolic link.

    Raises
    ------
    OSError
        It cannot be opened.
    UnreadableContentError
        It is a pipe, a device, or another file that is not regular.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not follow_links:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnreadableContentError("it is not a regular file")
        yield file


def read_regular_file(path: Path, max_bytes: int = MAX_JSON_BYTES) -> bytes:
    """Read a whole regular file of at most `max_bytes` bytes.

    Raises
    ------
    OSError
        It cannot be read.
    UnreadableContentError
        It is no regular file, or longer.
    """
    with open_regular_file(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise UnreadableContentError(f"it has more than {max_bytes:,} bytes")
    return content


def parse_json(
    content: bytes | str, *, max_bytes: int = MAX_JSON_BYTES, max_depth: int = MAX_JSON_DEPTH
) -> Any:
    """Parse JSON (RFC 8259: UTF-8, no NaN) within limits of length and nesting.

    Raises
    ------
    UnreadableContentError
        It is no such JSON, too long, or nested too deeply.

    Examples
    --------
    >>> parse_json('{"side": 160}')
    {'side': 160}
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    spinefrac.system.reading.UnreadableContentError: it is nested more than 32 deep
    """
    import msgspec

    if len(content) > max_bytes:
        raise UnreadableContentError(f"it has more than {max_bytes:,} bytes")
    try:
        value = msgspec.json.decode(content)
    except RecursionError:
        raise UnreadableContentError(f"it is nested more than {max_depth} deep") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UnreadableContentError(f"it is no JSON ({error})") from None
    _check_depth(value, max_depth)
    return value


def _check_depth(value: Any, max_depth: int) -> None:
    level, depth = [value], 0
    while level := [inner for outer in level for inner in _list_inner(outer)]:
        depth += 1
        if depth > max_depth:
            raise UnreadableContentError(f"it is nested more than {max_depth} deep")


def _list_inner(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def convert(value: Any, kind: type[_T]) -> _T:
    """Make a dataclass of parsed JSON; every field must have its type and lie in its range.

    Parameters
    ----------
    value : Any
        Of `parse_json`.
    kind : type
        A dataclass whose fields may be ``Annotated`` with a ``msgspec.Meta``.

    Raises
    ------
    UnreadableContentError
        A field is missing, of another type, or out of range; the message names it.
    """
    import msgspec

    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UnreadableContentError(f"{error}".replace("`", "")) from None
