"""Findings on leakage and shortcuts, by the thresholds of the module."""

import pytest

from spinefrac.audit import shortcut_findings
from spinefrac.audit.report import Baseline
from tests.audit.test_findings import find

CHANCE = Baseline(0.5, (0.4, 0.6), 0.5)
PLAIN = {
    "naive_baseline": CHANCE, "grouped_baseline": CHANCE,
    "feature_baselines": {"naive": CHANCE, "grouped": CHANCE},
}  # fmt: skip


@pytest.mark.parametrize(
    ("gap", "severity"), [(0.10, None), (0.20, "caution"), (0.30, "unusable"), (None, None)]
)
def test_the_leakage_gap(gap, severity):
    naive = Baseline(0.5 + (gap or 0), (0.4, 0.9), 0.5 + (gap or 0))
    found = find(**PLAIN | {"naive_baseline": naive, "leak_gap": gap}).get("leak_gap")
    assert (found and found.severity) == severity
    if found:
        assert f"a leakage gap of {gap:.2f}" in found.message and "16×16" in found.message


def test_the_gap_is_taken_within_groups_where_both_have_it():
    naive, grouped = Baseline(0.9, None, 0.6), Baseline(0.5, None, 0.55)
    assert shortcut_findings.leak_gap(naive, grouped) == pytest.approx(0.05)
    assert shortcut_findings.leak_gap(naive, Baseline(0.5)) == pytest.approx(0.4)
    assert shortcut_findings.leak_gap(naive, Baseline(None)) is None


def test_recognised_patients_are_a_note_only():
    found = find(**PLAIN | {"naive_baseline": Baseline(0.8, (0.7, 0.9), 0.5)})
    assert found.keys() == {"random_split_flatters"}
    assert found["random_split_flatters"].severity == "ok"


@pytest.mark.parametrize(
    ("auc", "groups", "is_found"), [(0.7, 20, True), (0.55, 20, False), (0.7, 10, False)]
)
def test_shuffled_labels(auc, groups, is_found):
    assert ("shuffled_labels" in find(**PLAIN, shuffled_label_auc=auc, groups=groups)) == is_found


@pytest.mark.parametrize(
    ("baseline", "code"),
    [
        (Baseline(0.97, (0.9, 0.99)), "trivially_solved"),
        (Baseline(0.80, (0.65, 0.9)), "trivial_model"),
        (Baseline(0.80, (0.55, 0.9)), None),
        (Baseline(0.80), None),
        (Baseline(0.70, (0.65, 0.75)), None),
    ],
)
def test_a_baseline_that_separates_the_classes(baseline, code):
    found = find(**PLAIN | {"naive_baseline": baseline, "grouped_baseline": baseline})
    assert set(found) == ({code} if code else set())
    if code:
        assert found[code].severity == ("unusable" if code == "trivially_solved" else "caution")
        assert "95 % CI" in found[code].message
