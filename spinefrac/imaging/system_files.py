"""Files that operating systems and burning software leave beside slices."""

from __future__ import annotations

import re

_SYSTEM_FILES = re.compile(
    r"(^|/)(__MACOSX(/|$)|\._|\.DS_Store$|Thumbs\.db$|desktop\.ini$|DICOMDIR$)", re.IGNORECASE
)


def is_system_file(path: str) -> bool:
    """Whether a path, with forward slashes, is such a file or lies in such a folder.

    >>> is_system_file("series/Thumbs.db"), is_system_file("__MACOSX/1.dcm")
    (True, True)
    >>> is_system_file("series/1.dcm")
    False
    """
    return _SYSTEM_FILES.search(path) is not None
