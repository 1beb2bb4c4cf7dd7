"""What is known of slices of scans: hand-computed values, and intervals over patients."""

import numpy as np
import pytest

from spinefrac.evaluation.ranking import roc_auc
from spinefrac.evaluation.scans.free_response import ScanSlices, compute_froc
from spinefrac.evaluation.scans.scan_metrics import compute_scan_metrics
from tests.evaluation.scans.support import FRACTURED, NORMAL, make_slices


def test_sensitivity_at_half_a_false_alarm_a_scan():
    missed = ([0, 0, 0, 0, 1, 1, 1, 0], [0.7, 0, 0, 0, 0, 0.55, 0, 0])
    # Three scans allow one false mark, 0.7; the next is 0.6, above the second fracture.
    found = compute_scan_metrics(make_slices(FRACTURED, NORMAL, missed), [1, 0, 1],
                                 [0.5, 0.5, 0.5], ["P0", "P1", "P2"])  # fmt: skip
    assert found.sensitivity_at_false_alarms == 0.5
    assert found.slices == found.own_labels == 24
    assert found.rsna_log_loss == pytest.approx(np.log(2))
    assert dict(found.froc)[0.125] == dict(found.froc)[0.5] == 0.5 and dict(found.froc)[1.0] == 1


def test_the_auc_of_slices_takes_those_with_labels_of_their_own():
    weak = make_slices(FRACTURED, is_own=False)
    strong = make_slices(NORMAL, FRACTURED)
    names = np.concatenate([strong.scans, ["P2"] * 8])
    both = ScanSlices(
        names,
        names,
        np.concatenate([strong.labels, np.ones(8, int)]),
        np.concatenate([strong.is_own, weak.is_own]),
        np.concatenate([strong.scores, weak.scores]),
    )
    found = compute_scan_metrics(both, [0, 1, 1], [0.2, 0.8, 0.8], ["P0", "P1", "P2"])
    assert found.slice_auc == roc_auc(strong.labels, strong.scores)
    assert (found.slices, found.own_labels) == (24, 16)


def test_without_places_there_is_no_free_response():
    weak = make_slices(([1] * 8, FRACTURED[1]), is_own=False)
    assert compute_froc(weak) is None
    found = compute_scan_metrics(weak, [1], [0.8], ["P0"])
    assert found.sensitivity_at_false_alarms is None and found.slice_auc is None


def test_intervals_are_over_patients():
    rng = np.random.default_rng(3)
    scans = []
    for patient in range(40):
        labels = np.zeros(12, int)
        labels[4:7] = patient % 2
        scans.append((labels.tolist(), np.clip(rng.random(12) * 0.6 + 0.3 * labels, 0, 1).tolist()))
    slices = make_slices(*scans)
    y = [patient % 2 for patient in range(40)]
    score = [max(scores) for _, scores in scans]
    found = compute_scan_metrics(slices, y, score, [f"P{n}" for n in range(40)], n_resamples=300)
    for name in ("slice_auc", "sensitivity_at_false_alarms", "rsna_log_loss"):
        low, high = found.ci[name]
        assert low < getattr(found, name) < high
