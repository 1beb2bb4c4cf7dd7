"""Temperature scaling: the optimum, its limits, and honest cross-fitting."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit

from spinefrac.errors import DatasetError
from spinefrac.evaluation import calibration, metrics
from spinefrac.evaluation.metric_kernels import log_loss_per_slice


def overconfident(n, temperature, seed=0):
    """Logits that are `temperature` times too large, and labels drawn from the right ones."""
    generator = np.random.default_rng(seed)
    right = generator.normal(0, 1.5, n)
    return temperature * right, (generator.random(n) < expit(right)).astype(int)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0.01, 100))
@settings(deadline=None)
def test_probabilities_are_the_sigmoid(logits, temperature):
    found = calibration.apply_temperature(logits, temperature)
    assert found == pytest.approx(expit(np.array(logits) / temperature), rel=1e-12, abs=1e-300)
    assert found.dtype == np.float64


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_is_found_again(temperature):
    logits, labels = overconfident(40_000, temperature)
    assert calibration.fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.03)


def test_the_temperature_is_the_likeliest():
    logits, labels = overconfident(500, 2.0, seed=1)
    found = calibration.fit_temperature(logits, labels)

    def loss(t):
        positives, negatives = labels.sum(), (1 - labels).sum()
        target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        p = expit(logits / t)
        return -np.sum(target * np.log(p) + (1 - target) * np.log1p(-p))

    best = minimize_scalar(loss, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-9}).x
    assert found == pytest.approx(best, rel=1e-6)


def test_scaling_lowers_the_loss_and_keeps_the_ranking():
    logits, labels = overconfident(2000, 4.0)
    temperature = calibration.fit_temperature(logits, labels)
    before, after = (
        calibration.apply_temperature(logits, t).astype(float) for t in (1.0, temperature)
    )
    assert log_loss_per_slice(labels, after).mean() < log_loss_per_slice(labels, before).mean()
    assert np.array_equal(np.argsort(before), np.argsort(after))


@pytest.mark.parametrize(("logits", "labels"), [
    ([-5.0, -4.0, 4.0, 5.0], [0, 0, 1, 1]),  # separated: the likelihood alone asks for T = 0
    ([5.0, 4.0, -4.0, -5.0], [0, 0, 1, 1]),  # the wrong way round: for a negative one
    ([0.0, 0.0, 0.0, 0.0], [0, 0, 1, 1]),
    ([1e5, -1e5, 1e5, -1e5], [1, 0, 0, 1]),
])  # fmt: skip
def test_hopeless_logits_still_have_a_temperature(logits, labels):
    low, high = calibration.TEMPERATURE_RANGE
    assert low <= calibration.fit_temperature(logits, labels) <= high


@pytest.mark.parametrize(("logits", "labels", "message"), [
    ([1.0, 2.0], [1, 1], "both classes"),
    ([1.0, np.inf], [0, 1], "finite logits"),
    ([1.0], [0, 1], "Expected 2 logits"),
])  # fmt: skip
def test_logits_that_cannot_be_calibrated_are_refused(logits, labels, message):
    with pytest.raises(DatasetError, match=message):
        calibration.fit_temperature(logits, labels)


def test_cross_fitting_never_uses_a_folds_own_labels():
    logits, labels = overconfident(300, 2.0)
    folds = np.arange(300) % 3
    found = calibration.cross_fit_probabilities(logits, labels, folds)
    flipped = np.where(folds == 0, 1 - labels, labels)
    again = calibration.cross_fit_probabilities(logits, flipped, folds)
    assert np.array_equal(found[folds == 0], again[folds == 0])
    assert not np.array_equal(found[folds == 1], again[folds == 1])
    with pytest.raises(DatasetError, match="at least two folds"):
        calibration.cross_fit_probabilities(logits, labels, np.zeros(300))


def test_cross_fitting_is_not_kinder_than_fitting_on_itself():
    """With few slices a fit on the scored slices themselves flatters the log loss."""
    honest, flattered = [], []
    for seed in range(40):
        logits, labels = overconfident(60, 3.0, seed)
        folds = np.arange(60) % 5
        own = calibration.apply_temperature(logits, calibration.fit_temperature(logits, labels))
        crossed = calibration.cross_fit_probabilities(logits, labels, folds)
        for values, losses in ((own, flattered), (crossed, honest)):
            losses.append(
                metrics.compute_metrics(labels, values, folds, 0.5, n_resamples=0).log_loss
            )
    assert np.mean(honest) > np.mean(flattered)


def test_predicting_imports_no_heavy_library():
    script = (
        "import sys; from spinefrac.evaluation import calibration, metrics, operating_point;"
        "calibration.apply_temperature([1.0], 2.0);"
        "print([m for m in ('scipy', 'sklearn', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
