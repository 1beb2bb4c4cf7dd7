"""A first estimate of the out-of-fold AUC, in minutes and without a model: of frozen features.

The backbones of `compact_lite0` stay as they are, so one pass over the slices is enough; grouped
folds of heads on those features then take seconds. `lite0` is a part of the same features, and is
scored beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac.data.scan import load_inputs, scan
from spinefrac.data.splits import assign_folds, count_folds
from spinefrac.evaluation.calibration import apply_temperature
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.records import Dataset
from spinefrac.training import networks
from spinefrac.training.frozen.features import FeatureLoader, FeatureRequest
from spinefrac.training.frozen.logistic_head import fit_head
from spinefrac.training.frozen.network_head import build_pooled_model, list_blocks
from spinefrac.training.settings import TrainingSettings
from spinefrac.wording import (
    CONFIDENCE_INTERVAL_SHORT,
    format_count,
    format_interval,
    format_number,
)

#: Slices that are scored at most, of whole groups: about a minute on two cores.
MAX_SLICES = 3000
_NETWORK = "compact_lite0"


@dataclass(frozen=True, slots=True)
class NetworkEstimate:
    """The out-of-fold AUC of a network whose head alone was fitted; `low` and `high`: 95 % CI."""

    network: str
    auc: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A first estimate of a data set.

    Attributes
    ----------
    fingerprint : str
        Of the data set.
    images : int
    scored : int
        Slices that the estimate rests on: all, or `MAX_SLICES` of whole groups.
    groups, folds : int
        Among those that were scored.
    networks : tuple of NetworkEstimate
        The one with the highest AUC first.
    seconds : float
    """

    fingerprint: str
    images: int
    scored: int
    groups: int
    folds: int
    networks: tuple[NetworkEstimate, ...]
    seconds: float

    @property
    def proposed(self) -> str:
        """The network with the highest AUC."""
        return self.networks[0].network

    def describe(self) -> list[str]:
        """Return what was found as sentences."""
        sentences = [
            f"{one.network}: out-of-fold AUC {format_number(one.auc)} "
            f"({CONFIDENCE_INTERVAL_SHORT} {format_interval((one.low, one.high))})."
            for one in self.networks
        ]
        return [
            *sentences,
            f"A first estimate, from frozen features of {self.scored:,} of {self.images:,} slices "
            f"({format_count(self.groups, 'group')}) in {format_count(self.folds, 'fold')}; "
            "augmentation is left out, and no model is saved.",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything in JSON's types."""
        return {**asdict(self), "networks": [asdict(one) for one in self.networks]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Estimate:
        """Rebuild from what `to_dict` gave."""
        found = tuple(NetworkEstimate(**one) for one in data["networks"])
        return cls(**{**data, "networks": found})


def estimate_folder(
    folder: Path,
    settings: TrainingSettings,
    progress: Callable[[int, int], None] | None = None,
) -> Estimate:
    """Score frozen features of a folder by grouped cross-validation.

    Parameters
    ----------
    folder : path
        Labelled slices, see `spinefrac.data.scan.scan`.
    settings : TrainingSettings
        Folds, grouping, preprocessing, class weights and seed count; the others do not.
    progress : callable, optional
        Called with parts of the work that are done, and all of them.

    Raises
    ------
    DatasetError
        The folder cannot be read, or no folds can be made.
    """
    started = time.perf_counter()
    report = _Stages(progress)
    dataset = scan(folder, group_by=settings.group_by, progress=report.begin(0))
    inputs = load_inputs(dataset, settings.preprocessing, report.begin(1))
    rows = choose_rows(dataset, settings.seed)
    labels, groups = dataset.labels[rows], dataset.groups[rows]
    folds = assign_folds(labels, groups, settings.folds, settings.seed)
    # As in training, which finds these features again.
    model = networks.build_network(
        _NETWORK, settings.preprocessing.size, "spine", fused_batch_norm=True
    )
    request = FeatureRequest(
        np.asarray(inputs[rows]), 0, settings.augmentation, settings.seed, settings.batch_size
    )
    features = FeatureLoader(build_pooled_model(model), request).load(0, report.begin(2))
    blocks, found = list_blocks(model), []
    for name, count in ((_NETWORK, len(blocks)), ("lite0", 1)):
        width = sum(block.size for block in blocks[:count])
        logits = np.empty(len(rows))
        for fold in range(count_folds(folds)):
            own, held_out = np.flatnonzero(folds != fold), folds == fold
            head = fit_head(
                features[None, own, :width],
                labels[own],
                groups[own],
                blocks[:count],
                class_weights=settings.class_weights,
                seed=settings.seed,
            )
            logits[held_out] = head.predict(features[held_out, :width])
        found.append(_score(name, logits, labels, groups))
    return Estimate(
        fingerprint=dataset.fingerprint,
        images=len(dataset.items),
        scored=len(rows),
        groups=len(np.unique(groups)),
        folds=count_folds(folds),
        networks=tuple(sorted(found, key=lambda one: -one.auc)),
        seconds=round(time.perf_counter() - started, 1),
    )


def choose_rows(dataset: Dataset, seed: int) -> npt.NDArray[np.int64]:
    """Return the rows of whole groups, drawn at random, with `MAX_SLICES` at most."""
    if len(dataset.items) <= MAX_SLICES:
        return np.arange(len(dataset.items))
    names, of_row, sizes = np.unique(dataset.groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    chosen = order[np.cumsum(sizes[order]) <= MAX_SLICES]
    return np.flatnonzero(np.isin(of_row, chosen))


def _score(
    network: str,
    logits: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.str_],
) -> NetworkEstimate:
    metrics = compute_metrics(labels, apply_temperature(logits, temperature=1.0), groups, 0.5)
    low, high = metrics.ci["auc"]
    return NetworkEstimate(network, float(metrics.auc or 0.0), float(low), float(high))


class _Stages:
    """One progress of three stages: reading, preprocessing, features, each a third."""

    _PARTS = 1000

    def __init__(self, progress: Callable[[int, int], None] | None) -> None:
        self._progress = progress

    def begin(self, stage: int) -> Callable[[int, int], None]:
        """Return the function that reports a stage's (done, total)."""

        def report(done: int, total: int) -> None:
            if self._progress:
                share = done / max(total, 1)
                self._progress(round(self._PARTS * (stage + share)), 3 * self._PARTS)

        return report
