"""Findings: what is so in a data set, what it means for metrics, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from spinefrac.audit.duplicate_findings import find_duplicate_findings
from spinefrac.audit.features import DatasetFeatures
from spinefrac.audit.report import MAX_EXAMPLES, SEVERITIES, Audit, Finding
from spinefrac.audit.shortcut_findings import find_leakage, find_shortcuts
from spinefrac.data.file_metadata import PRIVACY_ISSUES
from spinefrac.data.groups import unknown_extent
from spinefrac.wording import format_count

#: Groups of a class under which nothing can be shown, and under which intervals are wide.
MIN_GROUPS, FEW_GROUPS = 3, 10
#: Share of the slices under which a class counts as rare.
MIN_CLASS_SHARE = 0.1
#: Share of suspected label errors from which they call for caution.
MAX_SUSPECT_SHARE = 0.02

Rule = Callable[[Audit, DatasetFeatures], Iterator[Finding]]


def add_findings(audit: Audit, features: DatasetFeatures) -> Audit:
    """Return the audit with its findings, the worst first."""
    rules: tuple[Rule, ...] = (
        _find_too_few_groups,
        _find_separate_groups,
        _find_unknown_groups,
        _find_imbalance,
        find_leakage,
        find_shortcuts,
        find_duplicate_findings,
        _find_label_errors,
        _find_unreadable_files,
        _find_patient_data,
    )
    found = [finding for rule in rules for finding in rule(audit, features)]
    found.sort(key=lambda finding: -SEVERITIES.index(finding.severity))
    return replace(audit, findings=tuple(found))


# --- groups --------------------------------------------------------------------------------


def _count_groups_by_class(audit: Audit) -> dict[str, int]:
    """Return how many groups hold slices of each class."""
    return {
        "fracture": sum(row.fracture > 0 for row in audit.group_table),
        "normal": sum(row.normal > 0 for row in audit.group_table),
    }


def _find_too_few_groups(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    per_class = _count_groups_by_class(audit)
    rare = min(per_class, key=lambda name: per_class[name])
    count = per_class[rare]
    if count >= FEW_GROUPS:
        return
    too_few = count < MIN_GROUPS
    meaning = (
        "No metric can show how a model performs on new patients: at least "
        f"{MIN_GROUPS} groups are needed for any estimate, and some dozens for a useful one."
        if too_few
        else "Metrics will have very wide confidence intervals."
    )
    groups = format_count(count, "group (patient or series)", "groups (patients or series)")
    yield Finding(
        "too_few_groups" if too_few else "few_groups",
        "unusable" if too_few else "caution",
        f"The class {rare} comes from only {groups}. {meaning} Add slices of other patients with "
        f"the class {rare}.",
        count,
    )


def _find_separate_groups(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    if audit.groups < 2 or audit.groups_with_both or features.examination.dataset.has_bags:
        return  # a label of a scan is the same on all its slices
    per_class = _count_groups_by_class(audit)
    yield Finding(
        "classes_from_own_groups",
        "unusable",
        f"No group holds both classes: all fracture slices come from {per_class['fracture']} "
        f"groups and all normal slices from {per_class['normal']} others. A model can learn to "
        "recognise patients or scanners instead of fractures, and no metric would show it. Add "
        "normal slices of the patients with a fracture.",
        audit.groups,
        features.example_paths(),
    )


def _find_unknown_groups(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    unknown = unknown_extent(audit.group_rule)
    if not unknown:
        return
    yield Finding(
        "groups_unknown",
        "caution",
        f"{'It' if unknown == 'all' else 'For some slices it'} is not known which slices belong to "
        "one patient. Slices of one patient may be on both sides of a split, and metrics are then "
        "too high. Name the patients in a patient column of labels.csv, or correct the table of "
        "groups (`spinefrac audit FOLDER --write-groups FILE` writes it, `--groups FILE` reads "
        "it).",
        audit.groups,
    )


def _find_imbalance(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    rare = min(audit.classes, key=lambda name: audit.classes[name])
    share = audit.classes[rare] / audit.images
    if share < MIN_CLASS_SHARE:
        yield Finding(
            "imbalance",
            "ok",
            f"Only {100 * share:.0f} % of the slices are {rare}: accuracy says little here. Use "
            "sensitivity, specificity and AUC.",
            audit.classes[rare],
        )


# --- labels and files ----------------------------------------------------------------------


def _find_label_errors(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    if not audit.suspects or features.examination.dataset.has_bags:
        return
    count = len(audit.suspects)
    yield Finding(
        "label_errors",
        "caution" if count > MAX_SUSPECT_SHARE * audit.images else "ok",
        f"{format_count(count, 'suspected label error')}: out-of-fold predictions strongly "
        "contradict the label. Wrong labels lower every metric. Check these slices first.",
        count,
        tuple(suspect.path for suspect in audit.suspects[:MAX_EXAMPLES]),
    )


def _find_unreadable_files(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    if not audit.unreadable:
        return
    count = len(audit.unreadable)
    yield Finding(
        "unreadable",
        "ok",
        f"{format_count(count, 'file is', 'files are')} left out: the content is not a readable "
        "slice. If one class loses more than the other, the prevalence changes. Replace the "
        "files or remove them.",
        count,
        tuple(entry["path"] for entry in audit.unreadable[:MAX_EXAMPLES]),
    )


def _find_patient_data(audit: Audit, features: DatasetFeatures) -> Iterator[Finding]:
    metadata = features.examination.metadata
    for number, issue in enumerate(PRIVACY_ISSUES):
        rows = [row for row, file in enumerate(metadata) if number in file.privacy_issues]
        if rows:
            yield Finding(
                "privacy",
                "ok",
                f"{format_count(len(rows), 'file')} with this issue: {issue}. It does not change "
                "metrics, but may identify the patient. Before you share the folder, run "
                "`spinefrac deidentify IN OUT` on DICOM files and look at the slices.",
                len(rows),
                features.first_paths(rows),
            )
