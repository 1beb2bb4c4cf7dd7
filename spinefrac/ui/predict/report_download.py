"""The report on the prediction for the selected slice, or on the whole series."""

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

_SLICE_REPORT = "This slice"
_SERIES_REPORT = "The series with its highest-probability slices"


@dataclass(frozen=True)
class SeriesResult:
    """The prediction for a whole series, and the out-of-fold performance of its score."""

    prediction: SeriesPrediction
    performance: SeriesPerformance | None


def show_report(
    model: SavedModel, slice_set: SliceSet, index: int, series_result: SeriesResult | None
) -> None:
    """Offer the report; other slices are drawn only where the series is chosen."""
    with st.expander("Report", icon=":material/description:"):
        scope: str | None = _SLICE_REPORT
        if series_result is not None and series_result.prediction.peak_index >= 0:
            scope = st.segmented_control(
                "Report on",
                [_SLICE_REPORT, _SERIES_REPORT],
                default=_SLICE_REPORT,
                key="report-scope",
            )
        if series_result is None or scope != _SERIES_REPORT:
            report_slice = _make_report_slice(model, slice_set, index)
            prediction_report.show_report_downloads(model, [report_slice])
            return
        prediction, performance = series_result.prediction, series_result.performance
        summary = SeriesSummary(
            probabilities=prediction.probabilities,
            score=prediction.score,
            pooling_description=series_pooling.POOLING_DESCRIPTION,
            threshold=performance.threshold if performance else None,
        )
        report_slices = [
            _make_report_slice(model, slice_set, highest) for highest in prediction.highest_slices()
        ]
        prediction_report.show_report_downloads(model, report_slices, summary)


def _make_report_slice(model: SavedModel, slice_set: SliceSet, index: int) -> ReportSlice:
    series_slice = slice_set.slices[index]
    ct = inference_job.read_slice(slice_set, index)
    return ReportSlice(
        name=f"Slice {index + 1}" if slice_set.series else "Slice",
        ct=ct,
        prediction=inference_job.predict_slice(model, slice_set, index),
        content=series_slice.file.read_bytes() if ct.format == "dicom" else None,
    )
