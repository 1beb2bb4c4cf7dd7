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
    if copies:
        yield Finding(
            "augmented_copies",
            "caution" if copies > MAX_AUGMENTED_SHARE * audit.images else "ok",
            f"{copies:,} of {audit.images:,} files are augmented copies of another (rotated, "
            f"mirrored or otherwise changed), so there are about {audit.images - copies:,} "
            "different slices. With a random split, a model is tested on copies of what it was "
            "trained on. Here copies stay with their slice. Delete them; training makes its own.",
            copies,
            features.first_paths(features.augmented_copies),
        )


def _find_near_duplicates(features: DatasetFeatures) -> Iterator[Finding]:
    found = features.examination.duplicates
    pairs = sorted(set(found.near) - set(found.rotated))
    if pairs:
        yield Finding(
            "near_duplicates",
            "ok",
            f"{format_count(len(pairs), 'pair')} of near duplicates: the same slice resized or "
            "compressed again, or neighbouring slices of a thin series. They stay on one side of "
            "every split, and count for less than independent slices.",
            len(pairs),
            features.first_paths(row for pair in pairs for row in pair),
        )
