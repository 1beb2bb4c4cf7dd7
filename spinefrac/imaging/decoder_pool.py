"""Foreign files, read in processes that may die: the same results as `imaging.read`.

The server, background jobs, folders and ZIPs read their files here. A file that crashes its
decoder, or takes longer or more memory than it may, costs that file an `ImageError`; every other
file and session goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from spinefrac.errors import ImageError
from spinefrac.imaging import decoder
from spinefrac.imaging.decoder import HeaderValues, Inspection
from spinefrac.imaging.formats.zip_archive import Member
from spinefrac.imaging.sources import Source
from spinefrac.records import CtSlice
from spinefrac.system import budgets
from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.shared_block import SharedBlock
from spinefrac.system.worker_pool import WorkerPool
from spinefrac.system.worker_process import Failure

if TYPE_CHECKING:
    from spinefrac.imaging.formats.dicom_header import DicomHeader
    from spinefrac.imaging.read import ImageSource

_P = ParamSpec("_P")
_R = TypeVar("_R")
_H = TypeVar("_H", Inspection, HeaderValues)

#: Of one file: 16 megapixels take 0.3 GB and 2 s at most.
LIMITS = ResourceLimits(memory_mib=1024, file_mib=0, cpu_s=5, wall_s=5)

#: A worker ends after so many files, or holding so much memory: what a decoder leaks goes with it.
_MAX_FILES, _MAX_RSS_MIB = 2000, 256

#: Threads of numerical libraries would each map memory of their own.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


def read(
    source: ImageSource | Source,
    *,
    name: str = "",
    slice_index: int | None = None,
    axis: int = 2,
    owner: str = "",
) -> CtSlice:
    """Read one slice as `imaging.read` does, in another process.

    Parameters
    ----------
    source : bytes, str, path or Source
        The file's content, its path, or where it is.
    name : str
        What to call the file in messages; a path's last part by default.
    slice_index, axis
        See `imaging.read`.
    owner : str
        For whom: one session cannot take all workers.

    Raises
    ------
    ImageError
        If the file cannot be read as a slice, or not safely.
    """
    with _name_errors(source, name):
        return _call(decoder.read, locate(source), slice_index, axis, owner=owner)


def read_with_header(
    source: ImageSource | Source, *, name: str = "", owner: str = ""
) -> tuple[CtSlice, DicomHeader | None]:
    """Read the (middle) slice and its header as `imaging.read_with_header`, in another process.

    Parameters
    ----------
    source, name, owner
        See `read`.

    Raises
    ------
    ImageError
    """
    with _name_errors(source, name):
        found = _call(decoder.read_with_header, locate(source), owner=owner)
    return found.ct, found.header


def inspect(source: Source, *, name: str, owner: str = "") -> Inspection:
    """Return what a file's header says about its slices; parameters as those of `read`.

    Raises
    ------
    ImageError
    """
    with _name_errors(source, name):
        return _call_with_head(decoder.inspect, source, owner=owner)


def read_values(
    content: bytes, keywords: Sequence[str], *, owner: str = ""
) -> dict[str, list[str]]:
    """Return elements of a DICOM header by keyword, see `dicom_header.read_values`.

    Raises
    ------
    ImageError
        The header cannot be read; no message names the file.
    """
    source = Source(content=content)
    return _call_with_head(decoder.read_values, source, tuple(keywords), owner=owner).values


def list_members(source: Source, *, owner: str = "") -> list[Member]:
    """Return the files of a ZIP, see `zip_archive.list_members`; no message names it."""
    return _call(decoder.list_members, source, owner=owner)


def read_bytes(source: Source, max_bytes: int | None = None, *, owner: str = "") -> bytes:
    """Return the first bytes of a file, all of them for None; no message names it."""
    return _call(decoder.read_bytes, source, max_bytes, owner=owner).tobytes()


def unpack(source: Source, size: int, *, owner: str = "") -> SharedBlock:
    """Return the first `size` bytes of a file, those of a gzip unpacked, in shared memory.

    Raises
    ------
    ImageError, BudgetError
    """
    block = SharedBlock(size)
    budgets.FILES.hold_for(block, owner, size)
    _call(decoder.unpack, source, block.name, size, owner=owner)
    return block


def _call_with_head(
    function: Callable[Concatenate[Source, _P], _H], source: Source, *args: Any, owner: str
) -> _H:
    """Call what reads a header with the first bytes of a content; with all only where needed."""
    if len(source.content) > decoder.HEADER_BYTES:
        head = replace(source, content=source.content[: decoder.HEADER_BYTES])
        found = _call(function, head, *args, owner=owner)
        if found.is_complete:
            return found
    return _call(function, source, *args, owner=owner)


def _call(
    function: Callable[Concatenate[Source, _P], _R], source: Source, *args: Any, owner: str
) -> _R:
    """Call a function of the decoder with a file, unless that has just ended a worker."""
    key = (function.__name__, _identify(source), args)
    told = _failed.get(key)
    if told is not None and time.monotonic() - told[0] < _REMEMBER_S:
        raise ImageError(told[1])
    try:
        return get_pool().call(function, source, *args, owner=owner)
    except UnsafeFileError as error:
        if len(_failed) >= _MAX_REMEMBERED:
            _failed.clear()
        _failed[key] = time.monotonic(), str(error)
        raise


#: When a call ended its worker, and the message, by function, file and arguments. A page asks
#: again at every click, which must not cost another worker each time.
_failed: dict[Hashable, tuple[float, str]] = {}
_REMEMBER_S, _MAX_REMEMBERED = 600.0, 1000


def _identify(source: Source) -> Hashable:
    """Return what distinguishes a file from others, without a copy of its content."""
    stat = None
    if source.path:
        with suppress(OSError):
            found = Path(os.fsdecode(source.path)).stat()
            stat = found.st_mtime_ns, found.st_size
    return hash(source.content), source.path, stat, source.block, source.member


class UnsafeFileError(ImageError):
    """A file ended the worker that decoded it, or would not come to an end."""


def start() -> None:
    """Start the workers ahead of the first file, without waiting for them."""
    get_pool().start()


def get_pool() -> WorkerPool:
    """Return the decoders of this process."""
    return _make_pool(os.getpid())


@lru_cache(maxsize=1)  # a process that was forked gets a pool of its own
def _make_pool(process: int) -> WorkerPool:
    cores = os.cpu_count() or 1
    return WorkerPool(
        decoder.__name__,
        LIMITS,
        describe_failure,
        workers=cores + 2,
        idle_workers=2,
        max_calls=_MAX_FILES,
        max_rss_mib=_MAX_RSS_MIB,
        calls_per_owner=cores,
        environment=ENVIRONMENT,
    )


def describe_failure(failure: Failure) -> ImageError:
    """Return the error of a file that has ended its decoder."""
    reason = failure.description
    if failure.reason == "exception":
        reason = "is damaged in a way that is not known"
    return UnsafeFileError(
        f"the file could not be decoded safely: it {reason}; export it again, uncompressed"
    )


def locate(source: ImageSource | Source) -> Source:
    """Return where a file is, in words that a worker understands."""
    if isinstance(source, Source):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return Source(content=bytes(source))
    return Source.from_path(Path(source).absolute())


@contextmanager
def _name_errors(source: ImageSource | Source, name: str) -> Iterator[None]:
    """Put the file's name, where it has one, before every `ImageError`."""
    if not name and isinstance(source, str | os.PathLike):
        name = Path(source).name
    try:
        yield
    except ImageError as error:
        if not name:
            raise
        raise ImageError(f"{name}: {error}") from error.__cause__
