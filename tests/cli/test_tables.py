"""Metrics as tables on a terminal."""

from __future__ import annotations

import numpy as np
import pytest

from spinefrac.cli import tables
from spinefrac.evaluation.compare import MetricDifference
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.wording import METRICS


def test_every_metric_is_a_row_with_its_interval() -> None:
    labels = np.tile([0, 1], 20)
    scores = np.where(labels == 1, 0.8, 0.3) + np.linspace(-0.2, 0.15, 40)
    measured = compute_metrics(labels, scores, np.arange(40) // 4, 0.5, n_resamples=50)
    text = tables.format_metrics_table(measured.to_dict())
    for key, words in METRICS.items():
        (row,) = [line for line in text.splitlines() if line.startswith(words.title)]
        assert f"{getattr(measured, key):.3f}" in row
    (tn, fp), (fn, tp) = measured.confusion_matrix
    assert f"{tp} true positives, {fn} false negatives (missed fractures)" in text
    assert f"{tn} true negatives, {fp} false positives (false alarms)" in text


def test_one_class_has_words_instead_of_numbers() -> None:
    measured = compute_metrics([0, 0], [0.1, 0.2], ["a", "b"], 0.5, n_resamples=0)
    text = tables.format_metrics_table(measured.to_dict())
    assert "not defined" in text and "None" not in text and "nan" not in text
    assert measured.notes and measured.notes[0] in text


@pytest.mark.parametrize(
    ("difference", "cells"),
    [
        (MetricDifference(None, None, None, None), ("not defined", "-", "-", "")),
        (MetricDifference(0.1, None, None, None), ("+0.100", "-", "-", "")),
        (
            MetricDifference(0.1, (0.05, 0.15), 0.0001, 0.0004),
            ("+0.100", "+0.050 to +0.150", "< 0.001", "significant"),
        ),
        (
            MetricDifference(-0.01, (-0.05, 0.03), 0.6, 0.7),
            ("-0.010", "-0.050 to +0.030", "0.700", "not significant"),
        ),
    ],
)
def test_a_difference_is_shown_with_its_sign_and_test(difference, cells) -> None:
    assert tables.format_difference(difference) == cells
