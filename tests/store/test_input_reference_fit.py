"""Fitting the reference: held-out patients decide what is unusual."""

from dataclasses import replace

import numpy as np
import pytest

from spinefrac.imaging.noise import measure_noise
from spinefrac.store.input_reference_fit import MAX_SLICES, fit_reference, select_rows
from tests.support.reference import make_training, sample_features, sample_inputs


def score(fitted, features, inputs) -> np.ndarray:
    measured = map(measure_noise, inputs)
    return np.array([fitted.measure(*pair).score for pair in zip(features, measured, strict=True)])


@pytest.mark.parametrize("is_shared", [True, False])
def test_new_slices_are_rarely_unusual_and_others_are(is_shared) -> None:
    fitted = fit_reference(make_training(600, is_shared=is_shared))
    limit = fitted.summary.unusual_limit
    new = score(fitted, sample_features(800, seed=5), sample_inputs(800, seed=5))
    assert (new > limit).mean() < 0.06
    assert (new > fitted.summary.unlike_limit).mean() < 0.01
    other = score(fitted, sample_features(100, seed=6, shift=2.0), sample_inputs(100, seed=6))
    assert (other > limit).mean() > 0.9
    noisy = score(fitted, sample_features(100, seed=7), sample_inputs(100, seed=7, noise=20))
    assert (noisy > fitted.summary.unlike_limit).all()


def test_the_false_alarm_rate_is_stated_with_an_interval_over_patients() -> None:
    summary = fit_reference(make_training()).summary
    assert 0 <= summary.false_alarm_rate < 0.06
    low, high = summary.false_alarm_ci
    assert low <= summary.false_alarm_rate <= high and high - low > 0.005


def test_without_shared_features_the_network_has_not_seen_what_it_is_judged_by() -> None:
    training = make_training(is_shared=False)
    parts = training.assign_parts()
    assert set(parts) == {-1, 0} and ((parts == 0) == (training.folds == 0)).all()
    summary = fit_reference(training).summary
    assert (summary.images, summary.groups) == (320, 80)


def test_no_patient_is_on_both_sides() -> None:
    training = make_training()
    parts = training.assign_parts()
    for group in np.unique(training.groups):
        assert len(set(parts[training.groups == group])) == 1


@pytest.mark.parametrize("count", [8, 41])
def test_few_or_equal_slices_give_finite_limits(count) -> None:
    training = make_training(count)
    same = replace(training, features=np.ones_like(training.features))
    for one in (training, same):
        summary = fit_reference(one).summary
        assert np.isfinite([summary.unusual_limit, summary.unlike_limit, *summary.noise]).all()


def test_rows_are_spread_over_all_slices() -> None:
    assert select_rows(7).tolist() == list(range(7))
    many = select_rows(10 * MAX_SLICES)
    assert len(many) == MAX_SLICES and many[0] == 0 and many[-1] == 10 * MAX_SLICES - 1
