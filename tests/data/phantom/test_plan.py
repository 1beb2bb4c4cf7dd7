"""Labels of a phantom: balanced, and independent of the position."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinefrac.data.phantom import plan


@given(patients=st.integers(2, 200), slices=st.integers(2, 40), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_fractured_patients_have_slices_of_both_classes(patients, slices, seed):
    table = plan.sample_labels(patients, slices, seed)
    fractured = table.any(axis=1)
    assert 0 < fractured.sum() < patients
    assert (table[fractured].sum(axis=1) < slices).all()


@pytest.mark.parametrize("seed", [0, 7, 123])
def test_classes_and_patients_are_about_balanced(seed):
    table = plan.sample_labels(60, 12, seed)
    assert 0.4 <= table.mean() <= 0.6
    assert 0.45 <= table.any(axis=1).mean() <= 0.6


def test_position_in_the_series_says_nothing():
    table = np.vstack([plan.sample_labels(400, 12, seed) for seed in range(5)])
    share = table.mean(axis=0)
    assert share.max() - share.min() < 0.06  # 2,000 patients: three standard errors
