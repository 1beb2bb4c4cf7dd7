"""What a clinic has at the start: 8 or 12 patients, uneven numbers of slices, two scanners."""

import math

import pytest

from spinefrac.evaluation import compare, curves, deferral
from spinefrac.evaluation.calibration import fit_temperature
from spinefrac.evaluation.metric_kernels import METRIC_NAMES
from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.evaluation.operating_point import choose_threshold
from spinefrac.evaluation.subgroups import metrics_by_subgroup
from spinefrac.records import OutOfFoldPredictions
from tests.support.out_of_fold import FEW_PATIENTS, rsna_out_of_fold


@pytest.fixture(params=FEW_PATIENTS, ids=lambda patients: f"{patients} patients")
def oof(request: pytest.FixtureRequest) -> OutOfFoldPredictions:
    return rsna_out_of_fold(request.param)


def test_metrics_and_their_intervals_are_numbers_in_their_range(oof: OutOfFoldPredictions) -> None:
    point = choose_threshold(oof.labels, oof.probabilities, oof.groups, n_resamples=200)
    found = compute_metrics(
        oof.labels, oof.probabilities, oof.groups, point.threshold, n_resamples=200
    )
    assert (found.n, found.groups) == (len(oof.paths), len(set(oof.groups.tolist())))
    for name in METRIC_NAMES:
        value, interval = getattr(found, name), found.ci.get(name)
        assert value is not None and math.isfinite(value), name
        if interval is not None:
            low, high = interval
            assert low <= value <= high and low >= -1, name
    low, high = found.ci["recall"]
    assert high - low > 0.2, "few patients cannot give a narrow interval"


def test_subgroups_count_their_own_slices_and_patients(oof: OutOfFoldPredictions) -> None:
    for column in oof.subgroups.values():
        parts = metrics_by_subgroup(
            oof.labels, oof.probabilities, oof.groups, column, 0.5, n_resamples=50
        )
        assert sum(part.n for part in parts.values()) == len(oof.paths)
        for name, part in parts.items():
            patients = {g for g, c in zip(oof.groups.tolist(), column, strict=True) if c == name}
            assert part.groups == len(patients)


def test_no_band_is_promised_and_the_patients_that_are_needed_are_said(
    oof: OutOfFoldPredictions,
) -> None:
    inputs = (oof.labels, oof.probabilities, oof.groups, 0.5)
    assert deferral.choose_abstention_band(*inputs) is None
    needed = deferral.count_groups_for_band(*inputs)
    count = len(set(oof.groups.tolist()))
    assert needed is None or needed > count
    said = deferral.describe_guarantee(None, count, needed)
    assert "every slice needs review" in said


def test_curves_calibration_and_comparison_are_defined(oof: OutOfFoldPredictions) -> None:
    assert 0.01 <= fit_temperature(oof.logits, oof.labels) <= 100
    found = curves.roc_curve(oof.labels, oof.probabilities)
    assert found.true_positive_rate[-1] == found.false_positive_rate[-1] == 1.0
    (pair,) = compare.compare_models(
        oof.labels,
        {"a": oof.probabilities, "b": 1 - oof.probabilities},
        oof.groups,
        {"a": 0.5, "b": 0.5},
        n_resamples=200,
    )
    auc = pair.differences["auc"]
    assert auc.interval is not None and auc.interval[0] <= auc.value <= auc.interval[1]
