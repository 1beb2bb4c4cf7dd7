"""Whether a drop on external data is found, and how often one is claimed that is none.

    python -m benchmarks dataset_shift

Populations are simulated whose slices resemble each other within a patient, with a model of five
networks that differ by noise of their own: out-of-fold predictions of 120 patients, then 60
external ones on which the networks have lost 0.00, 0.03 or 0.05 of AUC. "Ensemble" compares the
mean of the networks with the out-of-fold predictions, as a card's metrics would; "networks" is
what `spinefrac evaluate` does. Then models/phantom-demo predicts on new patients of the mixture
that it was trained on, as they are and in more and more noise, and the temperature and the
threshold of its card, which were fitted on single networks, are compared with the best ones of
its ensemble. All of it takes about five minutes; `python -m benchmarks.dataset_shift 1000` runs
the simulation alone, more precisely.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spinefrac import imaging
from spinefrac.data.phantom.mixture import STANDARD, write_mixture
from spinefrac.data.scan import scan
from spinefrac.evaluation.calibration import apply_temperature, fit_temperature
from spinefrac.evaluation.compare import MetricDifference
from spinefrac.evaluation.dataset_shift import metric_shift, stack_networks
from spinefrac.evaluation.inputs import make_inputs
from spinefrac.evaluation.metric_kernels import log_loss_per_slice
from spinefrac.evaluation.ranking import roc_auc
from spinefrac.records import CtSlice

#: Data sets of each simulated population, and bootstrap resamples of each comparison.
REPETITIONS, RESAMPLES = 100, 200

#: Networks of the simulated model, its training patients, and slices of each patient.
NETWORKS, TRAINING_PATIENTS, SLICES = 5, 120, 12

#: New phantoms: share of the patients of the mixture, and slices of each patient.
SHARE, PHANTOM_SLICES = 0.4, 12

#: Noise added to them, standard deviation in grey levels (7 Hounsfield units in a bone window).
NOISE = (0.0, 15.0, 30.0, 45.0)

Row = tuple[str, str, str] | tuple[str, str, str, bool]

#: Labels (n,), logits of the networks (n, K) and groups (n,).
Answers = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Population:
    """Slices whose evidence is separation times label, plus noise of patient, slice and network.

    `correlation` is the patient's share of the variance that all networks see, 1;
    `network_noise` the standard deviation of what only one of them sees. `auc` is of one network.
    """

    auc: float
    correlation: float
    network_noise: float = 0.5

    def separation(self, drop: float) -> float:
        """Return the separation at which a single network has `auc` minus `drop`."""
        from scipy.stats import norm

        return float(norm.ppf(self.auc - drop) * np.sqrt(2 * (1 + self.network_noise**2)))

    def sample(
        self, rng: np.random.Generator, patients: int, drop: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return labels (N,), the networks' logits (N, NETWORKS) and groups (N,)."""
        groups = np.repeat(np.arange(patients), SLICES)
        labels = (rng.random(patients) < 0.5)[groups] & (rng.random(len(groups)) < 0.5)
        shared = (
            self.separation(drop) * labels
            + np.sqrt(self.correlation) * rng.normal(size=patients)[groups]
            + np.sqrt(1 - self.correlation) * rng.normal(size=len(groups))
        )
        own = self.network_noise * rng.normal(size=(len(groups), NETWORKS))
        trained = self.separation(0.0)
        logits = trained * (shared[:, None] + own - trained / 2)
        return labels.astype(int), logits, groups


POPULATIONS = (
    Population(0.98, correlation=0.3),
    Population(0.95, correlation=0.1),
    Population(0.95, correlation=0.3),
    Population(0.85, correlation=0.1),
)


def compare_once(
    population: Population, drop: float, seed: int, patients: int = 60, resamples: int = RESAMPLES
) -> tuple[dict[str, MetricDifference], dict[str, MetricDifference]]:
    """Return the shift of the networks, and of the ensemble, on one draw of both data sets."""
    rng = np.random.default_rng(seed)
    labels, logits, groups = population.sample(rng, TRAINING_PATIENTS)
    own = logits[np.arange(len(labels)), groups % NETWORKS]
    training = make_inputs(labels, apply_temperature(own, 1.0), groups)
    labels, logits, groups = population.sample(rng, patients, drop)
    external = (
        stack_networks(labels, apply_temperature(logits, 1.0), groups),
        make_inputs(labels, apply_temperature(logits.mean(axis=1), 1.0), groups),
    )
    networks, ensemble = (
        metric_shift(training, inputs, 0.5, n_resamples=resamples, seed=seed) for inputs in external
    )
    return networks, ensemble


def is_significant(difference: MetricDifference) -> bool:
    """Return whether pages and commands would say "significant"."""
    return difference.p_holm is not None and difference.p_holm < 0.05


def measure() -> list[Row]:
    """Measure, and return (what, value, target) for each."""
    return [*_simulate(REPETITIONS), *_measure_phantoms()]


def _simulate(repetitions: int) -> Iterator[Row]:
    for population in POPULATIONS:
        for drop in (0.0, 0.03, 0.05):
            found = [compare_once(population, drop, seed) for seed in range(repetitions)]
            networks, ensemble = (
                100 * np.mean([is_significant(pair[which]["auc"]) for pair in found])
                for which in (0, 1)
            )
            others = 100 * np.mean(
                [
                    any(is_significant(entry) for name, entry in pair[0].items() if name != "auc")
                    for pair in found
                ]
            )
            bias = np.mean([pair[0]["auc"].value + drop for pair in found])
            target = {0.0: "at most 5 %", 0.05: "at least 80 %"}.get(drop, "reported")
            yield (
                f"AUC {population.auc:.2f}, correlation {population.correlation:g}, drop of "
                f"{drop:.2f} on 60 patients called significant: AUC of the networks",
                f"{networks:.1f} % (ensemble {ensemble:.1f}, another metric {others:.1f}; bias "
                f"{bias:+.3f})",
                target,
            )


def _measure_phantoms() -> Iterator[Row]:
    from spinefrac.inference.predictor import get_predictor
    from spinefrac.store.evaluations import SlicePredictions

    predictor = get_predictor("phantom-demo")
    model = predictor.model
    oof = SlicePredictions.from_out_of_fold(model.load_out_of_fold()).to_inputs()
    reference = roc_auc(oof.y_true, oof.y_score) or float("nan")
    for noise, (labels, logits, groups) in predict_phantoms(predictor, NOISE).items():
        if not noise:
            yield from _compare_calibration(model.temperature, model.threshold, labels, logits)
        probabilities = apply_temperature(logits, model.temperature)
        found = metric_shift(oof, stack_networks(labels, probabilities, groups), model.threshold)
        auc = found["auc"]
        ensemble = roc_auc(labels, logits.mean(axis=1)) or float("nan")
        value, interval, p = auc.value, auc.interval, auc.p_holm
        assert value is not None and interval is not None and p is not None
        target = "reported" if 0 > value > -0.03 else ("found" if value <= -0.03 else "not found")
        yield (
            f"{len(set(groups))} new phantoms, noise of {noise:g} HU: AUC of the networks minus "
            "out-of-fold",
            f"{value:+.3f} ({interval[0]:+.3f} to {interval[1]:+.3f}), p = {p:.3f}; ensemble "
            f"{ensemble - reference:+.3f}",
            target,
            *([] if target == "reported" else [is_significant(auc) == (target == "found")]),
        )


def predict_phantoms(predictor, noises: tuple[float, ...]) -> dict[float, Answers]:
    """Return the answers to new patients of the mixture in each added noise.

    Parameters
    ----------
    predictor : Predictor
    noises : tuple of float
        Standard deviations in grey levels.
    """
    slices, labels, groups = _read_new_phantoms()
    found = {}
    for noise in noises:
        rng = np.random.default_rng(1)
        noisy = [
            replace(ct, pixels=ct.pixels + noise * rng.normal(size=ct.pixels.shape))
            for ct in slices
        ]
        each = np.array([one.fold_probabilities for one in predictor.predict_many(noisy)])
        chance = np.clip(each, 1e-12, 1 - 1e-12)
        found[noise] = labels, predictor.model.temperature * np.log(chance / (1 - chance)), groups
    return found


def _read_new_phantoms() -> tuple[list[CtSlice], np.ndarray, np.ndarray]:
    """Return slices, labels (n,) and groups (n,) of seeds that nothing was trained on."""
    parts = tuple(
        replace(part, patients=round(SHARE * part.patients), seed=part.seed + 10_000)
        for part in STANDARD
    )
    with tempfile.TemporaryDirectory() as folder:
        write_mixture(Path(folder), parts, PHANTOM_SLICES)
        dataset = scan(folder)
        slices = [imaging.read(Path(folder, item.path).read_bytes()) for item in dataset.items]
    labels = np.array([item.label for item in dataset.items])
    return slices, labels, np.array(dataset.groups)


def _compare_calibration(
    temperature: float, threshold: float, labels: np.ndarray, logits: np.ndarray
) -> Iterator[Row]:
    """Compare temperature and threshold of the card with what fits the ensemble."""
    mean = logits.mean(axis=1)
    singles = [fit_temperature(logits[:, k], labels) for k in range(logits.shape[1])]
    best = fit_temperature(mean, labels)
    losses = [
        log_loss_per_slice(labels, apply_temperature(mean, t)).mean() for t in (temperature, best)
    ]
    yield (
        "best temperature on the new phantoms: single networks; ensemble; in the card",
        f"{min(singles):.2f}-{max(singles):.2f}; {best:.2f}; {temperature:.2f}",
        "reported",
    )
    yield (
        "log loss of the ensemble with the card's temperature, and with its best",
        f"{losses[0]:.4f}, {losses[1]:.4f}",
        "reported",
    )
    for name, chosen in (("single networks, mean", logits), ("ensemble", mean[:, None])):
        called = apply_temperature(chosen, temperature) >= threshold
        yield (
            f"sensitivity and specificity at the card's threshold: {name}",
            f"{called[labels == 1].mean():.3f}, {1 - called[labels == 0].mean():.3f}",
            "reported",
        )


if __name__ == "__main__":
    for row in _simulate(int(sys.argv[1])):
        print(" | ".join(map(str, row)), flush=True)
