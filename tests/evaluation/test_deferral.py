"""The band refers enough that what is left keeps the promise, and no more than needed."""

import numpy as np
import pytest

from spinefrac.errors import DatasetError
from spinefrac.evaluation import deferral
from spinefrac.evaluation.calibration import probabilities
from spinefrac.evaluation.deferral import answered, choose, design_effect, worth


def patients(count, slices, seed, spread=0.5):
    """Calibrated answers whose errors gather in some of the patients."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), slices)
    labels = (rng.random(len(groups)) < rng.uniform(0.1, 0.9, count)[groups]).astype(int)
    logits = 2.6 * (2 * labels - 1) + 2 * rng.normal(0, spread, count)[groups]
    logits = logits + rng.normal(0, 1.6, len(groups))
    return labels, probabilities(logits, 0.75 + 0.5 * spread), groups


def error_outside(band, labels, answers):
    outside = answered(answers, band.threshold, band.bar)
    return np.mean(((answers >= band.threshold) != labels)[outside])


def test_the_promise_is_kept_on_new_patients_as_often_as_it_says():
    labels, answers, _ = patients(8_000, 10, seed=999)
    broken = []
    for seed in range(60):
        mine = patients(80, 10, seed)
        band = choose(*mine[:2], mine[2], 0.5)
        broken.append(band is not None and error_outside(band, labels, answers) > band.rate)
    # 10 % are allowed; more than 12 of 60 would be seen once in a hundred such tests.
    assert np.sum(broken) <= 12
    assert band.referred.value < 0.4


def test_slices_counted_as_independent_would_break_it():
    """The same with every slice taken as a patient of its own promises more than it keeps."""
    labels, answers, _ = patients(4_000, 20, seed=999, spread=1.1)
    naive, grouped = [], []
    for seed in range(30):
        of, said, groups = patients(30, 20, seed, spread=1.1)
        for kept, by in ((naive, np.arange(len(of))), (grouped, groups)):
            band = choose(of, said, by, 0.5, rate=0.1)
            kept.append(band is not None and error_outside(band, labels, answers) > band.rate)
    assert np.mean(naive) > np.mean(grouped) + 0.1 and np.mean(grouped) <= 0.2


def test_a_band_holds_the_doubtful_probabilities_and_nothing_else():
    band = choose(*patients(80, 10, seed=1), 0.5)
    assert band is not None and 0.5 < band.bar < 0.96
    assert band.low == pytest.approx(1 - band.bar) and band.high == band.bar
    for probability in (0.0, band.low, band.high, 1.0):
        assert not band.refers(probability)
    for probability in (band.low + 1e-6, 0.5, band.high - 1e-6):
        assert band.refers(probability)
    assert 0 < band.error.value <= band.rate
    low, high = band.error.interval
    assert low < band.error.value < high
    assert 0 < band.worth < band.slices


def test_a_threshold_off_the_middle_still_answers_on_both_sides():
    labels, answers, groups = patients(80, 10, seed=2)
    band = choose(labels, answers, groups, 0.2)
    assert band.low <= 0.2 <= band.high
    assert not band.refers(band.low / 2) and band.refers(0.3) and not band.refers(0.999)


def test_answers_that_are_all_right_leave_no_band():
    labels = np.tile([0, 1], 300)
    band = choose(labels, np.where(labels == 1, 0.9, 0.1), np.repeat(np.arange(60), 10), 0.5)
    assert band.error.value == 0.0 and band.referred.value == 0.0
    assert not band.refers(0.9)


def test_nothing_is_promised_from_too_little_or_from_guesses():
    assert choose(*patients(9, 200, seed=3), 0.5) is None
    assert choose(*patients(12, 2, seed=3), 0.5) is None
    rng = np.random.default_rng(0)
    guesses = (rng.integers(0, 2, 900), rng.random(900), np.repeat(np.arange(90), 10))
    assert choose(*guesses, 0.5) is None


def test_a_smaller_rate_refers_more():
    mine = patients(300, 12, seed=4)
    bands = [choose(*mine, 0.5, rate=rate) for rate in (0.02, 0.05, 0.08)]
    shares = [band.referred.value for band in bands]
    assert shares == sorted(shares, reverse=True) and shares[0] > shares[-1]


@pytest.mark.parametrize("rate, confidence", [(0.0, 0.9), (0.5, 0.9), (0.05, 0.4), (0.05, 1.0)])
def test_shares_out_of_range_are_refused(rate, confidence):
    with pytest.raises(DatasetError, match="Expected a rate"):
        choose([0, 1], [0.1, 0.9], [0, 1], 0.5, rate=rate, confidence=confidence)


def test_the_design_effect_of_copies_is_their_number():
    wrong = np.repeat(np.random.default_rng(0).random(400) < 0.2, 5)
    codes = np.repeat(np.arange(400), 5)
    assert design_effect(wrong, codes) == pytest.approx(5, rel=0.02)
    assert worth(wrong, codes) == pytest.approx(400, rel=0.02)
    assert design_effect(wrong, np.arange(2000)) == pytest.approx(1, rel=0.01)
    assert design_effect(np.zeros(10, bool), np.zeros(10, int)) == 1.0
    assert deferral.worth(np.zeros(0, bool), np.zeros(0, int)) == 0
