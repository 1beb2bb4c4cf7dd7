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
from spinefrac.evaluation.deferral import Proportion
from spinefrac.inference import uncertainty
from spinefrac.inference.occlusion import OcclusionTest
from spinefrac.inference.uncertainty import UncertaintyProfile
from spinefrac.records import NOT_A_MEDICAL_DEVICE, CtSlice, Prediction
from spinefrac.report.elements import (
    Document,
    Element,
    Figure,
    Heading,
    ImageGrid,
    Paragraph,
    Table,
)
from spinefrac.report.figures import Plot
from spinefrac.store.repository import SavedModel
from spinefrac.viz import heatmap
from spinefrac.viz.colours import REPORT_COLOURS

#: What may be ticked: DICOM keyword and its name for people. None is on by itself.
IDENTITY_KEYWORDS = {
    "PatientName": "Patient's name",
    "PatientID": "Patient's identifier",
    "PatientBirthDate": "Date of birth",
    "PatientSex": "Sex",
    "StudyDate": "Date of the study",
    "AccessionNumber": "Accession number",
    "StudyInstanceUID": "Identifier of the study (UID)",
}

#: The longest side of a picture in a report, and how strong the heat map over it is.
_OVERLAY_ALPHA = 0.7


@dataclass(frozen=True)
class ReportSlice:
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
    occlusion_test : Reliance or None
        The region check, where it was made.
    """

    name: str
    ct: CtSlice
    prediction: Prediction
    content: bytes | None = None
    occlusion_test: OcclusionTest | None = None


@dataclass(frozen=True)
class SeriesSummary:
    """What is said of a whole series.

    Attributes
    ----------
    probabilities : float64 array, shape (N,)
        Of all its slices in order; NaN where one could not be read.
    score : float
        Of the series, see `pooling_description`.
    pooling_description : str
    threshold : float or None
        At or above it the series is called a fracture; None where it is not known.
    """

    probabilities: npt.NDArray[np.float64]
    score: float
    pooling_description: str
    threshold: float | None = None


def build_prediction_report(
    slices: Sequence[ReportSlice],
    model: SavedModel,
    *,
    identity_keywords: Sequence[str] = (),
    series: SeriesSummary | None = None,
) -> Document:
    """Return the report as blocks.

    Parameters
    ----------
    slices : sequence of Reported
        At least one; of a series the most suspicious ones.
    model : SavedModel
        That answered.
    identity_keywords : sequence of str
        Keywords of `IDENTITY_KEYWORDS` that the user wants in the report.
    series : SeriesSummary, optional

    Returns
    -------
    Document
    """
    known = _profile_if_known(model)
    blocks: list[Element] = [
        Paragraph(NOT_A_MEDICAL_DEVICE, warning=True),
        Paragraph(f"Made {_utc_now()} by the model {model.id}, card {model.card_hash[:16]}."),
    ]
    if rows := read_identity(slices, identity_keywords):
        blocks += [Heading("As ticked"), Table(("", ""), rows, (0.35, 0.65))]
    if series is not None:
        blocks += _series_section(series)
    for one in slices:
        blocks += _slice_section(one, known)
    return Document("Answer on a series" if series else "Answer on a slice", (
        *blocks, *_model_section(model, known),
    ))  # fmt: skip


def to_dict(
    slices: Sequence[ReportSlice],
    model: SavedModel,
    *,
    identity_keywords: Sequence[str] = (),
    series: SeriesSummary | None = None,
) -> dict[str, Any]:
    """Return the same in JSON's own types, without pictures; parameters as in `build_prediction_report`."""
    known = _profile_if_known(model)
    found: dict[str, Any] = {
        "notice": NOT_A_MEDICAL_DEVICE,
        "made": _utc_now(),
        "model": model.id,
        "card_sha256": model.card_hash,
        "identity": dict(read_identity(slices, identity_keywords)),
        "slices": [_slice_to_dict(one, known) for one in slices],
    }
    if known is not None:
        found["guarantee"] = known.guarantee
    if series is not None:
        found["series"] = {
            "score": _finite_or_none(series.score),
            "threshold": series.threshold,
            "how_made": series.pooling_description,
            "probabilities": [_finite_or_none(value) for value in series.probabilities.tolist()],
        }
    return found


def read_identity(
    slices: Sequence[ReportSlice], identity_keywords: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Return (name for people, value) of what was ticked, from the first DICOM header.

    Raises
    ------
    ValueError
        Something was ticked that is not in `IDENTITY_KEYWORDS`.
    """
    if unknown := set(identity_keywords) - set(IDENTITY_KEYWORDS):
        raise ValueError(f"not to be ticked: {sorted(unknown)}")
    content = next((one.content for one in slices if one.content), None)
    if not identity_keywords or content is None:
        return ()
    import io

    import pydicom

    header = pydicom.dcmread(
        io.BytesIO(content),
        stop_before_pixels=True,
        specific_tags=list(identity_keywords),
        force=True,
    )
    values = (
        (IDENTITY_KEYWORDS[name], str(header.get(name) or "").strip()) for name in identity_keywords
    )
    return tuple((name, value) for name, value in values if value)


def _profile_if_known(model: SavedModel) -> UncertaintyProfile | None:
    """Return what is known of the model's errors; None for one whose training is not known."""
    return uncertainty.uncertainty_profile(model) if model.has_out_of_fold else None


def _slice_section(report_slice: ReportSlice, profile: UncertaintyProfile | None) -> list[Element]:
    prediction, check = report_slice.prediction, report_slice.prediction.input_check
    blocks: list[Element] = [Heading(report_slice.name)]
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
        ("Networks", _describe_ensemble(prediction)),
    ]  # fmt: skip
    if profile is not None:
        rows += _reliability_rows(profile, prediction)
    if check is not None:
        rows.append(
            ("Input check", f"{check.score:.1f} % of the training slices are more ordinary; "
             + ("ordinary" if check.typical else "not ordinary"))
        )  # fmt: skip
    if report_slice.occlusion_test is not None:
        rows.append(("Region", report_slice.occlusion_test.summary))
    blocks.append(Table(("", ""), tuple(rows), (0.28, 0.72)))
    grey = imaging.to_display(report_slice.ct)
    plain = np.repeat(grey[..., None], 3, axis=2)
    pictures = [(plain, "The slice.")]
    if prediction.heatmap is not None:
        pictures.append(
            (heatmap.overlay_heatmap(grey, prediction.heatmap, _OVERLAY_ALPHA), "With the heat map: what raised "
             "the score, measured against the most in this slice.")
        )  # fmt: skip
    seen = np.repeat(prediction.input.pixels[..., None], 3, axis=2)
    pictures.append((seen, "What the model saw."))
    return [*blocks, ImageGrid(tuple(pictures))]


def _describe_ensemble(prediction: Prediction) -> str:
    found = uncertainty.ensemble_disagreement(prediction)
    return (
        f"{found.n_fracture} of {found.n_folds} call it a fracture; their answers lie between "
        f"{100 * found.low:.0f} and {100 * found.high:.0f} %"
    )


def _reliability_rows(profile: UncertaintyProfile, prediction: Prediction) -> list[tuple[str, str]]:
    values = profile.at_prevalence(profile.observed_prevalence)
    called = prediction.probability >= prediction.threshold
    share, name = (values.ppv, "fracture") if called else (values.npv, "no fracture")
    refers = profile.needs_review(prediction.probability)
    return [
        (
            "What that is worth",
            f"Of slices called {name} out-of-fold, {_format_proportion(share)} were, with fractures in "
            f"{100 * profile.observed_prevalence:.0f} % of them",
        ),
        ("Refer to a human", "yes, inside the band" if refers else "no, outside the band"),
    ]


def _series_section(series: SeriesSummary) -> list[Element]:
    readable = series.probabilities[np.isfinite(series.probabilities)]
    text = f"Score of the series: {100 * series.score:.1f} %"
    if series.threshold is not None:
        side = "at or above" if series.score >= series.threshold else "below"
        text += f", {side} its threshold of {100 * series.threshold:.1f} %"
    missing = len(series.probabilities) - len(readable)
    text += f". {series.pooling_description} {len(readable)} slices were read"
    text += f", {missing} could not be." if missing else "."
    number = np.arange(1, len(series.probabilities) + 1, dtype=np.float64)
    plot = Plot("slice", "probability", (1.0, float(max(len(number), 2))))
    shown = np.isfinite(series.probabilities)
    plot.line(number[shown], series.probabilities[shown], REPORT_COLOURS["accent"])
    figure = Figure(plot.drawing, "Probability of fracture along the slices.")
    return [Heading("The series"), Paragraph(text), figure]


def _model_section(model: SavedModel, profile: UncertaintyProfile | None) -> list[Element]:
    blocks: list[Element] = [Heading("The model"), Paragraph(model.card.note or model.id)]
    if profile is None:
        return [*blocks, Paragraph(
            "It was imported; how often it is right is not known here, so nothing is promised.",
            warning=True,
        )]  # fmt: skip
    return [
        *blocks,
        Paragraph(
            f"Out-of-fold on {profile.n_slices} slices of {profile.n_groups} patients: sensitivity "
            f"{_format_proportion(profile.sensitivity)}, specificity {_format_proportion(profile.specificity)} at the "
            f"threshold of {100 * profile.threshold:.1f} %, which was chosen on the same slices."
        ),
        Paragraph(profile.guarantee),
    ]


def _slice_to_dict(report_slice: ReportSlice, profile: UncertaintyProfile | None) -> dict[str, Any]:
    prediction, check = report_slice.prediction, report_slice.prediction.input_check
    return {
        "name": report_slice.name,
        "label": prediction.label,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "networks": list(prediction.fold_probabilities),
        "refer": None if profile is None else profile.needs_review(prediction.probability),
        "input_check": None
        if check is None
        else {"score": check.score, "typical": check.typical, "reason": check.reason},
        "region_check": None
        if report_slice.occlusion_test is None
        else {
            "depends": report_slice.occlusion_test.depends_on_region,
            "blurred": report_slice.occlusion_test.occluded_probability,
            "random": list(report_slice.occlusion_test.random_probabilities),
            "sentence": report_slice.occlusion_test.summary,
        },
    }


def _format_proportion(proportion: Proportion) -> str:
    if math.isnan(proportion.value):
        return "an unknown share"
    text = f"{100 * proportion.value:.0f} %"
    if proportion.interval:
        text += f" ({100 * proportion.interval[0]:.0f} to {100 * proportion.interval[1]:.0f})"
    return text


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _utc_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def require_dicom(slices: Sequence[ReportSlice]) -> None:
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
