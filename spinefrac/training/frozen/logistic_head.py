"""The head of frozen backbones: logistic regression on pooled features, fitted in seconds.

Features are standardised on the training rows, and those of every backbone have a strength of their
own: the smaller, the closer the L2 penalty keeps their weights to zero. Strengths are chosen by a
grouped cross-validation within the training rows; what a fold holds out is never seen. Where a
backbone comes with a head that knows the task, the logit of that head is one more feature, with
hardly a penalty: so the fit departs from that head and not from nothing. All of this is linear and
folds back into one dense layer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spinefrac.data.splits import assign_folds
from spinefrac.errors import Cancelled, DatasetError
from spinefrac.training.bags import NO_BAG, Units, fit_bags

#: Strengths that a backbone's features can have. They scale standardised features before a fit
#: with scikit-learn's C = 1, so 0.1 is C = 0.01.
STRENGTHS = (0.01, 0.03, 0.1, 0.3)
#: Strength of the logit of a head that knows the task.
_PRIOR_STRENGTH = 1.0
_INNER_FOLDS = 3
_MAX_ITERATIONS = 500
_SMALLEST_SPREAD = 1e-6


@dataclass(frozen=True)
class Block:
    """The features of one backbone.

    Attributes
    ----------
    name : str
    size : int
        Number of features.
    prior : float array, shape (size,), or None
        Weights of a head that knows the task.
    """

    name: str
    size: int
    prior: npt.NDArray[np.floating] | None = None


@dataclass(frozen=True)
class LogisticHead:
    """A dense layer on pooled features.

    Attributes
    ----------
    kernel : float64 array, shape (F,)
    bias : float
    strengths : dict of str to float
        What was chosen for each backbone.
    """

    kernel: npt.NDArray[np.float64]
    bias: float
    strengths: dict[str, float]

    def predict(self, features: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return the logits (n,) of features (n, F)."""
        return np.asarray(features @ self.kernel + self.bias, np.float64)


def fit_head(
    features: npt.NDArray[np.floating],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.str_],
    blocks: Sequence[Block],
    *,
    bags: npt.NDArray[np.int64] | None = None,
    strengths: Mapping[str, float] | None = None,
    class_weights: bool = True,
    seed: int = 0,
    is_cancelled: Callable[[], bool] | None = None,
) -> LogisticHead:
    """Choose the strengths, where they are not given, and fit the head.

    Parameters
    ----------
    features : float array, shape (V, n, F)
        Of the slices as they are, then of V - 1 augmented variants of each.
    labels : int64 array, shape (n,)
    groups : str array, shape (n,)
    blocks : sequence of Block
        Their sizes add up to F.
    bags : int64 array, shape (n, 2), optional
        Where labels are of scans or levels, see `spinefrac.training.bags.Units`.
    strengths : mapping of str to float, optional
        Of every backbone, as an earlier head chose them.
    class_weights : bool
        Whether both classes contribute equally.
    seed : int
        Of the inner folds.
    is_cancelled : callable, optional
        Called before every fit.

    Raises
    ------
    Cancelled
        `is_cancelled` returned True.
    """
    if bags is not None and (bags[:, 0] == NO_BAG).all():
        bags = None
    problem = _Problem(
        np.asarray(features), labels, bags, tuple(blocks), class_weights, is_cancelled
    )
    names = [block.name for block in blocks]
    if strengths is None:
        # Variants move the choice hardly and take their time.
        chosen = replace(problem, features=problem.features[:1]).choose_strengths(groups, seed)
        strengths = dict(zip(names, chosen, strict=True))
    kernel, bias = problem.fit(np.arange(len(labels)), [strengths[name] for name in names])
    return LogisticHead(kernel, bias, dict(strengths))


@dataclass(frozen=True)
class _Problem:
    """Training rows and how they are fitted; see `fit_head` for the shapes."""

    features: npt.NDArray[np.floating]
    labels: npt.NDArray[np.int64]
    bags: npt.NDArray[np.int64] | None
    blocks: tuple[Block, ...]
    class_weights: bool
    is_cancelled: Callable[[], bool] | None

    def choose_strengths(self, groups: npt.NDArray[np.str_], seed: int) -> tuple[float, ...]:
        """Return the strengths with the lowest loss in a cross-validation over whole groups.

        The loss and not the AUC: logits of all folds are compared with each other, so they need
        one scale.
        """
        grid = list(itertools.product(STRENGTHS, repeat=len(self.blocks)))
        try:
            folds = assign_folds(self.labels, groups, _INNER_FOLDS, seed)
        except DatasetError:  # too few groups to compare: the middle of what there is
            return (STRENGTHS[len(STRENGTHS) // 2],) * len(self.blocks)
        return min(grid, key=lambda strengths: self._compute_inner_loss(folds, strengths))

    def _compute_inner_loss(
        self, folds: npt.NDArray[np.int64], strengths: Sequence[float]
    ) -> float:
        """Return the mean cross-entropy over the inner folds (n,), of slices as they are."""
        logits = np.empty(len(self.labels))
        for fold in range(_INNER_FOLDS):
            own, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            kernel, bias = self.fit(own, strengths)
            logits[held_out] = self.features[0, held_out] @ kernel + bias
        labels = self.labels
        if self.bags is not None:
            units = Units.collect(labels, self.bags)
            labels, logits = units.labels, units.pool(logits)
        entropy = np.logaddexp(0, logits) - labels * logits
        if not self.class_weights:
            return float(entropy.mean())
        return float(np.mean([entropy[labels == label].mean() for label in (0, 1)]))

    def fit(
        self, rows: npt.NDArray[np.int64], strengths: Sequence[float]
    ) -> tuple[npt.NDArray[np.float64], float]:
        """Return kernel (F,) and bias on raw features, fitted on `rows` and their variants."""
        from sklearn.linear_model import LogisticRegression

        if self.is_cancelled and self.is_cancelled():
            raise Cancelled("training was cancelled while the head was fitted")
        own = self.features[0, rows].astype(np.float64)
        mean, scales = own.mean(axis=0), self._make_scales(own, strengths)
        designed = np.concatenate([(variant - mean) @ scales for variant in self.features[:, rows]])
        if self.bags is not None:
            coefficients, intercept = self._fit_bags(designed, rows, self.bags)
            kernel = scales @ coefficients
            return kernel, float(intercept - mean @ kernel)
        fitted = LogisticRegression(
            class_weight="balanced" if self.class_weights else None, max_iter=_MAX_ITERATIONS
        ).fit(
            designed,
            np.tile(self.labels[rows], len(self.features)),
            np.full(len(designed), 1 / len(self.features)),
        )
        kernel = scales @ fitted.coef_[0]
        return kernel, float(fitted.intercept_[0] - mean @ kernel)

    def _fit_bags(
        self,
        designed: npt.NDArray[np.float64],
        rows: npt.NDArray[np.int64],
        bags: npt.NDArray[np.int64],
    ) -> tuple[npt.NDArray[np.float64], float]:
        """Return coefficients and intercept on designed features of `rows` and their variants.

        A bag in each of V variants counts as one of V bags with a V-th of the weight.
        """
        variants = len(self.features)
        tiled = np.tile(bags[rows], (variants, 1))
        of_variant = np.repeat(np.arange(variants), len(rows)) * (bags[:, 0].max() + 1)
        tiled[:, 0] += np.where(tiled[:, 0] == NO_BAG, 0, of_variant)
        units = Units.collect(np.tile(self.labels[rows], variants), tiled)
        counts = np.bincount(units.labels, minlength=2)
        balance = counts.sum() / (2 * np.maximum(counts, 1)) if self.class_weights else np.ones(2)
        return fit_bags(designed, units, balance[units.labels] / variants)

    def _make_scales(
        self, own: npt.NDArray[np.float64], strengths: Sequence[float]
    ) -> npt.NDArray[np.float64]:
        """Return the matrix (F, F + priors) from centred features to what is fitted."""
        spread = own.std(axis=0)
        spread[spread < _SMALLEST_SPREAD] = np.inf  # a constant feature gets no weight
        sizes = [block.size for block in self.blocks]
        columns = [np.diag(np.repeat(strengths, sizes) / spread)]
        for block, start in zip(self.blocks, np.cumsum([0, *sizes]), strict=False):
            if block.prior is not None:
                column = np.zeros((len(spread), 1))
                column[start : start + block.size, 0] = block.prior
                column *= _PRIOR_STRENGTH / max((own @ column).std(), _SMALLEST_SPREAD)
                columns.append(column)
        return np.hstack(columns)
