"""An audit survives JSON, and its verdict is as bad as its worst finding."""

import json
from dataclasses import replace

import pytest

from spinefrac.audit.report import (
    Audit,
    Baseline,
    CopySet,
    FileProperty,
    Finding,
    GroupRow,
    SuspectLabel,
)
from spinefrac.wording import AUDIT_ADVICE, DUPLICATE_KINDS


def make_audit(**changes) -> Audit:
    baseline = Baseline(0.7, (0.6, 0.8), 0.55)
    audit = Audit(
        images=10, fingerprint="ab", unreadable=({"path": "x.png", "reason": "damaged"},),
        classes={"fracture": 4, "normal": 6}, groups=3, group_rule="by the patient folder",
        groups_with_both=1, group_table=(GroupRow("P1", 2, 1),), exact_duplicates=1,
        near_duplicates=1, augmented_copies=0, crossing_splits=0, naive_baseline=baseline,
        grouped_baseline=Baseline(None), feature_baselines={"naive": baseline, "grouped": baseline},
        leak_gap=0.1, shuffled_label_auc=None, counts={"bits": {"8": {"fracture": 4, "normal": 6}}},
        privacy={"dates": 1}, copies=(CopySet("exact", ("a.png", "b.png")),),
        properties=(FileProperty("file size", 0.8, None),),
        suspects=(SuspectLabel("a.png", "fracture", 0.2),), notes=("a note",),
    )  # fmt: skip
    return replace(audit, **changes)


def test_an_audit_survives_json():
    audit = make_audit(findings=(Finding("imbalance", "ok", "Only …", 4, ("a.png",)),))
    plain = json.loads(json.dumps(audit.to_dict(), allow_nan=False))
    assert Audit.from_dict(plain) == audit
    assert plain["verdict"] == "ok"


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [((), "ok"), (("ok",), "ok"), (("ok", "caution"), "caution"), (("unusable", "ok"), "unusable")],
)
def test_the_verdict_is_the_worst_severity(severities, verdict):
    findings = tuple(Finding("code", severity, "message") for severity in severities)
    assert make_audit(findings=findings).verdict == verdict
    assert verdict in AUDIT_ADVICE


def test_every_kind_of_copies_has_a_title():
    assert set(DUPLICATE_KINDS) == {"exact", "near", "turned", "named"}
