"""A report on slices that were answered on, or on a series: as blocks for HTML and PDF, and JSON.

Nothing of a patient is in it but what was ticked, and the pictures themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.errors import SpinefracError
from spinefrac.evaluation.deferral import Share
from spinefrac.inference import uncertainty
from spinefrac.inference.occlusion import Reliance
from spinefrac.inference.uncertainty import Doubt
from spinefrac.records import NOT_A_MEDICAL_DEVICE, CtSlice, Prediction
from spinefrac.report.elements import Block, Document, Figure, Heading, Paragraph, Pictures, Table
from spinefrac.report.figures import Plot
from spinefrac.store.repository import SavedModel
from spinefrac.viz import heatmap

#: What may be ticked: DICOM keyword and its name for people. None is on by itself.
IDENTITY = {
    "PatientName": "Patient's name",
    "PatientID": "Patient's identifier",
    "PatientBirthDate": "Date of birth",
    "PatientSex": "Sex",
    "StudyDate": "Date of the study",
    "AccessionNumber": "Accession number",
    "StudyInstanceUID": "Identifier of the study (UID)",
}

#: The longest side of a picture in a report, and how strong the heat map over it is.
_STRENGTH = 0.7


@dataclass(frozen=True)
class Reported:
    """One slice of a report.

    Attributes
    ----------
    name : str
        How it is called in the report; a file's name may name a patient, so that "Slice 12" is
        the better choice.
    ct : CtSlice
    prediction : Prediction
    content : bytes or None
        The DICOM file that it was read from, where it was one.
    reliance : Reliance or None
        The region check, where it was made.
    """

    name: str
    ct: CtSlice
    prediction: Prediction
    content: bytes | None = None
    reliance: Reliance | None = None


@dataclass(frozen=True)
class SeriesSummary:
    """What is said of a whole series.

    Attributes
    ----------
    probabilities : float64 array, shape (N,)
        Of all its slices in order; NaN where one could not be read.
    score : float
        Of the series, see `how_made`.
    how_made : str
    threshold : float or None
        At or above it the series is called a fracture; None where it is not known.
    """

    probabilities: npt.NDArray[np.float64]
    score: float
    how_made: str
    threshold: float | None = None


def report(
    slices: Sequence[Reported],
    model: SavedModel,
    *,
    ticked: Sequence[str] = (),
    series: SeriesSummary | None = None,
) -> Document:
    """Return the report as blocks.

    Parameters
    ----------
    slices : sequence of Reported
        At least one; of a series the most suspicious ones.
    model : SavedModel
        That answered.
    ticked : sequence of str
        Keywords of `IDENTITY` that the user wants in the report.
    series : SeriesSummary, optional

    Returns
    -------
    Document
    """
    known = _doubt(model)
    blocks: list[Block] = [
        Paragraph(NOT_A_MEDICAL_DEVICE, warning=True),
        Paragraph(f"Made {_now()} by the model {model.id}, card {model.card_hash[:16]}."),
    ]
    if rows := identity(slices, ticked):
        blocks += [Heading("As ticked"), Table(("", ""), rows, (0.35, 0.65))]
    if series is not None:
        blocks += _series(series)
    for one in slices:
        blocks += _slice(one, known)
    return Document("Answer on a series" if series else "Answer on a slice", (
        *blocks, *_model(model, known),
    ))  # fmt: skip


def to_json(
    slices: Sequence[Reported],
    model: SavedModel,
    *,
    ticked: Sequence[str] = (),
    series: SeriesSummary | None = None,
) -> dict[str, Any]:
    """Return the same in JSON's own types, without pictures; parameters as in `report`."""
    known = _doubt(model)
    found: dict[str, Any] = {
        "notice": NOT_A_MEDICAL_DEVICE,
        "made": _now(),
        "model": model.id,
        "card_sha256": model.card_hash,
        "identity": dict(identity(slices, ticked)),
        "slices": [_slice_json(one, known) for one in slices],
    }
    if known is not None:
        found["guarantee"] = known.guarantee
    if series is not None:
        found["series"] = {
            "score": _finite(series.score),
            "threshold": series.threshold,
            "how_made": series.how_made,
            "probabilities": [_finite(value) for value in series.probabilities.tolist()],
        }
    return found


def identity(slices: Sequence[Reported], ticked: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return (name for people, value) of what was ticked, from the first DICOM header.

    Raises
    ------
    ValueError
        Something was ticked that is not in `IDENTITY`.
    """
    if unknown := set(ticked) - set(IDENTITY):
        raise ValueError(f"not to be ticked: {sorted(unknown)}")
    content = next((one.content for one in slices if one.content), None)
    if not ticked or content is None:
        return ()
    import io

    import pydicom

    header = pydicom.dcmread(
        io.BytesIO(content), stop_before_pixels=True, specific_tags=list(ticked), force=True
    )
    values = ((IDENTITY[name], str(header.get(name) or "").strip()) for name in ticked)
    return tuple((name, value) for name, value in values if value)


def _doubt(model: SavedModel) -> Doubt | None:
    """Return what is known of the model's errors; None for one whose training is not known."""
    return uncertainty.of(model) if model.measured else None


def _slice(one: Reported, known: Doubt | None) -> list[Block]:
    prediction, check = one.prediction, one.prediction.input_check
    blocks: list[Block] = [Heading(one.name)]
    if check is not None and not check.typical:
        blocks.append(
            Paragraph(
                "Do not rely on this answer: the slice is unlike those the model was trained on, "
                f"{check.reason}.",
                warning=True,
            )
        )
    rows = [
        ("Answer", prediction.label),
        ("Probability of fracture", f"{100 * prediction.probability:.1f} %, threshold "
         f"{100 * prediction.threshold:.1f} %"),
        ("Networks", _networks(prediction)),
    ]  # fmt: skip
    if known is not None:
        rows += _worth(known, prediction)
    if check is not None:
        rows.append(
            ("Input check", f"{check.score:.1f} % of the training slices are more ordinary; "
             + ("ordinary" if check.typical else "not ordinary"))
        )  # fmt: skip
    if one.reliance is not None:
        rows.append(("Region", one.reliance.sentence))
    blocks.append(Table(("", ""), tuple(rows), (0.28, 0.72)))
    grey = imaging.display(one.ct)
    plain = np.repeat(grey[..., None], 3, axis=2)
    pictures = [(plain, "The slice.")]
    if prediction.heatmap is not None:
        pictures.append(
            (heatmap.overlay(grey, prediction.heatmap, _STRENGTH), "With the heat map: what raised "
             "the score, measured against the most in this slice.")
        )  # fmt: skip
    seen = np.repeat(prediction.input.pixels[..., None], 3, axis=2)
    pictures.append((seen, "What the model saw."))
    return [*blocks, Pictures(tuple(pictures))]


def _networks(prediction: Prediction) -> str:
    found = uncertainty.disagreement(prediction)
    return (
        f"{found.fracture} of {found.folds} call it a fracture; their answers lie between "
        f"{100 * found.low:.0f} and {100 * found.high:.0f} %"
    )


def _worth(known: Doubt, prediction: Prediction) -> list[tuple[str, str]]:
    values = known.at_prevalence(known.observed)
    called = prediction.probability >= prediction.threshold
    share, name = (values.positive, "fracture") if called else (values.negative, "no fracture")
    refers = known.refers(prediction.probability)
    return [
        (
            "What that is worth",
            f"Of slices called {name} out-of-fold, {_share(share)} were, with fractures in "
            f"{100 * known.observed:.0f} % of them",
        ),
        ("Refer to a human", "yes, inside the band" if refers else "no, outside the band"),
    ]


def _series(series: SeriesSummary) -> list[Block]:
    readable = series.probabilities[np.isfinite(series.probabilities)]
    text = f"Score of the series: {100 * series.score:.1f} %"
    if series.threshold is not None:
        side = "at or above" if series.score >= series.threshold else "below"
        text += f", {side} its threshold of {100 * series.threshold:.1f} %"
    missing = len(series.probabilities) - len(readable)
    text += f". {series.how_made} {len(readable)} slices were read"
    text += f", {missing} could not be." if missing else "."
    number = np.arange(1, len(series.probabilities) + 1, dtype=np.float64)
    plot = Plot("slice", "probability", (1.0, float(max(len(number), 2))))
    shown = np.isfinite(series.probabilities)
    plot.line(number[shown], series.probabilities[shown], "#c9541f")
    figure = Figure(plot.drawing, "Probability of fracture along the slices.")
    return [Heading("The series"), Paragraph(text), figure]


def _model(model: SavedModel, known: Doubt | None) -> list[Block]:
    blocks: list[Block] = [Heading("The model"), Paragraph(model.card.note or model.id)]
    if known is None:
        return [*blocks, Paragraph(
            "It was imported; how often it is right is not known here, so nothing is promised.",
            warning=True,
        )]  # fmt: skip
    return [
        *blocks,
        Paragraph(
            f"Out-of-fold on {known.slices} slices of {known.groups} patients: sensitivity "
            f"{_share(known.sensitivity)}, specificity {_share(known.specificity)} at the "
            f"threshold of {100 * known.threshold:.1f} %, which was chosen on the same slices."
        ),
        Paragraph(known.guarantee),
    ]


def _slice_json(one: Reported, known: Doubt | None) -> dict[str, Any]:
    prediction, check = one.prediction, one.prediction.input_check
    return {
        "name": one.name,
        "label": prediction.label,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "networks": list(prediction.fold_probabilities),
        "refer": None if known is None else known.refers(prediction.probability),
        "input_check": None
        if check is None
        else {"score": check.score, "typical": check.typical, "reason": check.reason},
        "region_check": None
        if one.reliance is None
        else {
            "depends": one.reliance.depends,
            "blurred": one.reliance.blurred,
            "random": list(one.reliance.random),
            "sentence": one.reliance.sentence,
        },
    }


def _share(share: Share) -> str:
    if math.isnan(share.value):
        return "an unknown share"
    text = f"{100 * share.value:.0f} %"
    if share.interval:
        text += f" ({100 * share.interval[0]:.0f} to {100 * share.interval[1]:.0f})"
    return text


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def require_dicom(slices: Sequence[Reported]) -> None:
    """Refuse to make DICOM of slices that came as anything else.

    Raises
    ------
    SpinefracError
    """
    if not slices or any(one.content is None or one.ct.format != "dicom" for one in slices):
        raise SpinefracError(
            "DICOM results refer to the study that a slice belongs to, and not every slice here "
            "came as DICOM: bring DICOM files, or take the HTML, PDF or JSON report"
        )
