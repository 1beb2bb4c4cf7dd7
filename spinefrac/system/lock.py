"""One lock on the folder of saved models, for processes that add, rename or remove one.

Readers need no lock: a model appears, changes its name and disappears by one rename each.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.system import private_files

#: The file that is locked; it stays and is empty.
LOCK_FILE = ".lock"

#: Nothing under the lock takes longer than the removal of a few files.
TIMEOUT_S = 60.0

_thread = threading.local()


@contextmanager
def models_lock(timeout_s: float = TIMEOUT_S) -> Iterator[None]:
    """Hold the lock; the system releases it when the process ends, however it ends.

    A thread that holds it already continues.

    Raises
    ------
    ModelError
        Another process or thread holds it for longer than `timeout_s`.
    OSError
        The folder is not writable.
    """
    if getattr(_thread, "holds", False):
        yield
        return
    models = settings.models_dir()
    private_files.make_folder(models)
    lock = FileLock(models / LOCK_FILE, timeout=timeout_s)
    try:
        lock.acquire()
    except Timeout as error:
        raise ModelError(
            f"Another process has been changing the models' folder for {timeout_s:.0f} s: end "
            "it, or try again"
        ) from error
    _thread.holds = True
    try:
        yield
    finally:
        _thread.holds = False
        lock.release()
