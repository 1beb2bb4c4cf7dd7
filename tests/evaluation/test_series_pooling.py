"""The score of a series, against the definition written out, and its record per patient."""

from __future__ import annotations

import numpy as np
import pytest

from spinefrac.evaluation import series_pooling
from spinefrac.records import OutOfFoldPredictions


def test_the_score_is_the_highest_mean_of_neighbours() -> None:
    rng = np.random.default_rng(0)
    for count in (3, 4, 17, 300):
        values = rng.random(count)
        means = [values[i : i + 3].mean() for i in range(count - 2)]
        score, middle = series_pooling.pool_series(values)
        assert score == pytest.approx(max(means))
        assert middle == int(np.argmax(means)) + 1


def test_one_high_slice_alone_does_not_make_a_series_high() -> None:
    alone, run = np.full(50, 0.1), np.full(50, 0.1)
    alone[20] = 1.0
    run[20:23] = 0.7
    assert series_pooling.pool_series(alone)[0] == pytest.approx(0.4)
    assert series_pooling.pool_series(run) == (pytest.approx(0.7), 21)


def test_slices_without_an_answer_are_stepped_over() -> None:
    score, middle = series_pooling.pool_series([0.9, np.nan, 0.9, np.nan, 0.9, 0.0])
    assert score == pytest.approx(0.9) and middle == 2
    assert series_pooling.pool_series([0.4]) == (0.4, 0)
    assert series_pooling.pool_series([0.2, 0.6])[0] == pytest.approx(0.4)
    nothing, where = series_pooling.pool_series([np.nan, np.nan])
    assert np.isnan(nothing) and where == -1


def made(patients: int, slices: int, *, fractured: int) -> OutOfFoldPredictions:
    """Patients whose fracture lies in slices 1 to 3; the folder is by class, not by patient."""
    rows = [(p, s) for p in range(patients) for s in range(slices)]
    labels = np.array([int(p < fractured and 1 <= s <= 3) for p, s in rows])
    paths = [
        f"{'fracture' if label else 'normal'}/P{p:03}_{s:02}.png"
        for (p, s), label in zip(rows, labels, strict=True)
    ]
    return OutOfFoldPredictions(
        paths=tuple(paths),
        groups=np.array([f"P{p:03}" for p, _ in rows]),
        labels=labels,
        folds=np.zeros(len(rows), np.int64),
        logits=np.zeros(len(rows)),
        probabilities=np.where(labels == 1, 0.9, 0.2),
    )


def test_the_record_takes_a_patients_slices_in_order_across_class_folders() -> None:
    record = series_pooling.evaluate_series_score(made(40, 8, fractured=20), n_resamples=50)
    assert record is not None
    assert record.metrics.n == 40 and record.median_slices == 8
    assert record.metrics.recall == 1.0 and record.metrics.specificity == 1.0
    # Out of order, three neighbours would never all be fractured slices.
    assert 0.2 < record.threshold < 0.9


@pytest.mark.parametrize(("patients", "slices", "fractured"), [(15, 8, 9), (40, 2, 20), (40, 8, 0)])
def test_nothing_is_said_where_nothing_is_known(patients: int, slices: int, fractured: int) -> None:
    assert series_pooling.evaluate_series_score(made(patients, slices, fractured=fractured)) is None
