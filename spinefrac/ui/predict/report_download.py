"""The report to take home: on the slice that is looked at, or on the whole series."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from spinefrac.evaluation import series_pooling
from spinefrac.evaluation.series_pooling import SeriesPerformance
from spinefrac.inference.batch import SeriesPrediction
from spinefrac.report.prediction_report import ReportSlice, SeriesSummary
from spinefrac.store.repository import SavedModel
from spinefrac.ui.predict import inference_job, prediction_report
from spinefrac.ui.predict.upload import SliceSet

_SLICE_REPORT, _SERIES_REPORT = "This slice", "The series with its most suspicious slices"


@dataclass(frozen=True)
class SeriesResult:
    """What is known of a whole series: the answers, and how often such a score is right."""

    prediction: SeriesPrediction
    performance: SeriesPerformance | None


def show_report(
    model: SavedModel, slice_set: SliceSet, index: int, series_result: SeriesResult | None
) -> None:
    """Offer the report; pictures of other slices are made only where the series is chosen."""
    with st.expander("Report", icon=":material/description:"):
        about = _SLICE_REPORT
        if series_result is not None and series_result.prediction.peak_index >= 0:
            about = st.segmented_control(
                "On", [_SLICE_REPORT, _SERIES_REPORT], default=_SLICE_REPORT, key="report-scope"
            )
        if series_result is None or about != _SERIES_REPORT:
            prediction_report.show_report_downloads(
                model, [_make_report_item(model, slice_set, index)]
            )
            return
        answers, record = series_result.prediction, series_result.performance
        summary = SeriesSummary(
            probabilities=answers.probabilities,
            score=answers.score,
            pooling_description=series_pooling.POOLING_DESCRIPTION,
            threshold=record.threshold if record else None,
        )
        parts = [_make_report_item(model, slice_set, slice_) for slice_ in answers.highest_slices()]
        prediction_report.show_report_downloads(model, parts, summary)


def _make_report_item(model: SavedModel, slice_set: SliceSet, index: int) -> ReportSlice:
    part = slice_set.slices[index]
    ct = inference_job.read_slice(slice_set.key, index, part)
    return ReportSlice(
        name=f"Slice {index + 1}" if slice_set.series else "Slice",
        ct=ct,
        prediction=inference_job.predict_slice(
            slice_set.key, index, model.id, model.card_hash, part
        ),
        content=part.file.read_bytes() if ct.format == "dicom" else None,
    )
