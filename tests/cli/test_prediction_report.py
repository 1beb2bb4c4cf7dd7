"""The options of ``--report`` are refused before anything is predicted.

The reports themselves are in ``tests/report/test_prediction_report.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from spinefrac.cli.prediction_report import MAX_SLICES, validate_options


@pytest.mark.parametrize("ending", [".html", ".pdf", ".json", ".zip", ".HTML"])
def test_every_format_is_accepted(tmp_path: Path, ending: str) -> None:
    validate_options(tmp_path / f"r{ending}", ["PatientID"], MAX_SLICES)


@pytest.mark.parametrize(
    ("name", "identity", "count", "told"),
    [
        ("r.doc", (), 1, "expected a file ending in"),
        ("none/r.pdf", (), 1, "a folder that exists"),
        ("r.pdf", ("PatientAddress",), 1, "got PatientAddress"),
        ("r.pdf", (), MAX_SLICES + 1, f"at most {MAX_SLICES}"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, name, identity, count, told) -> None:
    with pytest.raises(typer.BadParameter, match=told):
        validate_options(tmp_path / name, identity, count)
