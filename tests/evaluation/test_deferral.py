"""The band refers enough that what is left keeps the promise, and no more than needed."""

import numpy as np
import pytest

from spinefrac.errors import DatasetError
from spinefrac.evaluation import deferral
from spinefrac.evaluation.calibration import apply_temperature
from spinefrac.evaluation.deferral import (
    choose_abstention_band,
    design_effect,
    effective_sample_size,
    outside_band_mask,
)


def patients(count, slices, seed, spread=0.5):
    """Calibrated answers whose errors gather in some of the patients."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), slices)
    labels = (rng.random(len(groups)) < rng.uniform(0.1, 0.9, count)[groups]).astype(int)
    logits = 2.6 * (2 * labels - 1) + 2 * rng.normal(0, spread, count)[groups]
    logits = logits + rng.normal(0, 1.6, len(groups))
    return labels, apply_temperature(logits, 0.75 + 0.5 * spread), groups


def error_outside(band, labels, answers):
    outside = outside_band_mask(answers, band.threshold, band.confidence_threshold)
    return np.mean(((answers >= band.threshold) != labels)[outside])


def test_the_promise_is_kept_on_new_patients_as_often_as_it_says():
    labels, answers, _ = patients(8_000, 10, seed=999)
    broken = []
    for seed in range(60):
        mine = patients(80, 10, seed)
        band = choose_abstention_band(*mine[:2], mine[2], 0.5)
        broken.append(
            band is not None and error_outside(band, labels, answers) > band.acceptable_error_rate
        )
    # 10 % are allowed; more than 12 of 60 would be seen once in a hundred such tests.
    assert np.sum(broken) <= 12
    assert band.abstention_rate.value < 0.4


def test_slices_counted_as_independent_would_break_it():
    """The same with every slice taken as a patient of its own promises more than it keeps."""
    labels, answers, _ = patients(4_000, 20, seed=999, spread=1.1)
    naive, grouped = [], []
    for seed in range(30):
        of, said, groups = patients(30, 20, seed, spread=1.1)
        for kept, by in ((naive, np.arange(len(of))), (grouped, groups)):
            band = choose_abstention_band(of, said, by, 0.5, acceptable_error_rate=0.1)
            kept.append(
                band is not None
                and error_outside(band, labels, answers) > band.acceptable_error_rate
            )
    assert np.mean(naive) > np.mean(grouped) + 0.1 and np.mean(grouped) <= 0.2


def test_a_band_holds_the_doubtful_probabilities_and_nothing_else():
    band = choose_abstention_band(*patients(80, 10, seed=1), 0.5)
    assert band is not None and 0.5 < band.confidence_threshold < 0.96
    assert (
        band.low == pytest.approx(1 - band.confidence_threshold)
        and band.high == band.confidence_threshold
    )
    for probability in (0.0, band.low, band.high, 1.0):
        assert not band.needs_review(probability)
    for probability in (band.low + 1e-6, 0.5, band.high - 1e-6):
        assert band.needs_review(probability)
    assert 0 < band.error_rate.value <= band.acceptable_error_rate
    low, high = band.error_rate.interval
    assert low < band.error_rate.value < high
    assert 0 < band.effective_sample_size < band.n_slices


def test_a_threshold_off_the_middle_still_answers_on_both_sides():
    labels, answers, groups = patients(80, 10, seed=2)
    band = choose_abstention_band(labels, answers, groups, 0.2)
    assert band.low <= 0.2 <= band.high
    assert (
        not band.needs_review(band.low / 2)
        and band.needs_review(0.3)
        and not band.needs_review(0.999)
    )


def test_answers_that_are_all_right_leave_no_band():
    labels = np.tile([0, 1], 300)
    band = choose_abstention_band(
        labels, np.where(labels == 1, 0.9, 0.1), np.repeat(np.arange(60), 10), 0.5
    )
    assert band.error_rate.value == 0.0 and band.abstention_rate.value == 0.0
    assert not band.needs_review(0.9)


def test_nothing_is_promised_from_too_little_or_from_guesses():
    assert choose_abstention_band(*patients(9, 200, seed=3), 0.5) is None
    assert choose_abstention_band(*patients(12, 2, seed=3), 0.5) is None
    rng = np.random.default_rng(0)
    guesses = (rng.integers(0, 2, 900), rng.random(900), np.repeat(np.arange(90), 10))
    assert choose_abstention_band(*guesses, 0.5) is None


def test_a_smaller_rate_refers_more():
    mine = patients(300, 12, seed=4)
    bands = [
        choose_abstention_band(*mine, 0.5, acceptable_error_rate=rate)
        for rate in (0.02, 0.05, 0.08)
    ]
    shares = [band.abstention_rate.value for band in bands]
    assert shares == sorted(shares, reverse=True) and shares[0] > shares[-1]


@pytest.mark.parametrize("rate, confidence", [(0.0, 0.9), (0.5, 0.9), (0.05, 0.4), (0.05, 1.0)])
def test_shares_out_of_range_are_refused(rate, confidence):
    with pytest.raises(DatasetError, match="Expected a rate"):
        choose_abstention_band(
            [0, 1], [0.1, 0.9], [0, 1], 0.5, acceptable_error_rate=rate, confidence_level=confidence
        )


def test_the_design_effect_of_copies_is_their_number():
    wrong = np.repeat(np.random.default_rng(0).random(400) < 0.2, 5)
    codes = np.repeat(np.arange(400), 5)
    assert design_effect(wrong, codes) == pytest.approx(5, rel=0.02)
    assert effective_sample_size(wrong, codes) == pytest.approx(400, rel=0.02)
    assert design_effect(wrong, np.arange(2000)) == pytest.approx(1, rel=0.01)
    assert design_effect(np.zeros(10, bool), np.zeros(10, int)) == 1.0
    assert deferral.effective_sample_size(np.zeros(0, bool), np.zeros(0, int)) == 0
