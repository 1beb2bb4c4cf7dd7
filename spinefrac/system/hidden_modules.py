"""Packages that a process does without, so that what it imports is loaded sooner."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def hide_modules(*names: str) -> Iterator[None]:
    """Have imports find that packages are not installed; afterwards they can be imported as ever.

    For packages that another one would use where they are there, and this process does not need.
    One that is imported already stays. No other thread may import meanwhile.

    Parameters
    ----------
    *names : str
        Of packages.
    """
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in names if name not in modules]
    # None is Python's own mark of a module that is not there (language reference, section 5.3.1).
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]


@contextmanager
def lean_keras_import() -> Iterator[None]:
    """Have Keras and TensorFlow imported sooner, in a process that is there for them.

    They load scikit-learn and pandas where those are installed, which takes a third of Keras's own
    time. And they make 400,000 objects that stay: to go through those again and again for garbage
    takes a quarter of the time of the whole import, so that is put off, and later passes leave
    them out.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with hide_modules("sklearn", "pandas"):
            yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
