"""The audit itself: examine a folder, compute baselines and findings, save the result."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spinefrac.audit import cache, label_errors
from spinefrac.audit.baselines import predict_out_of_fold
from spinefrac.audit.duplicate_findings import find_crossing_groups
from spinefrac.audit.features import DatasetFeatures, count_by_class, rows_by_value
from spinefrac.audit.findings import add_findings
from spinefrac.audit.report import Audit, Baseline, GroupRow
from spinefrac.audit.shortcut_findings import leak_gap
from spinefrac.data import group_overrides
from spinefrac.data.file_metadata import PRIVACY_ISSUES
from spinefrac.data.folder_layouts import FolderLike, list_labelled_files
from spinefrac.data.scan import Examination, ProgressCallback, examine


def audit_folder(
    folder: FolderLike,
    *,
    group_by: str = "auto",
    progress: ProgressCallback | None = None,
    fresh: bool = False,
) -> Audit:
    """Check a data set for leakage, duplicates and shortcuts, and compute its baselines.

    The result is saved under ``HOME/runs/audits``; for a folder whose files have the same names,
    sizes and times it is read from there.

    Parameters
    ----------
    folder : path or FolderListing
        Labelled slices, in one of the layouts of `spinefrac.data.folder_layouts`; a listing is
        not made again.
    group_by : str
        See `spinefrac.data.groups.assign_groups`.
    progress : callable, optional
        Called with the number of files done and of all files.
    fresh : bool
        Audit again even where a result is saved.

    Returns
    -------
    Audit

    Raises
    ------
    DatasetError
        If the folder cannot be read as a data set.
    """
    listing = list_labelled_files(folder)
    key = cache.hash_listing(listing, group_by)
    result = None if fresh else cache.find_by_listing(key)
    if result is None:
        result = audit_examination(
            examine(listing, group_by=group_by, progress=progress), fresh=fresh
        )
    return result


def audit_examination(examination: Examination, *, fresh: bool = False) -> Audit:
    """Audit a folder that has been examined, or return the saved audit of the same contents."""
    stamp = cache.hash_examination(examination)
    result = None if fresh else cache.find_by_stamp(examination.dataset.fingerprint, stamp)
    if result is None:
        result = _compute_audit(DatasetFeatures(examination))
        cache.save_result(result, stamp, group_overrides.groups_to_csv(examination.dataset))
    cache.save_listing(cache.hash_listing(examination.listing, examination.group_by), result)
    return result


def score_baselines_in_folds(
    examination: Examination, folds: npt.NDArray[np.int64]
) -> dict[str, list[float]]:
    """Return the out-of-fold scores of the baselines in the folds of a training, each (N,).

    By the names of `spinefrac.evaluation.baseline_comparison.BASELINES`, so that a trained model is
    compared with them on the same slices and folds.
    """
    features = DatasetFeatures(examination)
    targets = features.labels[:, None].astype(float)
    inputs: dict[str, npt.NDArray[np.generic]] = {
        "thumbnails": features.thumbnails,
        "properties": features.feature_matrix,
    }
    return {
        name: predict_out_of_fold(columns, targets, folds)[:, 0].tolist()
        for name, columns in inputs.items()
    }


def _compute_audit(features: DatasetFeatures) -> Audit:
    """Compute everything and add the findings."""
    examination = features.examination
    dataset, labels = examination.dataset, features.labels
    thumbnails = _score_baselines(features, features.thumbnails)
    properties = _score_baselines(features, features.feature_matrix)
    groups = _count_by_group(features)
    audit = Audit(
        images=len(labels),
        fingerprint=dataset.fingerprint,
        unreadable=tuple({"path": u.path, "reason": u.reason} for u in dataset.unreadable),
        classes={"fracture": int(labels.sum()), "normal": int((labels == 0).sum())},
        groups=len(groups),
        group_rule=dataset.group_rule,
        groups_with_both=sum(row.fracture > 0 and row.normal > 0 for row in groups),
        group_table=tuple(sorted(groups, key=lambda row: -(row.fracture + row.normal))),
        exact_duplicates=sum(len(rows) - 1 for rows in examination.duplicates.exact),
        near_duplicates=len(examination.duplicates.near),
        augmented_copies=len(features.augmented_copies),
        crossing_splits=len(find_crossing_groups(dataset)),
        naive_baseline=thumbnails["naive"],
        grouped_baseline=thumbnails["grouped"],
        feature_baselines=properties,
        leak_gap=_max_leak_gap(thumbnails, properties),
        shuffled_label_auc=features.shuffled_label_auc(),
        counts=_count_by_property(features),
        privacy=_count_privacy_issues(examination),
        copies=features.example_copy_sets(),
        properties=features.properties,
        suspects=label_errors.suspects_from_baseline(features, thumbnails["grouped"]),
        notes=dataset.notes,
        details=dataset.details,
    )
    return add_findings(audit, features)


def _score_baselines(
    features: DatasetFeatures, inputs: npt.NDArray[np.generic]
) -> dict[str, Baseline]:
    """Return the baseline on `inputs`, shape (N, D), in random and in grouped folds."""
    return {
        "naive": features.score_linear_model(inputs, grouped=False),
        "grouped": features.score_linear_model(inputs, grouped=True),
    }


def _max_leak_gap(*baselines: dict[str, Baseline]) -> float | None:
    """Return the largest leakage gap of some baselines; None where none is defined."""
    gaps = [leak_gap(pair["naive"], pair["grouped"]) for pair in baselines]
    return max((gap for gap in gaps if gap is not None), default=None)


def _count_by_group(features: DatasetFeatures) -> list[GroupRow]:
    labels = features.labels
    return [
        GroupRow(
            str(features.groups[rows[0]]), int(labels[rows].sum()), int((labels[rows] == 0).sum())
        )
        for rows in rows_by_value(features.groups)
    ]


def _count_by_property(features: DatasetFeatures) -> dict[str, dict[str, dict[str, int]]]:
    """Count the slices of each class by the values of each property of their files."""
    dataset, metadata = features.examination.dataset, features.examination.metadata
    values: dict[str, list[str]] = {
        "split": [item.split for item in dataset.items],
        "format": [file.format for file in metadata],
        "bits": [str(file.bits) for file in metadata],
        "mode": [file.mode for file in metadata],
        "size": [file.size for file in metadata],
        "scanner": [file.scanner for file in metadata],
    }
    return {name: count_by_class(column, features.labels) for name, column in values.items()}


def _count_privacy_issues(examination: Examination) -> dict[str, int]:
    return {
        issue: sum(number in file.privacy_issues for file in examination.metadata)
        for number, issue in enumerate(PRIVACY_ISSUES)
    }
