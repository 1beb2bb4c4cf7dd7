"""Metrics as figures: right numbers, readable on light and dark, told apart by everyone."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from spinefrac.evaluation import curves
from spinefrac.evaluation.calibration import apply_temperature
from spinefrac.evaluation.compare import MetricDifference
from spinefrac.evaluation.ranking import roc_auc
from spinefrac.records import EpochRecord
from spinefrac.viz import metrics as figures


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 4000)
    scores = 1 / (1 + np.exp(-(2.0 * labels - 1 + rng.normal(0, 1, 4000))))
    return labels, scores, np.arange(4000) // 10


def test_no_two_models_share_colour_or_dash() -> None:
    styles = [figures.model_style(index) for index in range(6)]
    assert len({colour for colour, _ in styles}) == len({dash for _, dash in styles}) == 6


def test_roc_is_thinned_and_keeps_its_area(answers) -> None:
    labels, scores, _ = answers
    curve = curves.roc_curve(labels, scores)
    figure = figures.plot_roc_curve({"a": curve}, operating_point=(0.2, 0.8))
    drawn = next(trace for trace in figure.data if trace.name == "a")
    assert len(drawn.x) < len(curve.thresholds) / 2
    assert np.trapezoid(drawn.y, drawn.x) == pytest.approx(roc_auc(labels, scores), abs=2e-3)
    point = next(trace for trace in figure.data if trace.name == "threshold")
    assert (point.x[0], point.y[0]) == (0.2, 0.8)


def test_calibration_shows_every_bin_with_its_interval(answers) -> None:
    bins = curves.calibration_curve(*answers, n_resamples=100)
    trace = figures.plot_calibration_curve({"a": bins}).data[-1]
    assert list(trace.x) == [entry.mean_predicted_probability for entry in bins]
    for entry, up, down in zip(bins, trace.error_y.array, trace.error_y.arrayminus, strict=True):
        assert (
            entry.fraction_of_positives - down,
            entry.fraction_of_positives + up,
        ) == pytest.approx(entry.interval)


def test_decision_curve_stays_within_view(answers) -> None:
    curve = curves.decision_curve(*answers, n_resamples=50)
    figure = figures.plot_decision_curve({"a": curve})
    low, high = figure.layout.yaxis.range
    assert low < 0 < curve.net_benefit.max() < high
    assert {trace.name for trace in figure.data} == {
        "95 % CI",
        "treat all",
        "treat none",
        "a",
    }


def test_training_is_mean_and_range_of_the_folds() -> None:
    history = [
        EpochRecord(fold, epoch, loss, 2 * loss, 0.5, 1e-3, 1.0)
        for fold, start in enumerate((1.0, 3.0))
        for epoch, loss in ((1, start), (2, start / 2))
    ]
    history.append(EpochRecord(0, 3, float("nan"), 1.0, 0.6, 1e-3, 1.0))
    loss, auc = figures.plot_training_history(history)
    trained = next(trace for trace in loss.data if trace.name == "training")
    assert list(trained.x) == [1, 2] and list(trained.y) == [2.0, 1.0]
    assert list(loss.data[0].y) == [3.0, 1.5, 0.5, 1.0]  # highest, then lowest backwards
    assert list(auc.data[-1].x) == [1, 2, 3]


def test_forest_separates_what_may_be_chance() -> None:
    figure = figures.plot_forest(
        {
            "AUC": MetricDifference(0.1, (0.05, 0.15), 0.01, 0.02),
            "F1": MetricDifference(0.02, (-0.05, 0.09), 0.5, 0.5),
            "Brier": MetricDifference(-0.1, (-0.2, -0.05), 0.01, 0.02),
            "Precision": MetricDifference(None, None, None, None),
        },
        "new",
        "old",
    )
    shown = {trace.name: list(trace.y) for trace in figure.data}
    assert shown == {"interval excludes zero": ["AUC", "Brier"], "interval includes zero": ["F1"]}
    assert "higher for new →" in figure.layout.xaxis.title.text


def test_csv_holds_the_numbers_of_a_figure(answers) -> None:
    labels, scores, _ = answers
    rows = list(
        csv.reader(
            io.StringIO(
                figures.to_csv(figures.plot_roc_curve({"a": curves.roc_curve(labels, scores)}))
            )
        )
    )
    assert rows[0] == ["curve", "1 − specificity (false positive rate)", "sensitivity (recall)"]
    drawn = [row for row in rows if row[0] == "a"]
    assert drawn[0][1:] == ["0.0", "0.0"] and drawn[-1][1:] == ["1.0", "1.0"]
    matrix = figures.plot_disagreement_matrix(["a", "b"], np.array([[0.0, 0.25], [0.25, 0.0]]))
    assert figures.to_csv(matrix) == ",a,b\na,0.0,0.25\nb,0.25,0.0\n"


def test_out_of_fold_counts_every_slice_once() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    figure = figures.plot_score_histogram(labels, np.array([0.0, 0.2, 0.7, 0.9, 1.0]), 0.5)
    assert [len(trace.x) for trace in figure.data] == [3, 2]
    assert [trace.name for trace in figure.data] == ["no fracture", "fracture"]


def test_a_curve_of_many_points_is_drawn_with_few() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 20_000)
    scores = apply_temperature(labels + rng.normal(0, 1, 20_000), 1.0)
    curve = curves.roc_curve(labels, scores)
    keep = figures.thin_curve(curve.false_positive_rate, curve.true_positive_rate)
    assert len(keep) < 2000 and keep[0] == 0 and keep[-1] == len(curve.thresholds) - 1
