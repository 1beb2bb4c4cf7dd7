"""Versions of Python and of installed packages, for records of how something was made."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version


def collect_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package, by the name it is installed under; also of ``python``.

    Examples
    --------
    >>> sorted(collect_versions(["python", "numpy"]))
    ['numpy', 'python']
    """
    return {
        name: platform.python_version() if name == "python" else version(name) for name in packages
    }
