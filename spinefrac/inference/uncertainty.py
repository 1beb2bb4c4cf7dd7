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
from spinefrac.evaluation.deferral import ReferBand, Share
from spinefrac.evaluation.predictive_values import Predictive, PredictiveValues
from spinefrac.records import Prediction
from spinefrac.store.repository import SavedModel

#: Rates of wrong answers that a page offers for the band.
RATES = (0.02, 0.05, 0.1)

#: Models whose doubt is kept in memory.
_KEPT = 16


@dataclass(frozen=True)
class Doubt:
    """What is known of a model's errors, on N out-of-fold slices of G groups.

    Attributes
    ----------
    model : str
    threshold : float
    slices, groups : int
        N and G.
    observed : float
        Share of the N slices with a fracture.
    sensitivity, specificity : Share
        At the threshold.
    predictive : Predictive
        Gives the predictive values at a prevalence.
    rate : float
        Of wrong answers outside the band.
    band : ReferBand or None
        None where no answer can be shown to be that good.
    """

    model: str
    threshold: float
    slices: int
    groups: int
    observed: float
    sensitivity: Share
    specificity: Share
    predictive: Predictive
    rate: float
    band: ReferBand | None

    def refers(self, probability: float) -> bool:
        """Return whether a slice of this calibrated probability should go to a human."""
        return self.band is None or self.band.refers(probability)

    def at_prevalence(self, prevalence: float) -> PredictiveValues:
        """Return the predictive values where this share of slices has a fracture."""
        return self.predictive.at(prevalence)

    @property
    def guarantee(self) -> str:
        """Say what the band promises and under what condition, in one sentence."""
        if self.band is None:
            return (
                f"The {self.groups} patients of the training data are too few, or the answers on "
                f"them too often wrong, to promise at most {100 * self.rate:g} % wrong answers "
                "for any band: have every slice read."
            )
        return (
            f"With {100 * self.band.confidence:g} % confidence at most {100 * self.rate:g} % of "
            "the answers outside the band are wrong on slices of new patients who are like the "
            f"{self.groups} the band was chosen on, scanned alike and with fractures as common; "
            "it is a share over many patients and promises nothing for a single one."
        )


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How far the networks of an ensemble lie apart on one slice.

    Attributes
    ----------
    low, high : float
        The least and the most probable of their answers.
    fracture, folds : int
        How many of how many call it a fracture at the threshold.
    """

    low: float
    high: float
    fracture: int
    folds: int

    @property
    def united(self) -> bool:
        """Whether all networks call it the same."""
        return self.fracture in (0, self.folds)


def of(model: SavedModel, rate: float = deferral.RATE) -> Doubt:
    """Return what is known of a model's errors; computed once for each model and rate.

    Parameters
    ----------
    model : SavedModel
    rate : float
        Largest share of wrong answers outside the band, above 0 and below 0.5.

    Returns
    -------
    Doubt

    Raises
    ------
    DatasetError
        The rate is out of range, or the out-of-fold answers cannot be measured.
    """
    return _of(_ByHash(model), float(rate))


def disagreement(prediction: Prediction) -> Disagreement:
    """Return how far the networks lie apart on one slice."""
    answers = np.asarray(prediction.fold_probabilities)
    return Disagreement(
        low=float(answers.min()),
        high=float(answers.max()),
        fracture=int((answers >= prediction.threshold).sum()),
        folds=len(answers),
    )


class _ByHash:
    """A model as a key of the cache: the same as another with the same card."""

    def __init__(self, model: SavedModel) -> None:
        self.model = model

    def __hash__(self) -> int:
        return hash((self.model.path, self.model.card_hash))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByHash) and hash(self) == hash(other)


@lru_cache(_KEPT * len(RATES))
def _of(key: _ByHash, rate: float) -> Doubt:
    model, oof = key.model, key.model.oof()
    metrics, threshold = model.metrics, model.threshold
    predictive = _predictive(key)
    band = deferral.choose(oof.labels, oof.probabilities, oof.groups, threshold, rate=rate)
    return Doubt(
        model=model.id,
        threshold=threshold,
        slices=len(oof.labels),
        groups=len(set(oof.groups.tolist())),
        observed=predictive.observed,
        sensitivity=_share(metrics.recall, metrics.ci.get("recall")),
        specificity=_share(metrics.specificity, metrics.ci.get("specificity")),
        predictive=predictive,
        rate=rate,
        band=band,
    )


@lru_cache(_KEPT)
def _predictive(key: _ByHash) -> Predictive:
    oof = key.model.oof()
    return Predictive(oof.labels, oof.probabilities, oof.groups, key.model.threshold)


def _share(value: float | None, interval: tuple[float, float] | None) -> Share:
    return Share(float("nan") if value is None else value, interval)


def prepare(model: SavedModel) -> None:
    """Begin to compute it beside, so that it is there when the first slice has been chosen.

    What goes wrong is left to `of`, which meets it again and says so.
    """

    def work() -> None:
        with suppress(SpinefracError):
            of(model)

    threading.Thread(target=work, name="doubt", daemon=True).start()
