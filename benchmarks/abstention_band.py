"""Whether the abstention band holds its error rate, and how many predictions it abstains from.

    python -m benchmarks abstention_band

models/phantom-demo predicts on phantoms of new seeds; the band is the one of its out-of-fold
predictions. Then a simulation on populations whose error rate is known, from which many training
sets are drawn: how often the error rate outside the band is above the accepted one.
"""

from __future__ import annotations

import numpy as np

from benchmarks.input_check import generate_labelled_phantoms
from spinefrac.evaluation import deferral
from spinefrac.evaluation.calibration import apply_temperature, fit_temperature
from spinefrac.evaluation.inputs import make_inputs

#: New phantoms: seeds, and patients and slices of each.
SEEDS, PATIENTS, SLICES = (5101, 5102), 30, 12

#: Training sets that are drawn from each simulated population.
REPETITIONS = 200


def measure() -> list[tuple[str, str, str] | tuple[str, str, str, bool]]:
    """Measure, and return (what, value, target) for each."""
    return [*_measure_held_out(), *_simulate_training_sets()]


def _measure_held_out() -> list[tuple[str, str, str] | tuple[str, str, str, bool]]:
    from scipy.stats import binomtest

    from spinefrac.inference import uncertainty
    from spinefrac.inference.predictor import get_predictor

    predictor = get_predictor("phantom-demo")
    band = uncertainty.uncertainty_profile(predictor.model).abstention_band
    if band is None:
        return [("abstention band of phantom-demo", "none", "one", False)]
    labels, groups, scores = [], [], []
    for seed in SEEDS:
        slices = generate_labelled_phantoms(seed, PATIENTS, SLICES)
        for (label, patient, _), found in _predict_labelled(predictor, slices):
            labels.append(label)
            groups.append(f"{seed}-{patient}")
            scores.append(found)
    sample = make_inputs(labels, scores, groups)
    outside = deferral.outside_band_mask(sample.y_score, band.threshold, band.confidence_threshold)
    wrong = (sample.y_score >= band.threshold) != (sample.y_true == 1)
    count, of = int((wrong & outside).sum()), int(outside.sum())
    exact = binomtest(count, of).proportion_ci()
    share = deferral.error_rate_among(sample, outside, wrong)
    over = share.interval or (float("nan"), float("nan"))
    return [
        (
            f"error rate outside the abstention band (stated 5 %), {sample.n_slices} slices of "
            f"{sample.n_groups} new phantoms",
            f"{100 * share.value:.1f} % (binomial {100 * exact.low:.1f}-{100 * exact.high:.1f}, "
            f"over patients {100 * over[0]:.1f}-{100 * over[1]:.1f})",
            "at most 5 %",
        ),
        ("  inside the abstention band", f"{100 * (1 - outside.mean()):.0f} %", "reported"),
        ("  error rate without abstention", f"{100 * wrong.mean():.1f} %", "reported"),
        (
            "  out-of-fold: error rate outside / share inside",
            f"{100 * band.error_rate.value:.1f} % / {100 * band.abstention_rate.value:.0f} %",
            "reported",
        ),
    ]


def _predict_labelled(predictor, slices):
    made = list(slices)
    found = predictor.predict_many(ct for _, _, ct in made)
    return [(one, prediction.probability) for one, prediction in zip(made, found, strict=True)]


def _simulate_training_sets() -> list[tuple[str, str, str]]:
    """Draw training sets from populations in which the errors of a patient's slices correlate."""
    lines = []
    for spread in (0.0, 0.5, 0.9):
        labels, logits, _ = _sample_population(20_000, 12, np.random.default_rng(1), spread)
        temperature = fit_temperature(logits, labels)
        everyone = apply_temperature(logits, temperature)
        right = (everyone >= 0.5) == labels
        broken = none = 0
        for seed in range(REPETITIONS):
            of, said, groups = _sample_population(
                120, 12, np.random.default_rng(100 + seed), spread
            )
            band = deferral.choose_abstention_band(
                of, apply_temperature(said, temperature), groups, 0.5
            )
            if band is None:
                none += 1
                continue
            outside = deferral.outside_band_mask(everyone, 0.5, band.confidence_threshold)
            broken += bool((~right[outside]).mean() > band.acceptable_error_rate)
        lines.append(
            (
                f"error rate exceeded, {REPETITIONS} training sets of 120 patients, accuracy "
                f"{100 * right.mean():.0f} % (no band: {none})",
                f"{100 * broken / REPETITIONS:.1f} %",
                "at most 10 %",
            )
        )
    return lines


def _sample_population(patients: int, slices: int, rng: np.random.Generator, spread: float):
    """Return labels, logits and groups; `spread` is the deviation that a patient's slices share."""
    groups = np.repeat(np.arange(patients), slices)
    share = np.where(rng.random(patients) < 0.6, 0.75, 0.05)
    labels = (rng.random(len(groups)) < share[groups]).astype(np.int64)
    moved = 2 * rng.normal(0, spread, patients)[groups]
    return labels, 2.6 * (2 * labels - 1) + moved + rng.normal(0, 1.6, len(groups)), groups
