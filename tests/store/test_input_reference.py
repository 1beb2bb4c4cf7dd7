"""The reference of the input check: its file, and what it measures."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.imaging.noise import NoiseMeasure
from spinefrac.store import input_reference
from spinefrac.store.input_reference import FittedReference, InputReference
from spinefrac.system import reading
from tests.support.reference import make_reference, sample_features


@pytest.fixture(scope="module")
def fitted() -> FittedReference:
    return make_reference()


QUIET = NoiseMeasure(level=0.0, grain=0.0)


def test_it_survives_its_file_and_the_card(fitted) -> None:
    plain = msgspec.json.decode(msgspec.json.encode(fitted.summary))
    summary = reading.convert(plain, InputReference)
    again = FittedReference.from_bytes(summary, fitted.to_bytes())
    features = sample_features(1, seed=9)[0]
    assert again.measure(features, QUIET).score == pytest.approx(
        fitted.measure(features, QUIET).score, abs=1e-3
    )
    assert again.find_nearest(features) == fitted.find_nearest(features)


@pytest.mark.parametrize("damage", [lambda b: b[:-4], lambda b: b + b"1234", lambda b: b[:-1]])
def test_a_file_of_another_length_is_refused(fitted, damage) -> None:
    with pytest.raises(ModelError, match="restore the model"):
        FittedReference.from_bytes(fitted.summary, damage(fitted.to_bytes()))


def test_numbers_that_are_not_finite_are_refused(fitted) -> None:
    content = np.full(len(fitted.to_bytes()) // 4, np.nan, "<f4").tobytes()
    with pytest.raises(ModelError, match="finite"):
        FittedReference.from_bytes(fitted.summary, content)


def test_a_card_that_claims_other_depths_is_refused(fitted) -> None:
    with pytest.raises(ValueError, match="each depth"):
        replace(fitted.summary, log_means=(0.0,))


def test_the_score_rises_with_distance_and_with_noise_only_upwards(fitted) -> None:
    features = sample_features(1, seed=9)[0]
    near = fitted.measure(features, QUIET)
    far = fitted.measure(features + 9, QUIET)
    assert far.score > fitted.summary.unlike_limit > near.score
    level, spread = fitted.summary.noise
    loud = fitted.measure(features, NoiseMeasure(level + 9 * spread, 0.0))
    assert loud.noise == pytest.approx(9) and loud.score == loud.noise
    silent = fitted.measure(features, NoiseMeasure(level - 9 * spread, 0.0))
    assert silent.noise == pytest.approx(-9) and silent.score == near.score


def test_the_nearest_are_of_different_patients_and_in_order(fitted) -> None:
    features = sample_features(400, seed=0)  # those that it was fitted on
    nearest = fitted.find_nearest(features[8])
    assert nearest[0].distance == pytest.approx(0, abs=1e-6) and nearest[0].patient == 3
    assert len({one.patient for one in nearest}) == 3
    assert [one.distance for one in nearest] == sorted(one.distance for one in nearest)


def test_the_percentile_is_that_of_held_out_slices(fitted) -> None:
    quantiles = fitted.summary.quantiles
    assert fitted.summary.percentile(quantiles[100]) == pytest.approx(50, abs=1)
    assert fitted.summary.percentile(quantiles[-1] + 1) == 100
    assert len(input_reference.QUANTILE_PERCENTS) == len(quantiles)
