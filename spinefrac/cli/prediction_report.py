"""The ``--report`` of `spinefrac predict`: what was answered, as one file to pass on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spinefrac.system import atomic

if TYPE_CHECKING:
    from spinefrac.inference.predictor import Predictor
    from spinefrac.records import CtSlice, Prediction
    from spinefrac.report.prediction_report import ReportSlice

#: Slices that one report holds; each has its pictures in it.
MAX_SLICES = 100

_SUFFIXES = (".html", ".pdf", ".json", ".zip")


def validate_options(path: Path, identity: Sequence[str], count: int) -> None:
    """Refuse what cannot be meant, before anything is answered."""
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
            f"a report holds {MAX_SLICES} slices, got {count}: make several", param_hint="--report"
        )


def build_report_slice(
    predictor: Predictor, number: int, ct: CtSlice, prediction: Prediction, file: Path
) -> ReportSlice:
    """Return one slice for the report, with the region check; its file's name stays out."""
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
    """Write the report beside and rename it, so that half of one is never seen."""
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
