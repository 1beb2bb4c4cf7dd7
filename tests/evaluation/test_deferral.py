"""The band refers enough that what is left keeps the promise, and no more than needed."""

import numpy as np
import pytest

from spinefrac.errors import DatasetError
from spinefrac.evaluation import deferral
from spinefrac.evaluation.calibration import apply_temperature
from spinefrac.evaluation.deferral import choose_abstention_band, outside_band_mask
from spinefrac.evaluation.group_error_test import error_rate_p_values


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
    for seed in range(20):
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
    assert 0 < band.effective_sample_size <= band.n_groups


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
    with pytest.raises(DatasetError, match="Expected an acceptable error rate"):
        choose_abstention_band(
            [0, 1], [0.1, 0.9], [0, 1], 0.5, acceptable_error_rate=rate, confidence_level=confidence
        )


def random_predictions(
    seed, gain=(1.2, 4.0), rates=(0.02, 0.05, 0.1, 0.2), levels=(0.8, 0.9, 0.95)
):
    """Return predictions of 12 to 90 patients whose errors gather in some, and the settings."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(12, 90))
    groups = np.repeat(np.arange(count), rng.integers(1, 20, count))
    labels = (rng.random(len(groups)) < rng.uniform(0.1, 0.9, count)[groups]).astype(int)
    logits = rng.uniform(*gain) * (2 * labels - 1) + rng.normal(0, 1.0, count)[groups]
    logits = logits + rng.normal(0, 1.6, len(groups))
    threshold = round(float(rng.uniform(0.15, 0.85)), 2)
    settings = {
        "acceptable_error_rate": float(rng.choice(rates)),
        "confidence_level": float(rng.choice(levels)),
    }
    return (labels, apply_temperature(logits, 1.25), groups, threshold), settings


def lower_until_one_fails(labels, answers, groups, threshold, rate, level):
    """Return the last confidence threshold, from the first one down, whose test succeeds."""
    confidence = np.where(answers >= threshold, answers, 1 - answers)
    wrong = (answers >= threshold) != (labels == 1)
    codes = np.unique(groups, return_inverse=True)[1]
    candidates = deferral._candidate_thresholds(confidence, threshold, rate, level)
    accepted = [confidence >= candidate for candidate in candidates]
    errors = np.stack([np.bincount(codes, kept & wrong) for kept in accepted], axis=1)
    slices = np.stack([np.bincount(codes, kept) for kept in accepted], axis=1)
    found = None
    for candidate, p_value in zip(
        candidates, error_rate_p_values(errors, slices, rate), strict=True
    ):
        if p_value > 1 - level:
            break
        found = candidate
    return found


def test_the_public_procedure_of_mapie_lowers_the_threshold_until_a_test_fails():
    bands = []
    for seed in range(60):
        predictions, settings = random_predictions(seed)
        band = choose_abstention_band(*predictions, **settings)
        reference = lower_until_one_fails(*predictions, *settings.values())
        assert (band and band.confidence_threshold) == reference
        bands.append(band)
    assert 10 < bands.count(None) < 50
    kept = [band for band in bands if band]
    assert all(0 < band.effective_sample_size <= band.n_groups for band in kept)


def test_the_data_do_not_choose_the_order_of_the_test():
    """The error rate of this weak model falls with the threshold; reversed, a band would pass."""
    predictions, settings = random_predictions(
        94, (0.3, 1.2), (0.02, 0.05, 0.1, 0.2, 0.4), (0.6, 0.8, 0.9, 0.95)
    )
    assert choose_abstention_band(*predictions, **settings) is None


def wrong_patients(count, rate, seed, slices=12):
    """Confident predictions of patients of whom some are wrong on every slice."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), slices)
    wrong = np.repeat(rng.random(count) < rate, slices)
    labels = (rng.random(len(groups)) < 0.4).astype(int)
    answers = np.where((labels == 1) ^ wrong, 0.98, 0.02)
    return labels, answers, groups


@pytest.mark.parametrize("count", [10, 20, 40])
def test_few_patients_without_an_error_promise_nothing(count):
    """Slices counted as patients where no error is seen would give a band in 42, 20 and 5 %."""
    bands = [choose_abstention_band(*wrong_patients(count, 0.08, seed), 0.5) for seed in range(30)]
    assert sum(band is not None for band in bands) <= 3
    assert choose_abstention_band(*wrong_patients(count, 0.0, 0), 0.5) is None


def test_a_band_needs_as_many_patients_as_it_is_said():
    assert choose_abstention_band(*wrong_patients(44, 0.0, 0), 0.5) is None
    assert choose_abstention_band(*wrong_patients(45, 0.0, 0), 0.5) is not None
    assert deferral.count_groups_for_band(*wrong_patients(12, 0.0, 0), 0.5) == 45
    some_wrong = patients(30, 12, seed=7)
    needed = deferral.count_groups_for_band(*some_wrong, 0.5)
    assert choose_abstention_band(*some_wrong, 0.5) is None and 45 < needed < 300
    copies = -(-needed // 30)
    more = [np.tile(values, copies) for values in some_wrong[:2]]
    groups = np.concatenate([some_wrong[2] + 30 * copy for copy in range(copies)])
    assert choose_abstention_band(*more, groups, 0.5) is not None
    assert deferral.count_groups_for_band(*wrong_patients(40, 0.2, 1), 0.5) is None


def test_the_guarantee_says_how_many_patients_are_needed():
    few = deferral.describe_guarantee(None, 12, 60)
    assert "12 patients are too few" in few and "about 60 patients" in few and "45 even" in few
    wrong = deferral.describe_guarantee(None, 80, None, 0.02)
    assert "Too many out-of-fold predictions" in wrong and "at most 2 %" in wrong
    assert all("every slice needs review" in text for text in (few, wrong))
    band = choose_abstention_band(*patients(80, 10, seed=1), 0.5)
    said = deferral.describe_guarantee(band, 80, None)
    assert "at most 5 % of the predictions outside" in said
    assert "unusual" in said and "needs review whatever its probability" in said
