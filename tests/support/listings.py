"""Counts how often a folder's files are listed: the calls of the operating system themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def count_listings(folder: Path) -> Iterator[list[Path]]:
    """Yield a list that grows by one with every listing of exactly this folder."""
    calls: list[Path] = []
    listers = {name: getattr(os, name) for name in ("scandir", "listdir")}

    def counting(name: str) -> Any:
        def lister(path: Any = ".") -> Any:
            if isinstance(path, str | os.PathLike) and Path(path) == folder:
                calls.append(folder)
            return listers[name](path)

        return lister

    with pytest.MonkeyPatch.context() as patch:
        for name in listers:
            patch.setattr(os, name, counting(name))
        yield calls
