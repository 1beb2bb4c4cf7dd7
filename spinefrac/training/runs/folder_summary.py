"""What a folder holds, as far as a run has to know it before it is queued."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from spinefrac.records import Dataset
from spinefrac.training.runs.records import FolderSummary

if TYPE_CHECKING:
    from spinefrac.audit import Audit
    from spinefrac.data.preview import FolderPreview


def summarize_folder(
    folder: str | os.PathLike[str],
    group_by: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    *,
    list_only: bool = False,
) -> FolderSummary:
    """Summarise a folder: from the saved audit of the unchanged folder, else by reading it.

    Parameters
    ----------
    folder : path
    group_by : str
        See `spinefrac.data.scan.scan`.
    progress : callable, optional
        Called with the number of files done and of all files.
    list_only : bool
        Open no slice where there is no saved audit. Groups and fingerprint then stay unknown.

    Raises
    ------
    DatasetError
        The folder is missing or empty, holds one class only, or cannot be grouped so.
    """
    from spinefrac.audit import cache
    from spinefrac.data import folder_layouts, scan

    listing = folder_layouts.list_labelled_files(folder)
    audit = cache.find_by_listing(cache.hash_listing(listing, group_by))
    if audit is not None:
        return summarize_audit(audit)
    if not list_only:
        dataset = scan.scan(listing, group_by=group_by, progress=progress, allow_scans=True)
        return _summarize_dataset(dataset)
    fracture = sum(file.label for file in listing.files)
    return FolderSummary(
        images=len(listing.files),
        fracture=fracture,
        normal=len(listing.files) - fracture,
        notes=listing.notes,
    )


def summarize_audit(audit: Audit) -> FolderSummary:
    """Summarise the folder that an audit describes."""
    return FolderSummary(
        images=audit.images,
        fracture=audit.classes["fracture"],
        normal=audit.classes["normal"],
        groups=audit.groups,
        group_rule=audit.group_rule,
        fingerprint=audit.fingerprint,
        unreadable=tuple((entry["path"], entry["reason"]) for entry in audit.unreadable),
        notes=tuple(audit.notes),
        group_counts=tuple((row.group, row.fracture, row.normal) for row in audit.group_table),
    )


def summarize_preview(preview: FolderPreview) -> FolderSummary:
    """Summarise a folder of which only the file names are known."""
    normal, fracture = preview.class_counts
    return FolderSummary(
        images=preview.image_count, fracture=fracture, normal=normal, notes=preview.notes
    )


def _summarize_dataset(dataset: Dataset) -> FolderSummary:
    counts: dict[str, list[int]] = {}
    for item in dataset.items:
        counts.setdefault(item.group, [0, 0])[item.label] += 1
    fracture = int(dataset.labels.sum())
    return FolderSummary(
        images=len(dataset.items),
        fracture=fracture,
        normal=len(dataset.items) - fracture,
        groups=len(counts),
        group_rule=dataset.group_rule,
        fingerprint=dataset.fingerprint,
        unreadable=tuple((entry.path, entry.reason) for entry in dataset.unreadable),
        notes=dataset.notes,
        group_counts=tuple((group, pair[1], pair[0]) for group, pair in counts.items()),
    )
