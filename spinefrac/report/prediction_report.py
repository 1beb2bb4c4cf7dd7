"""A report on predictions for slices or a series: as elements for HTML and PDF, and as JSON.

It holds nothing of the patient but the selected elements of the DICOM header, and the images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac import imaging, wording
from spinefrac.errors import SpinefracError
from spinefrac.evaluation.deferral import Proportion
from spinefrac.imaging import decoder_pool
from spinefrac.inference import uncertainty
from spinefrac.inference.occlusion import OcclusionTest
from spinefrac.inference.uncertainty import UncertaintyProfile
from spinefrac.records import NOT_A_MEDICAL_DEVICE, CtSlice, Prediction
from spinefrac.redaction import IDENTITY, Information, Output, is_kept, to_printable
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
from spinefrac.wording import METRICS, NPV

#: What may be included: DICOM keyword and its name for people. None is included by default.
IDENTITY_KEYWORDS = {
    "PatientName": "Patient's name",
    "PatientID": "Patient's identifier",
    "PatientBirthDate": "Date of birth",
    "PatientSex": "Sex",
    "StudyDate": "Date of the study",
    "AccessionNumber": "Accession number",
    "StudyInstanceUID": "Identifier of the study (UID)",
}

#: What kind of information each of them is, for the policy.
IDENTITY_KINDS = {
    "PatientName": Information.PATIENT,
    "PatientID": Information.PATIENT,
    "PatientBirthDate": Information.DATES,
    "PatientSex": Information.PATIENT,
    "StudyDate": Information.DATES,
    "AccessionNumber": Information.UIDS,
    "StudyInstanceUID": Information.UIDS,
}

#: Said on a report that holds some of them.
IDENTITY_KEPT_NOTE = (
    f"These elements of the DICOM header were included on request ({IDENTITY}); they identify "
    "the patient."
)

#: Opacity of the heat map over a slice.
_OVERLAY_ALPHA = 0.7


@dataclass(frozen=True)
class ReportSlice:
    """One slice of a report.

    Attributes
    ----------
    name : str
        Its name in the report, such as "Slice 12"; the name of a file may name a patient.
    ct : CtSlice
    prediction : Prediction
    content : bytes or None
        The DICOM file that it was read from, if it was DICOM.
    occlusion_test : OcclusionTest or None
        If it was run.
    """

    name: str
    ct: CtSlice
    prediction: Prediction
    content: bytes | None = None
    occlusion_test: OcclusionTest | None = None


@dataclass(frozen=True)
class SeriesSummary:
    """The prediction for a whole series.

    Attributes
    ----------
    probabilities : float64 array, shape (N,)
        Of all its slices in order; NaN where a slice could not be read.
    score : float
        Series score, see `pooling_description`.
    pooling_description : str
    threshold : float or None
        At or above it the predicted class is fracture; None where it is not known.
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
    """Return the report as elements.

    Parameters
    ----------
    slices : sequence of ReportSlice
        At least one; of a series those of highest probability.
    model : SavedModel
        That made the predictions.
    identity_keywords : sequence of str
        Keywords of `IDENTITY_KEYWORDS` to include.
    series : SeriesSummary, optional

    Returns
    -------
    Document
    """
    profile = _profile_if_known(model)
    elements: list[Element] = [
        Paragraph(NOT_A_MEDICAL_DEVICE, warning=True),
        Paragraph(f"Written {_utc_now()} with the model {model.id}, card {model.card_hash[:16]}."),
    ]
    if rows := read_identity(slices, identity_keywords):
        elements += [
            Heading("From the DICOM header"),
            Paragraph(IDENTITY_KEPT_NOTE, warning=True),
            Table(("", ""), rows, (0.35, 0.65)),
        ]
    if series is not None:
        elements += _series_section(series)
    for one in slices:
        elements += _slice_section(one, profile)
    return Document("Prediction for a series" if series else "Prediction for a slice", (
        *elements, *_model_section(model, profile),
    ))  # fmt: skip


def to_dict(
    slices: Sequence[ReportSlice],
    model: SavedModel,
    *,
    identity_keywords: Sequence[str] = (),
    series: SeriesSummary | None = None,
) -> dict[str, Any]:
    """Return the same as JSON types, without images; parameters as `build_prediction_report`."""
    profile = _profile_if_known(model)
    found: dict[str, Any] = {
        "notice": NOT_A_MEDICAL_DEVICE,
        "made": _utc_now(),
        "model": model.id,
        "card_sha256": model.card_hash,
        "identity": dict(read_identity(slices, identity_keywords)),
        "slices": [_slice_to_dict(one, profile) for one in slices],
    }
    if found["identity"]:
        found["identity_note"] = IDENTITY_KEPT_NOTE
    if profile is not None:
        found["guarantee"] = profile.guarantee
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
    """Return (name for people, value) of the selected elements, from the first DICOM header.

    Raises
    ------
    ValueError
        A keyword is not in `IDENTITY_KEYWORDS`.
    ImageError
        The header cannot be read.
    """
    if unknown := set(identity_keywords) - set(IDENTITY_KEYWORDS):
        raise ValueError(f"expected keywords of {list(IDENTITY_KEYWORDS)}, got {sorted(unknown)}")
    content = next((one.content for one in slices if one.content), None)
    kept = [
        name
        for name in identity_keywords
        if is_kept(Output.PREDICTION_REPORT, IDENTITY_KINDS[name], requested=True)
    ]
    if not kept or content is None:
        return ()
    header = decoder_pool.read_values(content, kept)
    return tuple(
        (IDENTITY_KEYWORDS[name], to_printable(", ".join(header[name])))
        for name in kept
        if name in header
    )


def _profile_if_known(model: SavedModel) -> UncertaintyProfile | None:
    """Return the model's error rates; None for a model without out-of-fold predictions."""
    return uncertainty.uncertainty_profile(model) if model.has_slice_predictions else None


def _slice_section(report_slice: ReportSlice, profile: UncertaintyProfile | None) -> list[Element]:
    check = report_slice.prediction.input_check
    elements: list[Element] = [Heading(report_slice.name)]
    if check is not None and not check.typical:
        text = f"{wording.GRADE_TITLES[check.grade]}. The slice is {check.reason}."
        elements.append(Paragraph(text, warning=True))
    rows = _prediction_rows(report_slice, profile)
    return [*elements, Table(("", ""), rows, (0.28, 0.72)), _slice_images(report_slice)]


def _prediction_rows(
    report_slice: ReportSlice, profile: UncertaintyProfile | None
) -> tuple[tuple[str, str], ...]:
    prediction, check = report_slice.prediction, report_slice.prediction.input_check
    rows = [
        ("Predicted class", prediction.label),
        (
            "Probability of fracture",
            f"{wording.format_percent(prediction.probability, 1)}, threshold "
            f"{wording.format_percent(prediction.threshold, 1)}",
        ),
        ("Networks", _describe_ensemble(prediction)),
    ]
    if check is not None and not check.typical:
        rows += [("Reliability", wording.RATES_DO_NOT_HOLD), ("Needs review by a reader", "yes")]
    elif profile is not None:
        rows += _reliability_rows(profile, prediction)
    if check is not None:
        state = wording.describe_grade(check.grade)
        rows.append(("Input check", f"{state}; percentile of the distance {check.score:.1f} %"))
    if report_slice.occlusion_test is not None:
        rows.append(("Occlusion test", report_slice.occlusion_test.summary))
    return tuple(rows)


def _slice_images(report_slice: ReportSlice) -> ImageGrid:
    """Return the slice, the slice with its heat map if it has one, and the model's input."""
    prediction = report_slice.prediction
    grey = imaging.to_display(report_slice.ct)
    images = [(heatmap.render_slice(grey, None), "The slice.")]
    if prediction.heatmap is not None:
        overlay = heatmap.overlay_heatmap(grey, prediction.heatmap, _OVERLAY_ALPHA)
        caption = "With the heat map: areas that raised the probability, scaled to this slice."
        images.append((overlay, caption))
    model_input = heatmap.render_slice(prediction.input.pixels, None)
    return ImageGrid((*images, (model_input, "The input of the model.")))


def _describe_ensemble(prediction: Prediction) -> str:
    found = uncertainty.ensemble_disagreement(prediction)
    return (
        f"{found.n_fracture} of {found.n_folds} predict fracture; their probabilities are "
        f"{wording.format_percent_interval((found.low, found.high))}"
    )


def _reliability_rows(profile: UncertaintyProfile, prediction: Prediction) -> list[tuple[str, str]]:
    values = profile.at_prevalence(profile.observed_prevalence)
    is_fracture = prediction.probability >= prediction.threshold
    share, name = (values.ppv, METRICS["precision"]) if is_fracture else (values.npv, NPV)
    prevalence = wording.format_percent(profile.observed_prevalence)
    needs_review = profile.needs_review(prediction.probability)
    return [
        (
            "Reliability of this prediction",
            f"{name.title} {_format_proportion(share)} out-of-fold, prevalence {prevalence}",
        ),
        (
            "Needs review by a reader",
            "yes, inside the abstention band"
            if needs_review
            else "no, outside the abstention band",
        ),
    ]


def _series_section(series: SeriesSummary) -> list[Element]:
    readable = np.isfinite(series.probabilities)
    text = f"Series score: {wording.format_percent(series.score, 1)}"
    if series.threshold is not None:
        side = "at or above" if series.score >= series.threshold else "below"
        text += f", {side} its threshold of {wording.format_percent(series.threshold, 1)}"
    unreadable = int((~readable).sum())
    text += f". {series.pooling_description} {int(readable.sum())} slices were read"
    text += f", {unreadable} could not be read." if unreadable else "."
    numbers = np.arange(1, len(series.probabilities) + 1, dtype=np.float64)
    plot = Plot("slice", "probability", (1.0, float(max(len(numbers), 2))))
    plot.line(numbers[readable], series.probabilities[readable], REPORT_COLOURS["accent"])
    figure = Figure(plot.drawing, "Probability of fracture of each slice.")
    return [Heading("The series"), Paragraph(text), figure]


def _model_section(model: SavedModel, profile: UncertaintyProfile | None) -> list[Element]:
    elements: list[Element] = [Heading("The model"), Paragraph(model.card.note or model.id)]
    if model.is_synthetic:
        elements.append(Paragraph(wording.SYNTHETIC_MODEL_WARNING, warning=True))
    if profile is None:
        reason = "evaluated by scan" if model.is_of_scans else "imported"
        text = f"The model was {reason}. Its error rates on slices are not known here."
        return [*elements, Paragraph(text, warning=True)]
    return [
        *elements,
        Paragraph(
            f"Out-of-fold on {profile.n_slices} slices of {profile.n_groups} patients: sensitivity "
            f"{_format_proportion(profile.sensitivity)}, specificity "
            f"{_format_proportion(profile.specificity)} at the threshold of "
            f"{wording.format_percent(profile.threshold, 1)}, which was chosen on the same slices."
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
        "refer": None if profile is None else profile.needs_review(prediction.probability, check),
        "input_check": None
        if check is None
        else {
            "score": check.score,
            "typical": check.typical,
            "reason": check.reason,
            "grade": check.grade,
        },
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
        return wording.UNDEFINED
    return wording.format_percent_estimate(proportion.value, proportion.interval)


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _utc_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def require_dicom(slices: Sequence[ReportSlice]) -> None:
    """Raise an error unless every slice was read from DICOM.

    Raises
    ------
    SpinefracError
    """
    if not slices or any(one.content is None or one.ct.format != "dicom" for one in slices):
        raise SpinefracError(
            "DICOM results refer to the study of a slice, and not every slice here is DICOM: use "
            "DICOM files, or write the report as HTML, PDF or JSON"
        )
