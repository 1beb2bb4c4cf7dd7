"""What the page says of a series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.evaluation.series_pooling import SeriesPerformance
from spinefrac.imaging.collect import file_from_bytes
from spinefrac.imaging.geometry import SliceGeometry
from spinefrac.imaging.series_grouping import Series, SeriesSlice
from spinefrac.inference.batch import SeriesPrediction, SlicePrediction
from spinefrac.records import CtSlice
from spinefrac.ui.predict import series_card

GEOMETRY = SliceGeometry(
    position_mm=(0.0, 0.0, 5.0),
    row_cosines=(1.0, 0.0, 0.0),
    column_cosines=(0.0, 1.0, 0.0),
    spacing_mm=(0.5, 0.5),
    rows=64,
    columns=96,
)
SLICES = tuple(SeriesSlice(file_from_bytes(f"{n}", b"x"), GEOMETRY) for n in range(4))
SERIES = Series("Series <2>", "dicom", SLICES, (0.0, 2.5, 5.0, 7.5), 2.5)
CT = CtSlice(np.zeros((64, 96), np.float32), True, "dicom", spacing_mm=(0.5, 0.5))


def predict(score: float, peak_index: int = 1) -> SeriesPrediction:
    predictions = tuple(
        SlicePrediction(f"{n}", probability=p, threshold=0.5)
        for n, p in enumerate((0.1, 0.9, 0.8, float("nan")))
    )
    included = np.array([True, True, True, False])
    return SeriesPrediction("m", predictions, included, score, peak_index)


@pytest.fixture(scope="module")
def performance() -> SeriesPerformance:
    labels = np.tile([0, 1], 20)
    metrics = compute_metrics(labels, labels * 0.6 + 0.2, np.arange(40), threshold=0.5)
    return SeriesPerformance(threshold=0.7, metrics=metrics, median_slices=12.0)


def test_the_corner_has_number_position_and_spacing() -> None:
    text = series_card.format_slice_position(CT, SLICES[2], SERIES, 2)
    assert text.splitlines() == ["3 of 4", "5.0 mm", "0.50 mm per pixel"]
    alone = series_card.format_slice_position(
        replace(CT, spacing_mm=(0.5, 1.0)), SLICES[0], None, 0
    )
    assert alone.splitlines() == ["z 5.0 mm", "0.50 × 1.00 mm per pixel"]
    unknown = series_card.format_slice_position(replace(CT, spacing_mm=None), SLICES[0], None, 0)
    assert unknown.splitlines()[-1] == "pixel spacing unknown"


def test_the_heading_has_name_and_properties() -> None:
    shown = series_card.render_series_heading(SERIES)
    assert "Series &lt;2&gt;" in shown
    assert "4 slices · axial · 96 × 64 pixels · spacing 2.50 mm" in shown


def test_the_strip_has_no_value_where_there_is_no_prediction() -> None:
    data = series_card.build_strip_data(SERIES, predict(0.6), 0.5, 1)
    assert data["probabilities"] == [0.1, 0.9, 0.8, None]
    assert data["counted"] == [True, True, True, False]
    assert (data["first"], data["last"]) == ("1 · feet", "head · 4")


def test_the_score_is_compared_with_the_threshold(performance: SeriesPerformance) -> None:
    above = series_card.render_series_card(predict(0.7), performance)
    assert '<span class="label">Fracture</span>' in above and "1 slice is excluded" in above
    assert "Highest around slice 2" in above
    assert "Threshold 70" in above and "40 training patients" in above
    below = series_card.render_series_card(predict(0.69), performance)
    assert '<span class="label">No fracture</span>' in below


def test_more_slices_than_in_training_are_warned_of(performance: SeriesPerformance) -> None:
    assert "expect more false positives" not in series_card.render_series_card(
        predict(0.7), performance
    )
    few = replace(performance, median_slices=1.0)
    assert "expect more false positives" in series_card.render_series_card(predict(0.7), few)


def test_without_performance_or_prediction_no_class_is_named() -> None:
    unknown = series_card.render_series_card(predict(0.7), None)
    assert '<span class="label"></span>' in unknown and "not known" in unknown
    none = series_card.render_series_card(predict(float("nan"), peak_index=-1), None)
    assert "No slice has a prediction." in none and "probability" not in none
