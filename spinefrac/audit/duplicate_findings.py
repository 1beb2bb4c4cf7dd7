"""Findings on slices that are in a data set more than once."""

from __future__ import annotations

from collections.abc import Iterator

from spinefrac.audit.features import DatasetFeatures
from spinefrac.audit.report import Audit, Finding
from spinefrac.records import Dataset
from spinefrac.wording import format_count

#: Share of augmented copies from which they call for caution.
MAX_AUGMENTED_SHARE = 0.1


def find_crossing_groups(dataset: Dataset) -> list[str]:
    """Return the groups that have slices in more than one of train, val and test."""
    splits: dict[str, set[str]] = {}
    for item in dataset.items:
        splits.setdefault(item.group, set()).add(item.split)
    return sorted(group for group, where in splits.items() if len(where) > 1)


def find_duplicate_findings(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    """Yield what is there more than once, and whether that crosses classes or splits."""
    yield from _find_contradicting_duplicates(features)
    yield from _find_crossing_splits(features)
    yield from _find_exact_duplicates(audit, features)
    yield from _find_augmented_copies(audit, features)
    yield from _find_near_duplicates(features)


def _find_contradicting_duplicates(features: DatasetFeatures) -> Iterator[Finding]:
    items = features.examination.dataset.items
    contradicting = [
        rows
        for rows in features.examination.duplicates.exact
        if len({items[row].label for row in rows}) > 1
    ]
    if contradicting:
        yield Finding(
            "contradicting_duplicates",
            "caution",
            f"{format_count(len(contradicting), 'slice is', 'slices are')} in both classes. No "
            "model can be correct on both files, so metrics are too low and training is "
            "disturbed. Keep the file with the correct label and delete the other.",
            len(contradicting),
            features.first_paths(row for rows in contradicting for row in rows),
        )


def _find_crossing_splits(features: DatasetFeatures) -> Iterator[Finding]:
    dataset = features.examination.dataset
    crossing = find_crossing_groups(dataset)
    if not crossing:
        return
    groups = set(crossing)
    rows = [row for row, item in enumerate(dataset.items) if item.group in groups]
    yield Finding(
        "crossing_splits",
        "caution",
        f"{format_count(len(crossing), 'group has', 'groups have')} slices in more than one of "
        "the train, val and test folders. A metric on such a test folder is measured on patients "
        "that the model was trained on. Ignore these folders and split by patient, as "
        "cross-validation here does.",
        len(crossing),
        features.first_paths(rows),
    )


def _find_exact_duplicates(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    count = audit.exact_duplicates
    if count:
        duplicates = format_count(count, "file is an exact duplicate", "files are exact duplicates")
        yield Finding(
            "exact_duplicates",
            "ok",
            f"{duplicates} of another. Duplicates stay on one side of every split. Delete them to "
            "make the data set smaller.",
            count,
            features.first_paths(
                row for rows in features.examination.duplicates.exact for row in rows
            ),
        )


def _find_augmented_copies(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    copies = audit.augmented_copies
    if not copies:
        return
    crossing = len(features.copies_across_splits)
    if crossing:
        advice = (
            f"Of {format_count(crossing, 'copy', 'copies')}, the slice or another copy of it lies "
            "in another of the train, val and test folders, so a metric on such a folder is "
            "measured on slices that the model was trained on. Delete these copies, or ignore the "
            "folders, as cross-validation here does."
        )
    else:
        advice = (
            "With a random split, a model is tested on copies of what it was trained on. Here "
            "copies stay with their slice. You can delete them: training makes its own."
        )
    yield Finding(
        "augmented_copies",
        "caution" if crossing or copies > MAX_AUGMENTED_SHARE * audit.images else "ok",
        f"{copies:,} of {audit.images:,} files are augmented copies of another (rotated, mirrored, "
        "sharpened or brightened, with the same noise or by their names), so there are about "
        f"{audit.images - copies:,} different slices. {advice}",
        copies,
        features.first_paths(features.copies_across_splits or features.augmented_copies),
    )


def _find_near_duplicates(features: DatasetFeatures) -> Iterator[Finding]:
    found = features.examination.duplicates
    pairs = sorted(set(found.near) - set(found.altered))
    if pairs:
        yield Finding(
            "near_duplicates",
            "ok",
            f"{format_count(len(pairs), 'pair')} of near duplicates under names of different "
            "groups: the same slice, resized or compressed again, or neighbouring slices of one "
            "patient. Their groups are merged, so they stay on one side of every split, and "
            "nothing has to be deleted. If many names are of one patient, correct the groups.",
            len(pairs),
            features.first_paths(row for pair in pairs for row in pair),
        )
