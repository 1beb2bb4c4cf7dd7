"""What the refer band promises and keeps: wrong answers outside of it, and what it refers.

    python -m benchmarks refer

models/phantom-demo answers on phantoms of seeds it never saw; the band is the one that its
own out-of-fold answers give. Beside it a simulation on populations whose error is known, for
which many training sets can be drawn: how often the promise is broken.
"""

from __future__ import annotations

import numpy as np

from benchmarks.input_check import generate_labelled_phantoms
from spinefrac.evaluation import deferral
from spinefrac.evaluation.calibration import apply_temperature, fit_temperature
from spinefrac.evaluation.inputs import make_inputs

#: Fresh phantoms: seeds, and patients and slices of each.
SEEDS, PATIENTS, SLICES = (5101, 5102), 30, 12

#: Training sets that are drawn from each simulated population.
REPETITIONS = 200


def run_benchmark() -> list[tuple[str, str, str] | tuple[str, str, str, bool]]:
    """Measure, and return (what, value, target) for each."""
    return [*_measure_held_out(), *_simulate_training_sets()]


def _measure_held_out() -> list[tuple[str, str, str] | tuple[str, str, str, bool]]:
    from scipy.stats import binomtest

    from spinefrac.inference import uncertainty
    from spinefrac.inference.predictor import get_predictor

    predictor = get_predictor("phantom-demo")
    band = uncertainty.uncertainty_profile(predictor.model).abstention_band
    if band is None:
        return [("refer band of phantom-demo", "none", "one", False)]
    labels, groups, answers = [], [], []
    for seed in SEEDS:
        slices = generate_labelled_phantoms(seed, PATIENTS, SLICES)
        for (label, patient, _), found in _predict_labelled(predictor, slices):
            labels.append(label)
            groups.append(f"{seed}-{patient}")
            answers.append(found)
    sample = make_inputs(labels, answers, groups)
    outside = deferral.outside_band_mask(sample.y_score, band.threshold, band.confidence_threshold)
    wrong = (sample.y_score >= band.threshold) != (sample.y_true == 1)
    count, of = int((wrong & outside).sum()), int(outside.sum())
    exact = binomtest(count, of).proportion_ci()
    share = deferral.error_rate_among(sample, outside, wrong)
    over = share.interval or (float("nan"), float("nan"))
    return [
        (
            f"wrong outside the refer band (stated 5 %), {sample.n_slices} slices of {sample.n_groups} new "
            "phantoms",
            f"{100 * share.value:.1f} % (binomial {100 * exact.low:.1f}-{100 * exact.high:.1f}, "
            f"over patients {100 * over[0]:.1f}-{100 * over[1]:.1f})",
            "at most 5 %",
        ),
        ("  referred to a human", f"{100 * (1 - outside.mean()):.0f} %", "reported"),
        ("  wrong if nothing were referred", f"{100 * wrong.mean():.1f} %", "reported"),
        (
            "  out-of-fold: wrong outside / referred",
            f"{100 * band.error_rate.value:.1f} % / {100 * band.abstention_rate.value:.0f} %",
            "reported",
        ),
    ]


def _predict_labelled(predictor, slices):
    made = list(slices)
    found = predictor.predict_many(ct for _, _, ct in made)
    return [(one, answer.probability) for one, answer in zip(made, found, strict=True)]


def _simulate_training_sets() -> list[tuple[str, str, str]]:
    """Draw training sets from populations in which slices of a patient err together."""
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
                f"promise broken, {REPETITIONS} training sets of 120 patients, accuracy "
                f"{100 * right.mean():.0f} % (no band: {none})",
                f"{100 * broken / REPETITIONS:.1f} %",
                "at most 10 %",
            )
        )
    return lines


def _sample_population(patients: int, slices: int, rng: np.random.Generator, spread: float):
    """Return labels, logits and groups; `spread` is how far a patient's slices move together."""
    groups = np.repeat(np.arange(patients), slices)
    share = np.where(rng.random(patients) < 0.6, 0.75, 0.05)
    labels = (rng.random(len(groups)) < share[groups]).astype(np.int64)
    moved = 2 * rng.normal(0, spread, patients)[groups]
    return labels, 2.6 * (2 * labels - 1) + moved + rng.normal(0, 1.6, len(groups)), groups
