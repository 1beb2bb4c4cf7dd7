"""Names of classes and of splits, as folders and tables spell them."""

from __future__ import annotations

import re

#: Accepted names of the two classes, normalised as `normalise_name` does.
POSITIVE_NAMES = ("fracture", "fractured", "positive", "abnormal", "yes", "1")
NEGATIVE_NAMES = (
    "normal", "no fracture", "nofracture", "not fractured", "negative", "healthy", "no", "0",
)  # fmt: skip
#: Both, for messages.
ACCEPTED_NAMES = f"{', '.join(POSITIVE_NAMES)} against {', '.join(NEGATIVE_NAMES)}"
#: Folder names of a split level, and the split they stand for.
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

_LABELS = dict.fromkeys(NEGATIVE_NAMES, 0) | dict.fromkeys(POSITIVE_NAMES, 1)


def normalise_name(name: str) -> str:
    """Return a class name in lower case, with one blank for blanks, ``_`` and ``-``."""
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold())).strip()


def parse_class_label(name: str) -> int | None:
    """Return the label that a class name stands for, or None where it is not one.

    >>> parse_class_label("No-Fracture"), parse_class_label("POSITIVE"), parse_class_label("cats")
    (0, 1, None)
    """
    return _LABELS.get(normalise_name(name))


def parse_split(name: str) -> str:
    """Return the split that a name stands for, or an empty string where it is not one."""
    return SPLIT_NAMES.get(normalise_name(name), "")


def strip_class_folders(path: str) -> str:
    """Return a path without its folders that name a class or a split.

    >>> strip_class_folders("train/fracture/P7/scan 2/10.png")
    'P7/scan 2/10.png'
    """
    *folders, name = path.split("/")
    kept = [part for part in folders if parse_class_label(part) is None and not parse_split(part)]
    return "/".join((*kept, name))
