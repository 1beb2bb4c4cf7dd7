"""The report to take home: on the slice that is looked at, or on the whole series."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from spinefrac.evaluation import series_pooling
from spinefrac.evaluation.series_pooling import SeriesRecord
from spinefrac.inference.batch import SeriesAnswer
from spinefrac.report.prediction_report import Reported, SeriesSummary
from spinefrac.store.repository import SavedModel
from spinefrac.ui.predict import inference_job, prediction_report
from spinefrac.ui.predict.upload import Subject

_SLICE, _SERIES = "This slice", "The series with its most suspicious slices"


@dataclass(frozen=True)
class Whole:
    """What is known of a whole series: the answers, and how often such a score is right."""

    answers: SeriesAnswer
    record: SeriesRecord | None


def show(saved: SavedModel, subject: Subject, index: int, whole: Whole | None) -> None:
    """Offer the report; pictures of other slices are made only where the series is chosen."""
    with st.expander("Report", icon=":material/description:"):
        about = _SLICE
        if whole is not None and whole.answers.peak >= 0:
            about = st.segmented_control("On", [_SLICE, _SERIES], default=_SLICE, key="report-on")
        if whole is None or about != _SERIES:
            prediction_report.offer(saved, [_reported(saved, subject, index)])
            return
        answers, record = whole.answers, whole.record
        summary = SeriesSummary(
            probabilities=answers.probabilities,
            score=answers.score,
            how_made=series_pooling.HOW_MADE,
            threshold=record.threshold if record else None,
        )
        parts = [_reported(saved, subject, slice_) for slice_ in answers.most_suspicious()]
        prediction_report.offer(saved, parts, summary)


def _reported(saved: SavedModel, subject: Subject, index: int) -> Reported:
    part = subject.slices[index]
    ct = inference_job.read(subject.key, index, part)
    return Reported(
        name=f"Slice {index + 1}" if subject.series else "Slice",
        ct=ct,
        prediction=inference_job.answer(subject.key, index, saved.id, saved.card_hash, part),
        content=part.file.content() if ct.format == "dicom" else None,
    )
