"""The report to take home: on the slice that is looked at, or on the whole series."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages import _predict_work, _slice_report
from pages._predict_input import Subject
from spinefrac.evaluation import series_score
from spinefrac.evaluation.series_score import SeriesRecord
from spinefrac.report.slices import Reported, SeriesSummary
from spinefrac.serving.many import SeriesAnswer
from spinefrac.store.saved import SavedModel

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
            _slice_report.offer(saved, [_reported(saved, subject, index)])
            return
        answers, record = whole.answers, whole.record
        summary = SeriesSummary(
            probabilities=answers.probabilities,
            score=answers.score,
            how_made=series_score.HOW_MADE,
            threshold=record.threshold if record else None,
        )
        parts = [_reported(saved, subject, slice_) for slice_ in answers.most_suspicious()]
        _slice_report.offer(saved, parts, summary)


def _reported(saved: SavedModel, subject: Subject, index: int) -> Reported:
    part = subject.slices[index]
    ct = _predict_work.read(subject.key, index, part)
    return Reported(
        name=f"Slice {index + 1}" if subject.series else "Slice",
        ct=ct,
        prediction=_predict_work.answer(subject.key, index, saved.id, saved.card_hash, part),
        content=part.file.content() if ct.format == "dicom" else None,
    )
