"""How sure an answer is: from the model's own out-of-fold answers, and from its folds.

Everything is computed from a saved model's table of out-of-fold answers, once a process, so
that models of any age have it.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from spinefrac.errors import SpinefracError
from spinefrac.evaluation import deferral
from spinefrac.evaluation.deferral import AbstentionBand, Proportion
from spinefrac.evaluation.predictive_values import PredictiveValueCalculator, PredictiveValues
from spinefrac.records import Prediction
from spinefrac.store.repository import SavedModel

#: Rates of wrong answers that a page offers for the band.
ACCEPTABLE_ERROR_RATES = (0.02, 0.05, 0.1)

#: Models whose doubt is kept in memory.
_CACHE_SIZE = 16


@dataclass(frozen=True)
class UncertaintyProfile:
    """What is known of a model's errors, on N out-of-fold slices of G groups.

    Attributes
    ----------
    model : str
    threshold : float
    n_slices, n_groups : int
        N and G.
    observed_prevalence : float
        Share of the N slices with a fracture.
    sensitivity, specificity : Share
        At the threshold.
    predictive_values : Predictive
        Gives the predictive values at a prevalence.
    acceptable_error_rate : float
        Of wrong answers outside the band.
    abstention_band : ReferBand or None
        None where no answer can be shown to be that good.
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

    def needs_review(self, probability: float) -> bool:
        """Return whether a slice of this calibrated probability should go to a human."""
        return self.abstention_band is None or self.abstention_band.needs_review(probability)

    def at_prevalence(self, prevalence: float) -> PredictiveValues:
        """Return the predictive values where this share of slices has a fracture."""
        return self.predictive_values.at_prevalence(prevalence)

    @property
    def guarantee(self) -> str:
        """Say what the band promises and under what condition, in one sentence."""
        if self.abstention_band is None:
            return (
                f"The {self.n_groups} patients of the training data are too few, or the answers on "
                f"them too often wrong, to promise at most {100 * self.acceptable_error_rate:g} % wrong answers "
                "for any band: have every slice read."
            )
        return (
            f"With {100 * self.abstention_band.confidence_level:g} % confidence at most {100 * self.acceptable_error_rate:g} % of "
            "the answers outside the band are wrong on slices of new patients who are like the "
            f"{self.n_groups} the band was chosen on, scanned alike and with fractures as common; "
            "it is a share over many patients and promises nothing for a single one."
        )


@dataclass(frozen=True, slots=True)
class EnsembleDisagreement:
    """How far the networks of an ensemble lie apart on one slice.

    Attributes
    ----------
    low, high : float
        The least and the most probable of their answers.
    n_fracture, n_folds : int
        How many of how many call it a fracture at the threshold.
    """

    low: float
    high: float
    n_fracture: int
    n_folds: int

    @property
    def is_unanimous(self) -> bool:
        """Whether all networks call it the same."""
        return self.n_fracture in (0, self.n_folds)


def uncertainty_profile(
    model: SavedModel, acceptable_error_rate: float = deferral.DEFAULT_ACCEPTABLE_ERROR_RATE
) -> UncertaintyProfile:
    """Return what is known of a model's errors; computed once for each model and rate.

    Parameters
    ----------
    model : SavedModel
    acceptable_error_rate : float
        Largest share of wrong answers outside the band, above 0 and below 0.5.

    Returns
    -------
    Doubt

    Raises
    ------
    DatasetError
        The rate is out of range, or the out-of-fold answers cannot be measured.
    """
    return _cached_profile(_ModelCacheKey(model), float(acceptable_error_rate))


def ensemble_disagreement(prediction: Prediction) -> EnsembleDisagreement:
    """Return how far the networks lie apart on one slice."""
    answers = np.asarray(prediction.fold_probabilities)
    return EnsembleDisagreement(
        low=float(answers.min()),
        high=float(answers.max()),
        n_fracture=int((answers >= prediction.threshold).sum()),
        n_folds=len(answers),
    )


class _ModelCacheKey:
    """A model as a key of the cache: the same as another with the same card."""

    def __init__(self, model: SavedModel) -> None:
        self.model = model

    def __hash__(self) -> int:
        return hash((self.model.path, self.model.card_hash))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ModelCacheKey) and hash(self) == hash(other)


@lru_cache(_CACHE_SIZE * len(ACCEPTABLE_ERROR_RATES))
def _cached_profile(key: _ModelCacheKey, acceptable_error_rate: float) -> UncertaintyProfile:
    model, oof = key.model, key.model.load_out_of_fold()
    metrics, threshold = model.metrics, model.threshold
    predictive = _cached_predictive_values(key)
    band = deferral.choose_abstention_band(
        oof.labels,
        oof.probabilities,
        oof.groups,
        threshold,
        acceptable_error_rate=acceptable_error_rate,
    )
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
        abstention_band=band,
    )


@lru_cache(_CACHE_SIZE)
def _cached_predictive_values(key: _ModelCacheKey) -> PredictiveValueCalculator:
    oof = key.model.load_out_of_fold()
    return PredictiveValueCalculator(oof.labels, oof.probabilities, oof.groups, key.model.threshold)


def _to_proportion(value: float | None, interval: tuple[float, float] | None) -> Proportion:
    return Proportion(float("nan") if value is None else value, interval)


def precompute_profile(model: SavedModel) -> None:
    """Begin to compute it beside, so that it is there when the first slice has been chosen.

    What goes wrong is left to `uncertainty_profile`, which meets it again and says so.
    """

    def work() -> None:
        with suppress(SpinefracError):
            uncertainty_profile(model)

    threading.Thread(target=work, name="doubt", daemon=True).start()
