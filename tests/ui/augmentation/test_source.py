"""The slice that the augmentation is shown on."""

from __future__ import annotations

import os
from pathlib import Path

from spinefrac.ui.augmentation import source


def test_the_time_of_a_change_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "slice.png"
    assert source._get_mtime_ns(path) == 0
    path.write_bytes(b"1")
    os.utime(path, ns=(1, 5))
    assert source._get_mtime_ns(path) == 5
