"""Names of classes and of splits, as folders and tables spell them."""

from __future__ import annotations

import re

#: Accepted names of the two classes, normalised as `normalise_name` does, for people. Their
#: plurals, and more that mean the same, are accepted too: see `parse_class_label`.
POSITIVE_NAMES = ("fracture", "fractured", "positive", "abnormal", "yes", "1")
NEGATIVE_NAMES = (
    "normal", "no fracture", "nofracture", "not fractured", "negative", "healthy", "no", "0",
)  # fmt: skip
#: Both, for messages.
ACCEPTED_NAMES = f"{', '.join(POSITIVE_NAMES)} against {', '.join(NEGATIVE_NAMES)}"
#: Folder names of a split level, and the split they stand for.
SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

_FRACTURE = r"(?:fracture[sd]?|frac|fx)"
_NO = r"(?:no|non|not|without|un)"
_NORMAL = r"(?:normals?|healthy|intact|controls?)"
#: Words that say what is in a folder, not of which class it is.
_CONTENT = frozenset(
    """
    ct cts class label slice slices image images img imgs picture pictures scan scans case cases
    patient patients spine spines vertebra vertebrae bone bones cervical thoracic lumbar data
    """.split()  # noqa: SIM905 - a word list reads better as words
)
_PRESENT, _ABSENT = "(?:positives?|pos|present|yes)", "(?:negatives?|neg|absent|free|no)"
_POSITIVE = re.compile(
    rf"(?:with )?{_FRACTURE}(?: {_PRESENT})?|abnormals?|positives?|pos|{_NO} ?{_NORMAL}"
)
_NEGATIVE = re.compile(rf"{_NO} ?{_FRACTURE}|{_FRACTURE} ?{_ABSENT}|{_NORMAL}|negatives?|neg")
#: Answers to "fracture?", which stand alone; numbers in a table also as pandas writes them.
_ANSWERS = {"yes": 1, "true": 1, "1": 1, "1.0": 1, "no": 0, "false": 0, "0": 0, "0.0": 0}


def normalise_name(name: str) -> str:
    """Return a class name in lower case, one blank for blanks, ``_``, ``-``, dots, brackets."""
    return " ".join(re.split(r"[\s_\-.()\[\]]+", name.strip().casefold())).strip()


def parse_class_label(name: str) -> int | None:
    """Return the label that a class name stands for, or None where it is not one.

    A number in front and words such as ``CT`` or ``slices`` around the name do not matter.

    >>> parse_class_label("No-Fracture"), parse_class_label("POSITIVE"), parse_class_label("cats")
    (0, 1, None)
    >>> parse_class_label("0_Normal CT"), parse_class_label("non_fractured")
    (0, 0)
    """
    normalised = normalise_name(name)
    answer = re.sub(r"^(?:class|label) ", "", normalised)
    if (label := _ANSWERS.get(name.strip(), _ANSWERS.get(answer))) is not None:
        return label
    # One or two digits in front number the classes; more may be the number of a patient.
    words = re.sub(r"^\d\d? ", "", normalised).split(" ")
    core = " ".join(word for word in words if word not in _CONTENT)
    if _NEGATIVE.fullmatch(core):
        return 0
    return 1 if _POSITIVE.fullmatch(core) else None


def parse_split(name: str) -> str:
    """Return the split that a name stands for, or an empty string where it is not one.

    >>> parse_split("Valid"), parse_split("train_set"), parse_split("fold 1")
    ('val', 'train', '')
    """
    word, _, rest = normalise_name(name).partition(" ")
    return SPLIT_NAMES.get(word, "") if rest in {"", "set", "split", "dataset"} | _CONTENT else ""


def strip_class_folders(path: str) -> str:
    """Return a path without its folders that name a class or a split.

    >>> strip_class_folders("train/fracture/P7/scan 2/10.png")
    'P7/scan 2/10.png'
    """
    *folders, name = path.split("/")
    kept = [part for part in folders if parse_class_label(part) is None and not parse_split(part)]
    return "/".join((*kept, name))
