"""Pooling slices into patients."""

import numpy as np
import pytest

from spinefrac.errors import DatasetError
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.evaluation.patients import pool_by_patient

LABELS = [0, 1, 0, 0, 1]
SCORES = [0.2, 0.6, 0.9, 0.4, 0.5]
PATIENTS = ["b", "b", "a", "a", "c"]


def test_any_fractured_slice_makes_a_fractured_patient():
    highest = pool_by_patient(LABELS, SCORES, PATIENTS, "max")
    assert highest.group_names.tolist() == ["a", "b", "c"]
    assert highest.y_true.tolist() == [0, 1, 1]
    assert highest.n_slices.tolist() == [2, 2, 1]
    assert highest.y_score.tolist() == [0.9, 0.6, 0.5]
    mean = pool_by_patient(LABELS, SCORES, PATIENTS, "mean")
    assert mean.y_score == pytest.approx([0.65, 0.4, 0.5])


def test_patients_can_be_summarized():
    pooled = pool_by_patient(LABELS, SCORES, PATIENTS)
    found = compute_metrics(pooled.y_true, pooled.y_score, pooled.group_names, 0.55)
    assert (found.n, found.groups, found.auc) == (3, 3, 0.0)


def test_a_mean_of_ones_stays_a_probability():
    pooled = pool_by_patient(np.ones(7, int), np.full(7, 1.0), ["p"] * 7, "mean")
    assert pooled.y_score.tolist() == [1.0]


def test_another_pooling_is_refused():
    with pytest.raises(DatasetError, match="max or mean"):
        pool_by_patient(LABELS, SCORES, PATIENTS, "median")
