"""Files and folders that systems, servers and programs leave beside slices, in one list.

Every listing leaves them out: folders, uploads, ZIPs, imports and copies.
"""

from __future__ import annotations

import re

#: Folders, lower-case, by what leaves them. Those that begin with a dot need no entry.
_FOLDERS = frozenset(
    {
        "__macosx", "network trash folder", "temporary items",  # macOS
        "$recycle.bin", "recycler", "system volume information", "found.000",  # Windows
        "@eadir", "@tmp", "#recycle", "#snapshot",  # Synology
        "@recycle", "@recently-snapshot",  # QNAP
        "lost+found", "__pycache__",
    }
)  # fmt: skip

_FILES = re.compile(
    r"""
    thumbs\.db(:encryptable)? | ehthumbs(_vista)?\.db | desktop\.ini | iconcache\.db | icon\r
    | dicomdir([.;].*)? | lockfile      # of burnt discs: a directory, and a viewer's lock
    | ~\$.* | ~.*\.tmp                  # locks and copies of office programs
    | .*\.(tmp|temp|part|partial|filepart|crdownload|download|lock|lck|swp)  # half written, locked
    """,
    re.IGNORECASE | re.VERBOSE,
)


def is_system_file(path: str) -> bool:
    """Whether a path, with forward slashes, is such a file or lies in such a folder.

    Hidden names, which begin with a dot, are among them: ``.AppleDouble``, ``._1.dcm``,
    ``.Trash-1000``, ``.@__thumb``.

    >>> is_system_file("series/Thumbs.db"), is_system_file("__MACOSX/1.dcm")
    (True, True)
    >>> is_system_file("series/1.dcm")
    False
    """
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return any(part.startswith(".") or part.casefold() in _FOLDERS for part in parts) or (
        bool(parts) and _FILES.fullmatch(parts[-1]) is not None
    )
