"""Bytes in shared memory: one process creates and removes a block, others map it by its name.

The creator alone owns a block. The children that map it neither register nor remove it, so a child
that is killed leaves nothing behind; what a killed creator leaves is removed by the resource
tracker of `multiprocessing`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from collections.abc import Iterator
from functools import lru_cache
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import cast

from spinefrac.errors import BudgetError

#: Where Linux keeps shared memory, a file system of limited size.
_LINUX_FOLDER = Path("/dev/shm")

_MIB = 1 << 20


class SharedBlock:
    """Bytes that are written once and read by several processes.

    They are removed when the object is collected, or earlier by `release`.

    Parameters
    ----------
    size : int
        Bytes.

    Raises
    ------
    BudgetError
        If the machine has not so much shared memory.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        try:
            self._memory = SharedMemory(create=True, size=max(size, 1))
        except OSError as error:
            raise _shared_memory_error(size) from error
        self._finalizer = weakref.finalize(self, _remove, self._memory)
        try:
            _reserve(self._memory.name, size)
        except OSError as error:
            self.release()
            raise _shared_memory_error(size) from error

    @classmethod
    def from_bytes(cls, content: bytes) -> SharedBlock:
        """Return a block with a copy of `content`."""
        block = cls(len(content))
        block.view[:] = content
        return block

    @property
    def name(self) -> str:
        """What another process passes to `map_block`."""
        return self._memory.name

    @property
    def view(self) -> memoryview:
        """The bytes themselves; no view may be left when the block is released."""
        return cast(memoryview, self._memory.buf)[: self.size]

    def release(self) -> None:
        """Remove the bytes now, unless that was done."""
        self._finalizer()


def _remove(memory: SharedMemory) -> None:
    with contextlib.suppress(FileNotFoundError):
        memory.unlink()
    with contextlib.suppress(BufferError):  # a view is left; its end releases the mapping
        memory.close()


def _reserve(name: str, size: int) -> None:
    """Have Linux set the memory aside: without it a write that finds none ends the process."""
    path = _LINUX_FOLDER / name
    if size and sys.platform == "linux" and path.exists():
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)


def _shared_memory_error(size: int) -> BudgetError:
    return BudgetError(
        f"expected {-(-size // _MIB)} MB of free shared memory on this machine, found less; close "
        "other files and try again, or give the container more (docker run --shm-size)"
    )


@contextlib.contextmanager
def map_block(name: str, size: int) -> Iterator[memoryview]:
    """Map a block of another process for as long as the context lasts."""
    memory = _attach(name)
    view = cast(memoryview, memory.buf)[:size]
    try:
        yield view
    finally:
        view.release()
        with contextlib.suppress(BufferError):  # a reader of it is not collected yet
            memory.close()


def keep_mapped(name: str, size: int) -> memoryview:
    """Return a block of another process, mapped until this process ends.

    For a block that is written again and again: to map it takes longer than to fill it.
    """
    return cast(memoryview, _attach_once(name).buf)[:size]


@lru_cache(maxsize=1)
def _attach_once(name: str) -> SharedMemory:
    return _attach(name)


def _attach(name: str) -> SharedMemory:
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    # Older versions register what they only map, and then remove it when this process ends.
    register = resource_tracker.register
    resource_tracker.register = lambda *_: None
    try:
        return SharedMemory(name)
    finally:
        resource_tracker.register = register
