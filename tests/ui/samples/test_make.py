"""The bundled samples are what their command renders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spinefrac import imaging
from spinefrac.ui.samples import make


def test_the_samples_are_what_their_command_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = {path.name: path for path in make.FOLDER.glob("*-[1-3].*")}
    assert len(shipped) == 6
    monkeypatch.setattr(make, "FOLDER", tmp_path)
    make.main()
    assert {path.name for path in tmp_path.iterdir()} == set(shipped)
    for path in tmp_path.iterdir():
        made, kept = (imaging.read(source).pixels for source in (path, shipped[path.name]))
        # Another processor may round a few pixels otherwise.
        assert np.abs(made - kept).mean() < 0.01, "run python -m spinefrac.ui.samples.make"
