"""The ``--report`` of `spinefrac predict`: the predictions as one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spinefrac.cli import output
from spinefrac.system import atomic

if TYPE_CHECKING:
    from spinefrac.inference.predictor import Predictor
    from spinefrac.records import CtSlice, Prediction
    from spinefrac.report.prediction_report import ReportSlice

#: Slices that one report holds; each adds its images.
MAX_SLICES = 100

_SUFFIXES = (".html", ".pdf", ".json", ".zip")


def validate_options(path: Path, identity: Sequence[str], count: int) -> None:
    """Refuse options that cannot work, before anything is predicted."""
    from spinefrac.report.prediction_report import IDENTITY_KEYWORDS

    if path.suffix.lower() not in _SUFFIXES:
        raise typer.BadParameter(
            f"expected a file ending in {', '.join(_SUFFIXES)} (DICOM), got {path}",
            param_hint="--report",
        )
    if path.is_dir() or not path.parent.is_dir():
        raise typer.BadParameter(
            f"expected a file in a folder that exists, got {path}", param_hint="--report"
        )
    if unknown := sorted(set(identity) - set(IDENTITY_KEYWORDS)):
        raise typer.BadParameter(
            f"expected {', '.join(IDENTITY_KEYWORDS)}, got {unknown[0]}", param_hint="--identity"
        )
    if count > MAX_SLICES:
        raise typer.BadParameter(
            f"expected at most {MAX_SLICES} slices in a report, got {count}: write several reports",
            param_hint="--report",
        )


def build_report_slice(
    predictor: Predictor, number: int, ct: CtSlice, prediction: Prediction, file: Path
) -> ReportSlice:
    """Return one slice for the report, with the occlusion test; without its file's name."""
    from spinefrac.inference import occlusion
    from spinefrac.report.prediction_report import ReportSlice

    return ReportSlice(
        f"Slice {number}",
        ct,
        prediction,
        file.read_bytes() if ct.format == "dicom" else None,
        None if prediction.heatmap is None else occlusion.run_occlusion_test(predictor, prediction),
    )


def write_report(
    path: Path, parts: Sequence[ReportSlice], predictor: Predictor, identity: Sequence[str]
) -> None:
    """Write the report in the format that the file's name ends in, as a whole or not at all."""
    from spinefrac.report import dicom_results, html, pdf, prediction_report

    model, kind = predictor.model, path.suffix.lower()
    if kind == ".json":
        content = json.dumps(
            prediction_report.to_dict(parts, model, identity_keywords=identity), indent=2
        ).encode()
    elif kind == ".zip":
        content = dicom_results.zip_files(
            dicom_results.build_dicom_results(parts, model, identity_keywords=identity)
        )
    else:
        document = prediction_report.build_prediction_report(
            parts, model, identity_keywords=identity
        )
        content = (pdf if kind == ".pdf" else html).render(document)
    atomic.write_bytes(path, content)
    if prediction_report.read_identity(parts, identity):
        output.print_message(f"note: {prediction_report.IDENTITY_KEPT_NOTE}")
