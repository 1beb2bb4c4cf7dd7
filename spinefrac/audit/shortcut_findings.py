"""Findings on leakage and shortcuts: what models reach that cannot see a fracture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from spinefrac.audit.features import FEATURE_SIDE, DatasetFeatures
from spinefrac.audit.report import Audit, Baseline, Finding
from spinefrac.wording import CONFIDENCE_INTERVAL_SHORT, UNDEFINED

#: Grouped AUC of a baseline from which the fracture need not be seen.
SOLVED_AUC = 0.95
#: Difference of the AUC in random and in grouped folds from which a random split shows nothing,
#: and from which it is in doubt.
UNUSABLE_LEAK_GAP, CAUTION_LEAK_GAP = 0.25, 0.15
#: AUC from which a baseline or a single property is a shortcut, and the lower end of its
#: interval, so that chance alone makes none.
SHORTCUT_AUC, SHORTCUT_CI_LOW = 0.75, 0.60
#: Distance of the AUC with shuffled labels from 0.5 that chance does not explain, in more than so
#: many groups.
MAX_SHUFFLED_DEVIATION, MIN_SHUFFLED_GROUPS = 0.1, 10

_THUMBNAIL = f"{FEATURE_SIDE}×{FEATURE_SIDE}"


def leak_gap(naive: Baseline, grouped: Baseline) -> float | None:
    """Return how much AUC random folds add: within groups, or over all where that is undefined."""
    if naive.auc is None or grouped.auc is None:
        return None
    return _comparable_auc(naive, grouped) - _comparable_auc(grouped, naive)


def find_leakage(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    """Yield whether random folds inflate metrics, and whether grouped folds are free of leakage.

    Labels of scans are the same on all slices of a scan: there random folds only recognise scans.
    """
    if features.examination.dataset.has_bags:
        return
    if audit.leak_gap is not None and audit.leak_gap > CAUTION_LEAK_GAP:
        yield _describe_leak_gap(audit, audit.leak_gap, features)
    elif (
        _auc_or_chance(audit.naive_baseline) - _auc_or_chance(audit.grouped_baseline)
        > CAUTION_LEAK_GAP
    ):
        yield _describe_random_split(audit)
    shuffled = audit.shuffled_label_auc
    if (
        shuffled is not None
        and abs(shuffled - 0.5) > MAX_SHUFFLED_DEVIATION
        and audit.groups > MIN_SHUFFLED_GROUPS
    ):
        yield Finding(
            "shuffled_labels",
            "caution",
            "With shuffled labels the baseline should have an AUC of 0.50, but it has "
            f"{shuffled:.2f}: slices of one patient are in several groups. Correct the groups "
            "before you trust a metric.",
            audit.groups,
        )


def find_shortcuts(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    """Yield whether anything but the fracture separates the classes."""
    baselines = {
        f"thumbnails of {_THUMBNAIL} pixels, which show no fracture": audit.grouped_baseline,
        "brightness and file properties": audit.feature_baselines["grouped"],
    }
    for inputs, baseline in baselines.items():
        if _is_shortcut(baseline):
            yield _describe_baseline(inputs, baseline, audit.images)
    for entry in features.properties:
        if _is_shortcut(Baseline(entry.auc, entry.ci)):
            yield _describe_property(entry.name, Baseline(entry.auc, entry.ci), features)


# --- leakage -------------------------------------------------------------------------------


def _describe_leak_gap(audit: Audit, gap: float, features: DatasetFeatures) -> Finding:
    naive, grouped, model = max(
        (
            audit.naive_baseline,
            audit.grouped_baseline,
            f"A linear model on {_THUMBNAIL} pixels",
        ),
        (
            audit.feature_baselines["naive"],
            audit.feature_baselines["grouped"],
            "A linear model on brightness and file properties",
        ),
        key=lambda entry: leak_gap(entry[0], entry[1]) or 0.0,
    )
    return Finding(
        "leak_gap",
        "unusable" if gap > UNUSABLE_LEAK_GAP else "caution",
        f"{model} separates the classes with AUC {_comparable_auc(naive, grouped):.2f} where "
        f"slices are split at random, but with {_comparable_auc(grouped, naive):.2f} where whole "
        f"groups are held out: a leakage gap of {gap:.2f}. A metric from a random split of this "
        "folder measures how well neighbouring slices and duplicates are recognised, not "
        "fractures. Split by patient only, and add patients until the two agree.",
        audit.groups,
        features.example_paths(),
    )


def _describe_random_split(audit: Audit) -> Finding:
    return Finding(
        "random_split_flatters",
        "ok",
        f"Where slices are split at random, a linear model on {_THUMBNAIL} pixels has AUC "
        f"{_format_auc(audit.naive_baseline)}; where whole groups are held out, "
        f"{_format_auc(audit.grouped_baseline)}. The difference comes from recognising patients, "
        "because most slices of a patient are of one class. Nothing is wrong with the folder as "
        "long as no split divides a patient, and none does here.",
        audit.groups,
    )


def _comparable_auc(base: Baseline, other: Baseline) -> float:
    """Return the AUC of `base` that can be compared with that of `other`."""
    if base.within is not None and other.within is not None:
        return base.within
    return _auc_or_chance(base)


def _auc_or_chance(base: Baseline) -> float:
    return 0.5 if base.auc is None else base.auc


# --- shortcuts -----------------------------------------------------------------------------


def _is_shortcut(base: Baseline) -> bool:
    return base.auc is not None and base.auc >= SHORTCUT_AUC and _is_above_chance(base)


def _is_solved(base: Baseline) -> bool:
    """Whether a baseline separates the classes without any fracture."""
    return base.auc is not None and base.auc >= SOLVED_AUC and _is_above_chance(base)


def _is_above_chance(base: Baseline) -> bool:
    """Whether an AUC is clearly above chance; without an interval none is."""
    return base.ci is not None and base.ci[0] >= SHORTCUT_CI_LOW


def _describe_baseline(inputs: str, baseline: Baseline, count: int) -> Finding:
    solved = _is_solved(baseline)
    meaning = (
        "A high metric on this folder is no evidence that a model detects fractures."
        if solved
        else "That much of any metric here may have nothing to do with fractures."
    )
    return Finding(
        "trivially_solved" if solved else "trivial_model",
        "unusable" if solved else "caution",
        f"A linear model on {inputs} already has AUC {_format_auc(baseline)} on patients that it "
        f"was not trained on. {meaning} Make both classes alike in everything but the fracture: "
        "same scanner, same conversion, same part of the spine.",
        count,
    )


def _describe_property(name: str, baseline: Baseline, features: DatasetFeatures) -> Finding:
    labels = features.labels
    values = _compare_classes(features.features[name], labels)
    return Finding(
        "shortcut",
        "unusable" if _is_solved(baseline) else "caution",
        f"The property “{name}” alone separates the classes with AUC {_format_auc(baseline)} "
        f"({values}). A model will learn it instead of the fracture, and fail where it is "
        "missing. Store and prepare both classes in the same way, or remove what differs.",
        len(labels),
        features.example_paths(),
    )


def _compare_classes(column: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> str:
    """Return the values of a property in either class, as text."""
    fracture, normal = column[labels == 1], column[labels == 0]
    if set(np.unique(column).tolist()) <= {0.0, 1.0}:
        return (
            f"{100 * float(fracture.mean()):.0f} % of the fracture slices and "
            f"{100 * float(normal.mean()):.0f} % of the normal slices"
        )
    return (
        f"median {float(np.median(fracture)):.3g} in fracture slices and "
        f"{float(np.median(normal)):.3g} in normal slices"
    )


def _format_auc(base: Baseline) -> str:
    if base.auc is None:
        return UNDEFINED
    if base.ci is None:
        return f"{base.auc:.2f}"
    return f"{base.auc:.2f} ({CONFIDENCE_INTERVAL_SHORT} {base.ci[0]:.2f} to {base.ci[1]:.2f})"
