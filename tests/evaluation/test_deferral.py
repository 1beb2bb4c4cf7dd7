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
    with pytest.raises(DatasetError, match="Expected an acceptable error rate"):
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


#: Confidence threshold and effective sample size for the seeds 0 to 59 of `random_predictions`,
#: from a fixed-sequence procedure of our own that MAPIE's public one replaced; None: no band.
FROZEN_BANDS = (
    (0.45, 800),
    (0.53, 292),
    (0.58, 524),
    (0.41, 427),
    None,
    (0.31, 331),
    (0.74, 300),
    (0.81, 421),
    None,
    (0.36, 319),
    None,
    (0.38, 183),
    (0.37, 249),
    (0.71, 655),
    (0.32, 241),
    (0.28, 408),
    (0.63, 493),
    (0.52, 184),
    (0.57, 859),
    (0.34, 223),
    (0.6, 409),
    (0.47, 167),
    (0.43, 581),
    None,
    None,
    (0.42, 275),
    (0.76, 680),
    None,
    (0.35, 437),
    None,
    None,
    (0.6, 494),
    (0.62, 433),
    (0.5, 442),
    None,
    (0.53, 161),
    (0.48, 142),
    (0.78, 208),
    (0.3, 190),
    (0.89, 117),
    (0.82, 412),
    (0.17, 450),
    None,
    (0.34, 515),
    (0.26, 275),
    (0.81, 458),
    (0.3, 260),
    (0.56, 163),
    None,
    None,
    None,
    (0.41, 260),
    None,
    (0.61, 603),
    (0.61, 322),
    (0.78, 384),
    (0.53, 341),
    None,
    (0.4, 362),
    (0.69, 623),
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


def test_the_public_procedure_gives_the_bands_of_the_former_one():
    found = []
    for seed in range(len(FROZEN_BANDS)):
        predictions, settings = random_predictions(seed)
        band = choose_abstention_band(*predictions, **settings)
        found.append(band and (band.confidence_threshold, band.effective_sample_size))
    assert tuple(found) == FROZEN_BANDS
    assert 10 < found.count(None) < 30


def test_the_data_do_not_choose_the_order_of_the_test():
    """The error rate of this weak model falls with the threshold; reversed, a band would pass."""
    predictions, settings = random_predictions(
        94, (0.3, 1.2), (0.02, 0.05, 0.1, 0.2, 0.4), (0.6, 0.8, 0.9, 0.95)
    )
    assert choose_abstention_band(*predictions, **settings) is None
