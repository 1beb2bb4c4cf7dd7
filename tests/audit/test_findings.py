"""Findings on groups, labels and files follow from the numbers of an audit."""

import numpy as np
import pytest

from spinefrac.audit.duplicate_findings import find_crossing_groups
from spinefrac.audit.features import DatasetFeatures
from spinefrac.audit.findings import add_findings
from spinefrac.audit.report import Audit, Baseline, Finding, GroupRow, SuspectLabel
from spinefrac.data.duplicates.search import Duplicates
from spinefrac.data.file_metadata import NUMERIC_FEATURES, FileMetadata
from spinefrac.data.folder_layouts import FolderListing
from spinefrac.data.scan import Examination
from spinefrac.records import Dataset, Item
from tests.audit.test_report import make_audit


def examine(
    items: list[tuple[str, int, str, str]],
    duplicates: Duplicates = Duplicates(),  # noqa: B008 - frozen
    privacy: tuple[int, ...] = (),
) -> DatasetFeatures:
    """Features of a folder of these paths, labels, groups and splits."""
    made = tuple(Item(path, label, group, split, path) for path, label, group, split in items)
    numbers = np.zeros(len(NUMERIC_FEATURES), np.float32)
    metadata = FileMetadata("png", "grey, 8 bit", "8×8", "", 0.0, privacy, numbers)
    return DatasetFeatures(
        Examination(
            dataset=Dataset("root", made, "by the patient folder", "ab", (), ()),
            duplicates=duplicates,
            thumbnails=np.zeros((len(made), 64, 64), np.uint8),
            metadata=(metadata,) * len(made),
            listing=FolderListing("root", ()),
            group_by="auto",
        )
    )


ITEMS = [
    (f"{label}/P{row:02d}.png", label, f"P{row:02d}", "") for row in range(20) for label in (0, 1)
]
TABLE = tuple(GroupRow(f"P{row:02d}", 1, 1) for row in range(20))


def find(features: DatasetFeatures | None = None, **changes) -> dict[str, Finding]:
    plain = {
        "unreadable": (),
        "suspects": (),
        "exact_duplicates": 0,
        "near_duplicates": 0,
        "leak_gap": 0.0,
        "naive_baseline": Baseline(0.5),
        "grouped_baseline": Baseline(0.5),
        "groups": 20,
        "groups_with_both": 20,
        "group_table": TABLE,
        "images": 40,
        "classes": {"fracture": 20, "normal": 20},
    }
    audit: Audit = add_findings(make_audit(**plain | changes), features or examine(ITEMS))
    return {finding.code: finding for finding in audit.findings}


def test_a_clean_audit_has_no_findings():
    assert find() == {}


@pytest.mark.parametrize(
    ("count", "code", "severity"), [(2, "too_few_groups", "unusable"), (9, "few_groups", "caution")]
)
def test_few_groups(count, code, severity):
    finding = find(group_table=TABLE[:count])[code]
    assert (finding.severity, finding.count) == (severity, count)
    assert f"only {count} groups" in finding.message


def test_classes_from_separate_groups():
    finding = find(groups_with_both=0)["classes_from_own_groups"]
    assert finding.severity == "unusable" and len(finding.examples) == 8


@pytest.mark.parametrize(
    "rule",
    [
        "each slice is a group of its own",
        "3 of 9 slices have … and form groups of their own",
        "1 of 9 slices has … and forms a group of its own",
    ],
)
def test_unknown_groups(rule):
    assert find(group_rule=rule)["groups_unknown"].severity == "caution"


def test_imbalance():
    finding = find(classes={"fracture": 3, "normal": 37})["imbalance"]
    assert "Only 8 % of the slices are fracture" in finding.message and finding.severity == "ok"


@pytest.mark.parametrize(("count", "severity"), [(1, "caution"), (0, None)])
def test_label_errors(count, severity):
    suspects = (SuspectLabel("a.png", "normal", 0.1),) * count
    found = find(suspects=suspects).get("label_errors")
    assert (found and found.severity) == severity
    if found:
        assert found.message.startswith("1 suspected label error: ")


def test_unreadable_files_and_patient_data():
    unreadable = ({"path": "x.png", "reason": "damaged"},)
    found = find(examine(ITEMS, privacy=(1,)), unreadable=unreadable)
    assert found["unreadable"].examples == ("x.png",)
    assert found["privacy"].count == 40 and "birth or study dates" in found["privacy"].message


def test_the_worst_finding_comes_first():
    found = list(find(group_table=TABLE[:2], classes={"fracture": 3, "normal": 37}).values())
    assert [finding.severity for finding in found] == ["unusable", "ok"]


def test_groups_in_two_splits():
    items = [("a", 0, "P1", "train"), ("b", 1, "P1", "test"), ("c", 1, "P2", "test")]
    assert find_crossing_groups(examine(items).examination.dataset) == ["P1"]
