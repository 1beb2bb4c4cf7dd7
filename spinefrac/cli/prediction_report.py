"""The ``--report`` of `spinefrac predict`: what was answered, as one file to pass on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from spinefrac.inference.predictor import Predictor
    from spinefrac.records import CtSlice, Prediction
    from spinefrac.report.prediction_report import Reported

#: Slices that one report holds; each has its pictures in it.
MOST = 100

_ENDINGS = (".html", ".pdf", ".json", ".zip")


def check(path: Path, identity: Sequence[str], count: int) -> None:
    """Refuse what cannot be meant, before anything is answered."""
    from spinefrac.report.prediction_report import IDENTITY

    if path.suffix.lower() not in _ENDINGS:
        raise typer.BadParameter(
            f"expected a file ending in {', '.join(_ENDINGS)} (DICOM), got {path}",
            param_hint="--report",
        )
    if path.is_dir() or not path.parent.is_dir():
        raise typer.BadParameter(
            f"expected a file in a folder that exists, got {path}", param_hint="--report"
        )
    if unknown := sorted(set(identity) - set(IDENTITY)):
        raise typer.BadParameter(
            f"expected {', '.join(IDENTITY)}, got {unknown[0]}", param_hint="--identity"
        )
    if count > MOST:
        raise typer.BadParameter(
            f"a report holds {MOST} slices, got {count}: make several", param_hint="--report"
        )


def reported(
    predictor: Predictor, number: int, ct: CtSlice, prediction: Prediction, file: Path
) -> Reported:
    """Return one slice for the report, with the region check; its file's name stays out."""
    from spinefrac.inference import occlusion
    from spinefrac.report.prediction_report import Reported

    return Reported(
        f"Slice {number}",
        ct,
        prediction,
        file.read_bytes() if ct.format == "dicom" else None,
        None if prediction.heatmap is None else occlusion.measure(predictor, prediction),
    )


def write(
    path: Path, parts: Sequence[Reported], predictor: Predictor, identity: Sequence[str]
) -> None:
    """Write the report beside and rename it, so that half of one is never seen."""
    from spinefrac.report import dicom_results, html, pdf, prediction_report

    model, kind = predictor.model, path.suffix.lower()
    if kind == ".json":
        content = json.dumps(
            prediction_report.to_json(parts, model, ticked=identity), indent=2
        ).encode()
    elif kind == ".zip":
        content = dicom_results.zipped(dicom_results.results(parts, model, ticked=identity))
    else:
        document = prediction_report.report(parts, model, ticked=identity)
        content = (pdf if kind == ".pdf" else html).render(document)
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
