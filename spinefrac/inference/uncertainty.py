"""Uncertainty of a prediction: from the model's out-of-fold predictions, and from its networks.

Everything is computed from a saved model's table of out-of-fold predictions, once a process, so
that it exists for models of any age.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spinefrac.errors import SpinefracError
from spinefrac.evaluation import deferral
from spinefrac.evaluation.deferral import AbstentionBand, Proportion
from spinefrac.evaluation.predictive_values import PredictiveValueCalculator, PredictiveValues
from spinefrac.inference import abstention_worker
from spinefrac.records import InputCheck, Prediction
from spinefrac.store.repository import SavedModel

#: Acceptable error rates to choose from.
ACCEPTABLE_ERROR_RATES = (0.02, 0.05, 0.1)

#: Profiles kept in memory.
_CACHE_SIZE = 48


@dataclass(frozen=True)
class UncertaintyProfile:
    """Error rates of a model, on N out-of-fold slices of G groups.

    Attributes
    ----------
    model : str
    threshold : float
    n_slices, n_groups : int
        N and G.
    observed_prevalence : float
        Share of the N slices with a fracture.
    sensitivity, specificity : Proportion
        At the threshold.
    predictive_values : PredictiveValueCalculator
        Gives PPV and NPV at a prevalence.
    acceptable_error_rate : float
        Largest share of wrong predictions outside the band.
    abstention_band : AbstentionBand or None
        None where no band can be shown to keep the acceptable error rate.
    groups_needed : int or None
        About how many groups like these a band would need; None where there is one, and where
        too many predictions are wrong for any number of groups.
    """

    model: str
    threshold: float
    n_slices: int
    n_groups: int
    observed_prevalence: float
    sensitivity: Proportion
    specificity: Proportion
    predictive_values: PredictiveValueCalculator
    acceptable_error_rate: float
    abstention_band: AbstentionBand | None
    groups_needed: int | None = None

    def needs_review(self, probability: float, check: InputCheck | None = None) -> bool:
        """Return whether a prediction of this probability needs review by a reader.

        Whatever its probability, it does where the input check finds the slice unusual or unlike:
        the band was chosen on slices like the training slices.
        """
        if check is not None and not check.typical:
            return True
        return self.abstention_band is None or self.abstention_band.needs_review(probability)

    def at_prevalence(self, prevalence: float) -> PredictiveValues:
        """Return PPV and NPV where this share of slices has a fracture."""
        return self.predictive_values.at_prevalence(prevalence)

    @property
    def guarantee(self) -> str:
        """What holds outside the band and under which condition, in words."""
        return deferral.describe_guarantee(
            self.abstention_band, self.n_groups, self.groups_needed, self.acceptable_error_rate
        )


@dataclass(frozen=True, slots=True)
class EnsembleDisagreement:
    """How much the networks of an ensemble disagree on one slice.

    Attributes
    ----------
    low, high : float
        Lowest and highest of their probabilities.
    n_fracture, n_folds : int
        Networks that predict fracture at the threshold, and all networks.
    """

    low: float
    high: float
    n_fracture: int
    n_folds: int

    @property
    def is_unanimous(self) -> bool:
        """Whether all networks predict the same class."""
        return self.n_fracture in (0, self.n_folds)


def uncertainty_profile(
    model: SavedModel, acceptable_error_rate: float = deferral.DEFAULT_ACCEPTABLE_ERROR_RATE
) -> UncertaintyProfile:
    """Return the error rates of a model; computed once for each model and rate.

    Parameters
    ----------
    model : SavedModel
    acceptable_error_rate : float
        Largest share of wrong predictions outside the band, above 0 and below 0.5.

    Returns
    -------
    UncertaintyProfile

    Raises
    ------
    DatasetError
        The rate is out of range, or the out-of-fold predictions cannot be evaluated.
    ModelError
        The model was evaluated by scan, or not at all.
    """
    model.require_slices()
    key = (model.path, model.card_hash, float(acceptable_error_rate))
    with _cache_lock:
        if key not in _cache:
            _cache[key] = _compute_profile(model, float(acceptable_error_rate))
        _cache.move_to_end(key)
        while len(_cache) > _CACHE_SIZE:
            _cache.popitem(last=False)
        return _cache[key]


def ensemble_disagreement(prediction: Prediction) -> EnsembleDisagreement:
    """Return how much the networks disagree on one slice."""
    probabilities = np.asarray(prediction.fold_probabilities)
    return EnsembleDisagreement(
        low=float(probabilities.min()),
        high=float(probabilities.max()),
        n_fracture=int((probabilities >= prediction.threshold).sum()),
        n_folds=len(probabilities),
    )


#: By folder and card of the model, and the rate; the least recently used is dropped first.
_cache: OrderedDict[tuple[Path, str, float], UncertaintyProfile] = OrderedDict()
_cache_lock = threading.Lock()


def _compute_profile(model: SavedModel, acceptable_error_rate: float) -> UncertaintyProfile:
    oof, metrics, threshold = model.load_out_of_fold(), model.metrics, model.threshold
    predictive = PredictiveValueCalculator(oof.labels, oof.probabilities, oof.groups, threshold)
    choice = abstention_worker.choose_band(oof, threshold, acceptable_error_rate)
    return UncertaintyProfile(
        model=model.id,
        threshold=threshold,
        n_slices=len(oof.labels),
        n_groups=len(set(oof.groups.tolist())),
        observed_prevalence=predictive.observed_prevalence,
        sensitivity=_to_proportion(metrics.recall, metrics.ci.get("recall")),
        specificity=_to_proportion(metrics.specificity, metrics.ci.get("specificity")),
        predictive_values=predictive,
        acceptable_error_rate=acceptable_error_rate,
        abstention_band=choice.band,
        groups_needed=choice.groups_needed,
    )


def _to_proportion(value: float | None, interval: tuple[float, float] | None) -> Proportion:
    return Proportion(float("nan") if value is None else value, interval)


def precompute_profile(model: SavedModel) -> None:
    """Compute a profile in the background, so that it exists when the first slice is chosen.

    Errors are left to `uncertainty_profile`, which raises them again.
    """

    def compute() -> None:
        with suppress(SpinefracError):
            uncertainty_profile(model)

    threading.Thread(target=compute, name="uncertainty", daemon=True).start()
