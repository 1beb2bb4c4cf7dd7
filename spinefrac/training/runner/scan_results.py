"""What a run by scan saves: one prediction a scan, and what is known of the slices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spinefrac.errors import TrainingError
from spinefrac.evaluation import calibration
from spinefrac.evaluation.scans.free_response import ScanSlices
from spinefrac.evaluation.scans.scan_metrics import ScanMetrics, compute_scan_metrics
from spinefrac.evaluation.series_pooling import pool_scans, pool_series
from spinefrac.records import Dataset, OutOfFoldPredictions
from spinefrac.training.bags import NO_BAG, Units
from spinefrac.training.settings import FROZEN_NETWORKS, TrainingSettings

TEMPERATURE_METHOD = (
    "temperature scaling on out-of-fold logits of scans, the highest mean of three neighbouring "
    "slice logits; out-of-fold probabilities use the temperature of the other folds, new slices "
    "that of all folds, on the mean logit of the ensemble; the threshold was chosen on the same "
    "out-of-fold probabilities of scans that the metrics describe"
)


@dataclass(frozen=True)
class ScanResults:
    """Out-of-fold predictions of slices and of their scans.

    Attributes
    ----------
    slices, scans : OutOfFoldPredictions
        N and M rows, with calibrated probabilities.
    temperature : float
    """

    slices: OutOfFoldPredictions
    scans: OutOfFoldPredictions
    temperature: float


def number_bags(dataset: Dataset, settings: TrainingSettings) -> npt.NDArray[np.int64] | None:
    """Return bag and place of each slice (N, 2); None where each label is of its slice.

    Raises
    ------
    TrainingError
        There are bags, and the network is not one whose head alone is fitted.
    """
    if not dataset.has_bags:
        return None
    if not settings.fits_head_only:
        raise TrainingError(
            f"labels of scans or levels teach the networks {' and '.join(FROZEN_NETWORKS)} without "
            f"thaw, not {settings.network} as it is set: choose one of them, or label slices"
        )
    names = np.array([item.bag for item in dataset.items], dtype=np.str_)
    numbers = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return np.stack([np.where(names == "", NO_BAG, numbers), dataset.positions], axis=1)


def collect_results(slices: OutOfFoldPredictions, dataset: Dataset) -> ScanResults:
    """Calibrate by scan, and pool the slices of each.

    Parameters
    ----------
    slices : OutOfFoldPredictions
        With logits; its probabilities are replaced.
    dataset : Dataset
        Of scans; rows as in `slices`.
    """
    _, codes = np.unique([item.scan for item in dataset.items], return_inverse=True)
    of_scan = np.bincount(codes, slices.labels) > 0
    bags = np.stack([codes, slices.positions], axis=1).astype(np.int64)
    units = Units.collect(of_scan[codes].astype(np.int64), bags)
    logits, labels = units.pool(slices.logits), units.labels
    folds = slices.folds[[rows[0] for rows in units.bags]]
    probabilities = np.empty(len(slices.logits))
    for fold in np.unique(folds):
        others, held_out = folds != fold, slices.folds == fold
        temperature = calibration.fit_temperature(logits[others], labels[others])
        probabilities[held_out] = calibration.apply_temperature(
            slices.logits[held_out], temperature
        )
    calibrated = replace(slices, probabilities=probabilities)
    return ScanResults(
        calibrated,
        pool_scans(calibrated, [item.scan for item in dataset.items]),
        calibration.fit_temperature(logits, labels),
    )


def pool_baselines(
    scores: dict[str, list[float]], slices: OutOfFoldPredictions, dataset: Dataset
) -> dict[str, list[float]]:
    """Return the scores of the audit's baselines by scan, in the order of `ScanResults.scans`."""
    rows_of = _list_rows(slices, dataset)
    return {
        name: [pool_series(np.asarray(values)[rows])[0] for rows in rows_of]
        for name, values in scores.items()
    }


def measure_slices(results: ScanResults, dataset: Dataset) -> ScanMetrics:
    """Return what is known of the slices of the scans."""
    order = np.concatenate(_list_rows(results.slices, dataset))
    slices, scans = results.slices, results.scans
    return compute_scan_metrics(
        ScanSlices(
            scans=np.array([item.scan for item in dataset.items])[order],
            groups=slices.groups[order],
            labels=slices.labels[order],
            is_own=np.array([not (item.bag and item.label) for item in dataset.items])[order],
            scores=slices.probabilities[order],
        ),
        scans.labels,
        scans.probabilities,
        scans.groups,
    )


def _list_rows(slices: OutOfFoldPredictions, dataset: Dataset) -> list[npt.NDArray[np.int64]]:
    """Return the rows of each scan in the order of its slices, scans by name."""
    names = np.array([item.scan for item in dataset.items])
    positions = np.array(slices.positions)
    found = []
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        found.append(rows[np.argsort(positions[rows], kind="stable")])
    return found
