"""The audit itself: examine a folder, measure, judge; keep the result and find it again."""

from __future__ import annotations

import numpy as np

from spinefrac.audit import cache, findings, label_errors
from spinefrac.audit.features import DatasetFeatures, count_by_class, rows_by_value
from spinefrac.audit.report import Audit, Baseline, GroupRow
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
    """Say what is in a folder, what leaks, and what a trivial model already gets.

    The result is kept under ``HOME/runs/audits``; for a folder whose files have the same names,
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
        Look again even where a result is kept.

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
    """Audit a folder that has been examined, or return what is kept of the same examination."""
    stamp = cache.hash_examination(examination)
    result = None if fresh else cache.find_by_stamp(examination.dataset.fingerprint, stamp)
    if result is None:
        result = _compute_audit(DatasetFeatures(examination))
        cache.save_result(result, stamp, group_overrides.groups_to_csv(examination.dataset))
    cache.save_listing(cache.hash_listing(examination.listing, examination.group_by), result)
    return result


def _compute_audit(dataset_features: DatasetFeatures) -> Audit:
    """Compute everything and judge it."""
    examined = dataset_features.examination
    dataset, facts = examined.dataset, examined.metadata
    labels = dataset_features.labels
    columns = dataset_features.features
    features = (
        np.stack(list(columns.values()), axis=1)
        if columns
        else np.zeros((len(labels), 1), dtype=np.float32)
    )
    naive = dataset_features.score_linear_model(dataset_features.thumbnails, grouped=False)
    grouped = dataset_features.score_linear_model(dataset_features.thumbnails, grouped=True)
    by_features = {
        "naive": dataset_features.score_linear_model(features, grouped=False),
        "grouped": dataset_features.score_linear_model(features, grouped=True),
    }
    rows = [
        GroupRow(
            str(dataset_features.groups[r[0]]), int(labels[r].sum()), int((labels[r] == 0).sum())
        )
        for r in rows_by_value(dataset_features.groups)
    ]
    report = Audit(
        images=len(labels),
        fingerprint=dataset.fingerprint,
        unreadable=tuple({"path": u.path, "reason": u.reason} for u in dataset.unreadable),
        classes={"fracture": int(labels.sum()), "normal": int((labels == 0).sum())},
        groups=len(rows),
        group_rule=dataset.group_rule,
        groups_with_both=sum(row.fracture > 0 and row.normal > 0 for row in rows),
        group_table=tuple(sorted(rows, key=lambda row: -(row.fracture + row.normal))),
        exact_duplicates=sum(len(rows) - 1 for rows in examined.duplicates.exact),
        near_duplicates=len(examined.duplicates.near),
        augmented_copies=len(dataset_features.augmented_copies),
        crossing_splits=len(findings.find_crossing_groups(dataset)),
        naive_baseline=naive,
        grouped_baseline=grouped,
        feature_baselines=by_features,
        leak_gap=_max_leak_gap((naive, grouped), (by_features["naive"], by_features["grouped"])),
        shuffled_label_auc=dataset_features.shuffled_label_auc(),
        counts={
            kind: count_by_class(values, labels)
            for kind, values in {
                "split": (item.split for item in dataset.items),
                "format": (fact.format for fact in facts),
                "bits": (str(fact.bits) for fact in facts),
                "mode": (fact.mode for fact in facts),
                "size": (fact.size for fact in facts),
                "scanner": (fact.scanner for fact in facts),
            }.items()
        },
        privacy={
            kind: sum(number in fact.privacy_issues for fact in facts)
            for number, kind in enumerate(PRIVACY_ISSUES)
        },
        copies=dataset_features.example_copy_sets(),
        properties=dataset_features.properties,
        suspects=label_errors.suspects_from_baseline(dataset_features, grouped),
        notes=dataset.notes,
    )
    return findings.add_findings(report, dataset_features)


def _max_leak_gap(*pairs: tuple[Baseline, Baseline]) -> float | None:
    """Return the largest difference between plain and grouped AUC."""
    gaps = [findings.leak_gap(naive, grouped) for naive, grouped in pairs]
    return max((gap for gap in gaps if gap is not None), default=None)
