"""Packages that a process does without, so that what it imports is loaded sooner."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
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


def hide_keras_extras() -> AbstractContextManager[None]:
    """Hide what Keras would load where it is installed, in a process that has no use for it."""
    return hide_modules("sklearn", "pandas")
