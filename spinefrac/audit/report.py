"""The result of an audit: numbers, findings, and one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

#: Verdicts, from good to bad. A finding's severity is one of them; ``ok`` findings are notes.
SEVERITIES = ("ok", "caution", "unusable")
#: Most files that a finding names.
MAX_EXAMPLES = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of the checks of a data set.

    Attributes
    ----------
    code : str
        Stable name for scripts.
    severity : str
        One of `SEVERITIES`.
    message : str
        What is so, what it means for metrics, and what to do.
    count : int
        Number of files, groups or pairs that the message is about.
    examples : tuple of str
        Paths relative to the data set's root.
    """

    code: str
    severity: str
    message: str
    count: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """AUC of a baseline on slices that it was not fitted on.

    Attributes
    ----------
    auc : float or None
    ci : (low, high) or None
        95 % interval over groups; None where there are too few of them.
    within : float or None
        AUC over pairs of slices of one group, where recognising the patient does not help;
        None where no group holds both classes.
    """

    auc: float | None
    ci: tuple[float, float] | None = None
    within: float | None = None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group: its name and its slices of each class."""

    group: str
    fracture: int
    normal: int


@dataclass(frozen=True, slots=True)
class CopySet:
    """Files that hold the same slice: `kind` is a key of `wording.DUPLICATE_KINDS`."""

    kind: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileProperty:
    """How well one property of the files alone separates the classes.

    Attributes
    ----------
    name : str
    auc : float
        0.5 and more: the better of both directions.
    ci : (low, high) or None
        95 % interval over groups.
    """

    name: str
    auc: float
    ci: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class SuspectLabel:
    """A suspected label error: `quality` is the label quality, 0 (surely wrong) to 1."""

    path: str
    label: str
    quality: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The result of an audit. `to_dict` gives the JSON object that scripts rely on.

    Attributes
    ----------
    naive_baseline, grouped_baseline : Baseline
        Of a linear model on 16×16 thumbnails, in random stratified folds and in grouped folds.
    feature_baselines : dict of str to Baseline
        The same for storage and brightness: ``naive`` and ``grouped``.
    leak_gap : float or None
        Leakage gap: how much AUC random folds add, the larger one of the two baselines. It is
        computed within groups, where that is defined: with several slices a patient, a random
        split always rewards recognising patients with many fractures, and grouped folds prevent
        that. A gap within patients remains: almost the same slices are on both sides, and what
        separates the classes in one patient does not in the next.
    shuffled_label_auc : float or None
        Grouped AUC of the thumbnails with shuffled labels, mean of some shuffles.
    counts : dict
        Slices by split, format, bits, mode, size and scanner: for each value, most frequent
        first, the number of each class.
    copies : tuple of CopySet
        The first sets of duplicates of each kind.
    properties : tuple of FileProperty
        The properties that separate the classes best by themselves, the best first.
    """

    images: int
    fingerprint: str
    unreadable: tuple[dict[str, str], ...]
    classes: dict[str, int]
    groups: int
    group_rule: str
    groups_with_both: int
    group_table: tuple[GroupRow, ...]
    exact_duplicates: int
    near_duplicates: int
    augmented_copies: int
    crossing_splits: int
    naive_baseline: Baseline
    grouped_baseline: Baseline
    feature_baselines: dict[str, Baseline]
    leak_gap: float | None
    shuffled_label_auc: float | None
    counts: dict[str, dict[str, dict[str, int]]]
    privacy: dict[str, int]
    copies: tuple[CopySet, ...] = ()
    properties: tuple[FileProperty, ...] = ()
    suspects: tuple[SuspectLabel, ...] = ()
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    @property
    def verdict(self) -> str:
        """``ok``, ``caution`` or ``unusable``: as bad as the worst finding."""
        worst = max((SEVERITIES.index(f.severity) for f in self.findings), default=0)
        return SEVERITIES[worst]

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and None, ready for JSON."""
        return {**asdict(self), "verdict": self.verdict}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Audit:
        """Rebuild an audit from the result of `to_dict`, also after JSON."""
        plain = {key: value for key, value in data.items() if key != "verdict"}
        return cls(
            **{
                **plain,
                "unreadable": tuple(data["unreadable"]),
                "group_table": tuple(GroupRow(**row) for row in data["group_table"]),
                "naive_baseline": _baseline(data["naive_baseline"]),
                "grouped_baseline": _baseline(data["grouped_baseline"]),
                "feature_baselines": {
                    name: _baseline(entry) for name, entry in data["feature_baselines"].items()
                },
                "copies": tuple(
                    CopySet(entry["kind"], tuple(entry["paths"])) for entry in data["copies"]
                ),
                "properties": tuple(
                    FileProperty(entry["name"], entry["auc"], _interval(entry["ci"]))
                    for entry in data["properties"]
                ),
                "suspects": tuple(SuspectLabel(**entry) for entry in data["suspects"]),
                "notes": tuple(data["notes"]),
                "details": tuple(data["details"]),
                "findings": tuple(
                    Finding(**{**entry, "examples": tuple(entry["examples"])})
                    for entry in data["findings"]
                ),
            }
        )


def _baseline(data: dict[str, Any]) -> Baseline:
    return Baseline(data["auc"], _interval(data["ci"]), data["within"])


def _interval(data: Sequence[float] | None) -> tuple[float, float] | None:
    return (data[0], data[1]) if data else None
