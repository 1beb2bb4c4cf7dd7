"""A cache on disk of the inputs of a data set and of features, so that nothing is computed twice.

One file an entry, under ``HOME/runs/cache``: a plain ``.npy`` array followed by the SHA-256 of
its bytes, so that a damaged entry is noticed and built again. Entries appear by rename.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac import imaging, settings
from spinefrac.records import Dataset, Preprocessing
from spinefrac.system import atomic, private_files

#: Bytes that all entries together may take; the longest unused go first.
MAX_CACHE_BYTES = 4 * 2**30
_DIGEST_BYTES = 32
_STALE_SECONDS = 24 * 3600.0


def entry_path(dataset: Dataset, preprocessing: Preprocessing) -> Path:
    """Return the file of the cached inputs of a data set.

    The name depends on the data set, the preprocessing and the code of `spinefrac.imaging`:
    after a change of any of them nothing old is read.
    """
    key = json.dumps([dataset.fingerprint, preprocessing.to_dict(), _hash_source()], sort_keys=True)
    return settings.runs_dir() / "cache" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"


@cache
def _hash_source() -> str:
    """Return the SHA-256 of the source of `spinefrac.imaging`."""
    digest = hashlib.sha256()
    for path in sorted(Path(imaging.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def load_entry(
    path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8
) -> npt.NDArray[Any] | None:
    """Map an entry into memory, read-only, or return None where it is missing or damaged.

    Parameters
    ----------
    path : Path
    shape : tuple of int
        The shape that the entry must have.
    dtype : dtype
    """
    header = _npy_header(shape, dtype)
    try:
        with path.open("rb") as stream:
            if stream.read(len(header)) != header:
                return None
            stream.seek(-_DIGEST_BYTES, os.SEEK_END)
            end, written = stream.tell(), stream.read()
        if end != len(header) + math.prod(shape) * np.dtype(dtype).itemsize:
            return None
        array = np.memmap(path, dtype, "r", offset=len(header), shape=shape)
        if hashlib.sha256(array.data).digest() != written:
            return None
        os.utime(path)  # the entry used last is dropped last
    except OSError:
        return None
    return array


def _npy_header(shape: tuple[int, ...], dtype: npt.DTypeLike) -> bytes:
    """Return the start of a ``.npy`` file of that shape and type."""
    stream = io.BytesIO()
    description = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, description)
    return stream.getvalue()


def write_entry(
    path: Path,
    rows: Iterable[npt.NDArray[Any]],
    shape: tuple[int, ...],
    dtype: npt.DTypeLike = np.uint8,
) -> None:
    """Write an entry row by row, so that memory holds one row, and drop what is too much.

    Parameters
    ----------
    path : Path
    rows : iterable of arrays, shape ``shape[1:]``
        As many as ``shape[0]``, of the type `dtype`.
    shape : tuple of int
    dtype : dtype

    Raises
    ------
    OSError
        If the disk is full or not writable. Nothing is left behind.
    """
    private_files.make_folder(path.parent)
    digest = hashlib.sha256()
    with atomic.replacing(path, durable=False) as temporary, temporary.open("wb") as stream:
        stream.write(_npy_header(shape, dtype))
        for row in rows:
            data = row.tobytes()
            digest.update(data)
            stream.write(data)
        stream.write(digest.digest())
    _evict_oldest(path)


def _evict_oldest(keep: Path) -> None:
    """Remove abandoned temporary files and, over `MAX_CACHE_BYTES`, the entries unused longest."""
    with contextlib.suppress(OSError):  # another process may be tidying up as well
        for left in keep.parent.glob("*.tmp"):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                left.unlink(missing_ok=True)
        entries = [(path.stat(), path) for path in keep.parent.glob("*.npy")]
        total = sum(stat.st_size for stat, _ in entries)
        for stat, path in sorted(entries, key=lambda item: item[0].st_mtime):
            if total > MAX_CACHE_BYTES and path != keep:
                path.unlink(missing_ok=True)
                total -= stat.st_size
