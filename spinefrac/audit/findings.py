"""From numbers to findings: what is so, what it means for scores, what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from spinefrac.audit.features import DatasetFeatures, rows_by_value
from spinefrac.audit.report import MAX_EXAMPLES, SEVERITIES, Audit, Baseline, Finding
from spinefrac.data.file_metadata import PRIVACY_ISSUES
from spinefrac.records import Dataset

#: Groups of a class under which nothing can be shown, and under which intervals are wide.
MIN_GROUPS, FEW_GROUPS = 3, 10
#: Grouped AUC of a trivial model from which the fracture need not be looked at.
SOLVED_AUC = 0.95
#: Difference of plain and grouped AUC from which a plain score is worthless, and questionable.
UNUSABLE_LEAK_GAP, CAUTION_LEAK_GAP = 0.25, 0.15
#: AUC from which a trivial model or a single property is a shortcut, and the lower end of its
#: interval, so that chance alone makes none.
SHORTCUT_AUC, SHORTCUT_CI_LOW = 0.75, 0.60
#: Distance of the shuffled-label AUC from 0.5 that chance does not explain.
MAX_SHUFFLED_DEVIATION = 0.1
#: Share of suspect labels from which they are more than a remark.
MAX_SUSPECT_SHARE = 0.02


def add_findings(audit: Audit, dataset_features: DatasetFeatures) -> Audit:
    """Return the audit with its findings, the worst first."""
    rules: tuple[Callable[[Audit, DatasetFeatures], Iterable[Finding]], ...] = (
        _group_findings,
        _leak_findings,
        _shortcut_findings,
        _copy_findings,
        _label_findings,
        _file_findings,
    )
    found = [finding for rule in rules for finding in rule(audit, dataset_features)]
    found.sort(key=lambda finding: -SEVERITIES.index(finding.severity))
    return replace(audit, findings=tuple(found))


def find_crossing_groups(dataset: Dataset) -> list[str]:
    """Return the groups that have slices in more than one of train, val and test."""
    splits: dict[str, set[str]] = {}
    for item in dataset.items:
        splits.setdefault(item.group, set()).add(item.split)
    return sorted(group for group, where in splits.items() if len(where) > 1)


def leak_gap(naive: Baseline, grouped: Baseline) -> float | None:
    """Return how much AUC plain folds add: within groups, or over all where that is undefined."""
    if naive.auc is None or grouped.auc is None:
        return None
    return _comparable_auc(naive, grouped) - _comparable_auc(grouped, naive)


def _comparable_auc(base: Baseline, other: Baseline) -> float:
    """Return the AUC of `base` that can be compared with that of `other`."""
    if base.within is not None and other.within is not None:
        return base.within
    return base.auc if base.auc is not None else 0.5


# --- rules ---------------------------------------------------------------------------------


def _group_findings(audit: Audit, dataset_features: DatasetFeatures) -> Iterator[Finding]:
    """Whether there are enough groups, and whether they hold both classes."""
    per_class = {
        "fracture": sum(row.fracture > 0 for row in audit.group_table),
        "normal": sum(row.normal > 0 for row in audit.group_table),
    }
    rare = min(per_class, key=lambda name: per_class[name])
    fewest = per_class[rare]
    if fewest < FEW_GROUPS:
        bad = fewest < MIN_GROUPS
        patients = _format_count(fewest, "group (patient or series)", "groups (patients or series)")
        yield Finding(
            "too_few_groups" if bad else "few_groups",
            "unusable" if bad else "caution",
            f"The class {rare} comes from only {patients}. "
            + (
                "No score can say how a model does on new patients: at least "
                f"{MIN_GROUPS} are needed to tell anything, and some dozens to tell it well. "
                if bad
                else "Scores will have very wide intervals. "
            )
            + f"Add slices of other patients with the class {rare}.",
            fewest,
        )
    if audit.groups > 1 and audit.groups_with_both == 0:
        yield Finding(
            "classes_from_own_groups",
            "unusable",
            f"No group holds both classes: all fracture slices come from {per_class['fracture']} "
            f"groups and all normal ones from {per_class['normal']} others. A model can tell the "
            "patients or scanners apart instead of the fractures, and no score would show it. "
            "Add normal slices of the patients with a fracture.",
            audit.groups,
            _example_paths(dataset_features),
        )
    if "is a group of its own" in audit.group_rule or "are groups of their own" in audit.group_rule:
        everything = "is a group of its own" in audit.group_rule
        yield Finding(
            "groups_unknown",
            "caution",
            ("Nothing says" if everything else "For some slices nothing says")
            + " which slices belong to one patient. Slices of one patient may be on both sides of "
            "a split, and scores then come out too high. Name the patients in a patient column of "
            "labels.csv, or correct the table of groups (`spinefrac audit FOLDER --write-groups "
            "FILE` writes it, `--groups FILE` takes it over).",
            audit.groups,
        )
    rarer = min(audit.classes, key=lambda name: audit.classes[name])
    share = audit.classes[rarer] / audit.images
    if share < 0.1:
        yield Finding(
            "imbalance",
            "ok",
            f"Only {100 * share:.0f} % of the slices are {rarer}: accuracy says little here, look "
            "at sensitivity, specificity and AUC.",
            audit.classes[rarer],
        )


def _leak_findings(audit: Audit, dataset_features: DatasetFeatures) -> Iterator[Finding]:
    """Whether plain folds flatter a model, and whether the grouped ones are tight."""
    leak = audit.leak_gap
    if leak is not None and leak > CAUTION_LEAK_GAP:
        of_thumbnail = (audit.naive_baseline, audit.grouped_baseline)
        of_features = (audit.feature_baselines["naive"], audit.feature_baselines["grouped"])
        naive, grouped, what = max(
            (*of_thumbnail, f"A linear model on {_THUMBNAIL_SIZE} pixels"),
            (*of_features, "A linear model on brightness and file properties"),
            key=lambda entry: leak_gap(entry[0], entry[1]) or 0.0,
        )
        yield Finding(
            "leak_gap",
            "unusable" if leak > UNUSABLE_LEAK_GAP else "caution",
            f"{what} tells the classes apart with AUC {_comparable_auc(naive, grouped):.2f} when slices "
            f"are split at random, but {_comparable_auc(grouped, naive):.2f} when whole groups are left "
            "out: a leak gap of "
            f"{leak:.2f}. A score from a random split of this folder measures how well a slice's "
            "neighbours and copies are recognised, not fractures. Split by patient only, and add "
            "patients until the two agree.",
            audit.groups,
            _example_paths(dataset_features),
        )
    elif (
        _auc_or_chance(audit.naive_baseline) - _auc_or_chance(audit.grouped_baseline)
        > CAUTION_LEAK_GAP
    ):
        yield Finding(
            "random_split_flatters",
            "ok",
            f"Split at random, a linear model on {_THUMBNAIL_SIZE} pixels scores AUC "
            f"{_format_auc(audit.naive_baseline)}; with whole groups left out "
            f"{_format_auc(audit.grouped_baseline)}. The difference is nothing but recognising patients, "
            "most slices of whom are of one class. Nothing is wrong with the folder as long as "
            "no split divides a patient; none does here.",
            audit.groups,
        )
    shuffled = audit.shuffled_label_auc
    if (
        shuffled is not None
        and abs(shuffled - 0.5) > MAX_SHUFFLED_DEVIATION
        and audit.groups > FEW_GROUPS
    ):
        yield Finding(
            "shuffled_labels",
            "caution",
            f"With shuffled labels the trivial model should guess (AUC 0.50) but gets "
            f"{shuffled:.2f}: slices of one patient are in several groups. Correct the groups "
            "before believing any score.",
            audit.groups,
        )


_THUMBNAIL_SIZE = "16×16"


def _shortcut_findings(audit: Audit, dataset_features: DatasetFeatures) -> Iterator[Finding]:
    """Whether something other than the fracture tells the classes apart."""
    trivial = {
        f"thumbnails of {_THUMBNAIL_SIZE} pixels, which show no fracture": audit.grouped_baseline,
        "brightness and file properties": audit.feature_baselines["grouped"],
    }
    for what, base in trivial.items():
        if base.auc is None or base.auc < SHORTCUT_AUC or not _is_above_chance(base):
            continue
        solved = _is_solved(base)
        yield Finding(
            "trivially_solved" if solved else "trivial_model",
            "unusable" if solved else "caution",
            f"A linear model on {what} already scores AUC {_format_auc(base)} on patients it has not "
            "seen. "
            + (
                "A high score on this folder is no evidence that a model sees fractures. "
                if solved
                else "That much of any score here may have nothing to do with fractures. "
            )
            + "Make both classes alike in everything but the fracture: same scanner, same "
            "conversion, same part of the spine.",
            audit.images,
        )
    yield from _property_findings(dataset_features)


def _property_findings(dataset_features: DatasetFeatures) -> Iterator[Finding]:
    """Whether one property alone tells the classes apart, the clearest first."""
    labels = dataset_features.labels
    for entry in dataset_features.properties:
        base = Baseline(entry.auc, entry.ci)
        if entry.auc < SHORTCUT_AUC or not _is_above_chance(base):
            continue
        column = dataset_features.features[entry.name]
        middle = {label: float(np.median(column[labels == label])) for label in (0, 1)}
        yield Finding(
            "shortcut",
            "unusable" if _is_solved(base) else "caution",
            f"The {entry.name} alone tells the classes apart with AUC {_format_auc(base)} "
            f"({_describe_property(entry.name, column, labels, middle)}). A model will learn it instead of "
            "the fracture, and fail where it is missing. Store and prepare both classes in the "
            "same way, or remove what differs.",
            len(labels),
            _example_paths(dataset_features),
        )


def _describe_property(
    name: str,
    column: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    middle: dict[int, float],
) -> str:
    """Say what a property is like in either class."""
    if set(np.unique(column).tolist()) <= {0.0, 1.0}:
        share = {label: 100 * float(column[labels == label].mean()) for label in (0, 1)}
        return f"{share[1]:.0f} % of the fracture slices and {share[0]:.0f} % of the normal ones"
    return f"typically {middle[1]:.3g} in fracture slices and {middle[0]:.3g} in normal ones"


def _copy_findings(audit: Audit, dataset_features: DatasetFeatures) -> Iterator[Finding]:
    """What is there more than once, and whether that crosses a line."""
    dataset, found = dataset_features.examination.dataset, dataset_features.examination.duplicates
    items = dataset.items
    torn = [rows for rows in found.exact if len({items[row].label for row in rows}) > 1]
    if torn:
        yield Finding(
            "contradicting_duplicates",
            "caution",
            f"{_format_count(len(torn), 'picture is', 'pictures are')} in both classes. No model can be "
            "right on both, so scores come out too low and training is disturbed. Keep the right "
            "label and delete the other file.",
            len(torn),
            _first_paths(dataset_features, (row for rows in torn for row in rows)),
        )
    crossing = find_crossing_groups(dataset)
    if crossing:
        inside = set(crossing)
        rows = [row for row, item in enumerate(items) if item.group in inside]
        yield Finding(
            "crossing_splits",
            "caution",
            f"{_format_count(len(crossing), 'group has', 'groups have')} slices in more than one of the "
            "train, val and test folders. A score on such a test folder is of patients that the "
            "model has seen. Ignore these folders and split by patient, as training here does.",
            len(crossing),
            _first_paths(dataset_features, rows),
        )
    if audit.exact_duplicates:
        yield Finding(
            "exact_duplicates",
            "ok",
            f"{_format_count(audit.exact_duplicates, 'slice is', 'slices are')} there more than once. "
            "They are kept on one side of every split; delete them to make the set smaller.",
            audit.exact_duplicates,
            _first_paths(dataset_features, (row for rows in found.exact for row in rows)),
        )
    if audit.augmented_copies:
        slices = audit.images - audit.augmented_copies
        yield Finding(
            "augmented_copies",
            "caution" if audit.augmented_copies > 0.1 * audit.images else "ok",
            f"{audit.augmented_copies} of {audit.images} pictures are turned, mirrored or "
            f"otherwise changed copies of another, so there are about {slices} different slices. "
            "Split at random, a model is tested on copies of what it was trained on. Here copies "
            "stay with their slice; better delete them, training makes its own.",
            audit.augmented_copies,
            _first_paths(dataset_features, dataset_features.augmented_copies),
        )
    if audit.near_duplicates > len(found.rotated):
        pairs = audit.near_duplicates - len(found.rotated)
        as_they_lie = sorted(set(found.near) - set(found.rotated))
        yield Finding(
            "near_duplicates",
            "ok",
            f"{_format_count(pairs, 'pair', 'pairs')} of slices are nearly the same picture: the same "
            "one resized or compressed again, or neighbours in a thin series. They are kept on "
            "one side of every split, and count as less than independent slices.",
            pairs,
            _first_paths(dataset_features, (row for pair in as_they_lie for row in pair)),
        )


def _label_findings(audit: Audit, dataset_features: DatasetFeatures) -> Iterator[Finding]:
    """Whether labels look wrong."""
    if audit.suspects:
        many = len(audit.suspects) > MAX_SUSPECT_SHARE * audit.images
        yield Finding(
            "label_errors",
            "caution" if many else "ok",
            f"{_format_count(len(audit.suspects), 'slice has', 'slices have')} a label that models which "
            "had not seen the slice contradict most. Wrong labels lower every score. Look at "
            "these slices first.",
            len(audit.suspects),
            tuple(suspect.path for suspect in audit.suspects[:MAX_EXAMPLES]),
        )


def _file_findings(audit: Audit, dataset_features: DatasetFeatures) -> Iterator[Finding]:
    """Unreadable files and patient data."""
    if audit.unreadable:
        yield Finding(
            "unreadable",
            "ok",
            f"{_format_count(len(audit.unreadable), 'file', 'files')} cannot be read as a slice and are "
            "left out. If one class loses more than the other, scores are of another mix than "
            "you think. Replace the files, or remove them.",
            len(audit.unreadable),
            tuple(entry["path"] for entry in audit.unreadable[:MAX_EXAMPLES]),
        )
    facts = dataset_features.examination.metadata
    for number, kind in enumerate(PRIVACY_ISSUES):
        rows = [row for row, fact in enumerate(facts) if number in fact.privacy_issues]
        if rows:
            yield Finding(
                "privacy",
                "ok",
                f"{_format_count(len(rows), 'file has', 'files have')} this: {kind}. It does not change "
                "scores, but may tell who the patient is. Before you share the folder, run "
                "`spinefrac deidentify IN OUT` on DICOM files and look at the pictures.",
                len(rows),
                _first_paths(dataset_features, rows),
            )


# --- words ---------------------------------------------------------------------------------


def _is_above_chance(base: Baseline) -> bool:
    """Whether an AUC is above chance beyond doubt; without an interval nothing is."""
    return base.ci is not None and base.ci[0] >= SHORTCUT_CI_LOW


def _is_solved(base: Baseline) -> bool:
    """Whether a trivial model needs no fracture."""
    return base.auc is not None and base.auc >= SOLVED_AUC and _is_above_chance(base)


def _auc_or_chance(base: Baseline) -> float:
    return 0.5 if base.auc is None else base.auc


def _format_auc(base: Baseline) -> str:
    if base.auc is None:
        return "not defined"
    interval = f" (95 % interval {base.ci[0]:.2f}–{base.ci[1]:.2f})" if base.ci else ""
    return f"{base.auc:.2f}{interval}"


def _format_count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _first_paths(dataset_features: DatasetFeatures, rows: Iterable[int]) -> tuple[str, ...]:
    """Return the paths of the first few different rows."""
    paths: Sequence[str] = dataset_features.examination.dataset.paths
    first = dict.fromkeys(paths[row] for row, _ in zip(rows, range(4 * MAX_EXAMPLES), strict=False))
    return tuple(first)[:MAX_EXAMPLES]


def _example_paths(dataset_features: DatasetFeatures) -> tuple[str, ...]:
    """Return some slices of either class, each of another group as far as there are."""
    firsts = [int(rows[0]) for rows in rows_by_value(dataset_features.groups)]
    chosen: list[int] = []
    for label in (1, 0):
        own = [row for row in firsts if dataset_features.labels[row] == label]
        own += np.flatnonzero(dataset_features.labels == label)[:4].tolist()
        chosen += list(dict.fromkeys(own))[: MAX_EXAMPLES // 2]
    return _first_paths(dataset_features, chosen)
