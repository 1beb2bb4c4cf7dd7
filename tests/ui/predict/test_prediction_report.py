"""Downloads of the report on a prediction."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.app import html, run_prediction_parts

PARTS = """
from spinefrac.report.prediction_report import ReportSlice
from spinefrac.ui.predict import prediction_report
prediction_report.show_report_downloads(model, [ReportSlice("Slice", ct, prediction, content)])
"""


@pytest.mark.parametrize(
    ("sample", "labels", "note"),
    [
        ("fracture-1.dcm", ["HTML", "PDF", "JSON", "DICOM"], "linked to the original study"),
        ("fracture-2.png", ["HTML", "PDF", "JSON"], "available only for DICOM input"),
    ],
)
def test_dicom_results_are_offered_for_dicom_only(
    own_home: Path, sample: str, labels: list[str], note: str
) -> None:
    app = run_prediction_parts(PARTS, sample)
    assert [button.proto.label for button in app.get("download_button")] == labels
    assert note in html(app)
