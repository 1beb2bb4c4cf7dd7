"""Comparisons against published and worked examples, and what may be concluded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from spinefrac.errors import DatasetError
from spinefrac.evaluation import compare
from spinefrac.evaluation.calibration import apply_temperature
from spinefrac.evaluation.metric_kernels import METRIC_NAMES

#: Albumin, total protein, Krebs-Goplerud score and outcome of 43 patients, from DeLong et al.
#: (1988) as published with the SAS documentation of PROC LOGISTIC.
OVARIAN = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
1.6 5.6 5 1  3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
3.6 6.6 5 1
"""


@pytest.fixture(scope="module")
def ovarian():
    albumin, protein, score, outcome = np.array(OVARIAN.split(), float).reshape(-1, 4).T
    return {"albumin": albumin, "protein": protein, "score": 10 - score}, outcome.astype(int)


@pytest.mark.parametrize(("name", "auc", "difference", "error", "p"), [
    ("albumin", 0.7366, 0.0108, 0.0953, 0.9102),
    ("protein", 0.6478, -0.0780, 0.1046, 0.4561),
])  # fmt: skip
def test_delong_reproduces_the_published_comparison(ovarian, name, auc, difference, error, p):
    tests, outcome = ovarian
    found = compare.delong_test(outcome, tests[name], tests["score"], np.arange(43))
    assert found.auc_first == pytest.approx(auc, abs=5e-5)
    assert found.auc_second == pytest.approx(0.7258, abs=5e-5)
    assert found.auc_first - found.auc_second == pytest.approx(difference, abs=5e-5)
    assert found.standard_error == pytest.approx(error, abs=5e-5)
    assert found.p == pytest.approx(p, abs=5e-5)


def test_delong_counts_a_patient_once_however_often_sliced(ovarian):
    tests, outcome = ovarian
    once = compare.delong_test(outcome, tests["albumin"], tests["score"], np.arange(43))
    arrays = (a.repeat(4) for a in (outcome, tests["albumin"], tests["score"], np.arange(43)))
    fourfold = compare.delong_test(*arrays)
    assert fourfold.standard_error == pytest.approx(once.standard_error, rel=1e-12)
    naive = compare.delong_test(
        outcome.repeat(4), tests["albumin"].repeat(4), tests["score"].repeat(4), np.arange(172)
    )
    assert naive.standard_error < 0.55 * once.standard_error


def test_delong_and_the_group_bootstrap_agree_on_mixed_patients():
    """Slices of both classes in a patient, whom one model only scores high or low throughout."""
    generator = np.random.default_rng(3)
    groups = np.arange(1000) // 10
    labels = generator.integers(0, 2, 1000)
    scores = {
        name: apply_temperature(
            labels + size * generator.normal(size=100)[groups] + generator.normal(size=1000), 1.0
        )
        for name, size in (("swayed", 1.5), ("steady", 0.0))
    }
    found = compare.delong_test(labels, scores["swayed"], scores["steady"], groups)
    (pair,) = compare.compare_models(labels, scores, groups, dict.fromkeys(scores, 0.5))
    low, high = pair.differences["auc"].interval
    assert pair.delong == found
    assert (high - low) / (2 * t.ppf(0.975, 99)) == pytest.approx(found.standard_error, rel=0.1)
    assert pair.differences["auc"].value == pytest.approx(found.auc_first - found.auc_second)


def test_delong_needs_variance():
    assert compare.delong_test([0, 1, 1], [1, 2, 3], [3, 2, 1], ["a", "b", "b"]) is None
    assert compare.delong_test([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1], list("abcd")) is None
    same = compare.delong_test([0, 0, 1, 1], [1, 3, 2, 4], [1, 3, 2, 4], list("abcd"))
    assert (same.z, same.p) == (0.0, 1.0)
    with pytest.raises(DatasetError, match="finite scores"):
        compare.delong_test([0, 1], [1, np.nan], [1, 2], ["a", "b"])


def discordant(only_first, only_second):
    """Labels and two models' calls that differ on so many slices, and agree on ten."""
    first = np.array([1] * only_first + [0] * only_second + [1] * 10)
    second = np.array([0] * only_first + [1] * only_second + [1] * 10)
    return np.ones(len(first), int), first, second


def test_mcnemar_worked_examples():
    labels, first, second = discordant(10, 2)
    found = compare.mcnemar_test(labels, first, second, np.arange(len(labels)))
    # Twice the chance of two or fewer heads in twelve tosses: 2 (1 + 12 + 66) / 4096.
    assert (found.only_first, found.only_second) == (10, 2)
    assert found.p == pytest.approx(158 / 4096)
    # The table 101, 121, 59, 33: (121 - 59)² / 180 = 21.36 without continuity correction.
    labels, first, second = discordant(121, 59)
    found = compare.mcnemar_test(labels, first, second, np.arange(len(labels)))
    assert found.p_groups == pytest.approx(3.82e-6, rel=0.01)


def test_mcnemar_counts_a_patient_once():
    labels, first, second = discordant(10, 2)
    groups = np.arange(len(labels))
    once = compare.mcnemar_test(labels, first, second, groups)
    thrice = compare.mcnemar_test(*(a.repeat(3) for a in (labels, first, second, groups)))
    assert thrice.p_groups == pytest.approx(once.p_groups)
    assert thrice.p < once.p / 10
    agreed = compare.mcnemar_test(labels, first, first, groups)
    assert (agreed.only_first, agreed.p, agreed.p_groups) == (0, 1.0, 1.0)


def test_holm_known_values():
    assert compare.holm_correction([0.01, 0.04, 0.03, 0.005]) == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )
    assert compare.holm_correction([0.6, 0.7]) == [1.0, 1.0]
    assert compare.holm_correction([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(deadline=None)
def test_holm_keeps_order_and_never_helps(p_values):
    adjusted = np.array(compare.holm_correction(p_values))
    assert (adjusted >= np.array(p_values)).all() and (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()


def two_models(seed, gain, patients=80):
    """Two models that share what is hard about a slice; `new` sees `gain` more."""
    generator = np.random.default_rng(seed)
    groups = np.arange(patients * 5) // 5
    labels = generator.integers(0, 2, patients * 5)
    shared = generator.normal(size=patients)[groups] + generator.normal(size=patients * 5)
    scores = {
        name: apply_temperature(s * labels + shared + 0.3 * generator.normal(size=len(labels)), 1.0)
        for name, s in (("new", 1.0 + gain), ("old", 1.0))
    }
    return labels, scores, groups


def test_a_clear_difference_is_concluded_and_a_small_one_is_not():
    half = {"new": 0.5, "old": 0.5}
    labels, scores, groups = two_models(seed=0, gain=1.0)
    (pair,) = compare.compare_models(labels, scores, groups, half, n_resamples=500)
    assert set(pair.differences) == set(METRIC_NAMES)
    assert pair.differences["auc"].interval[0] > 0
    assert pair.conclusion.startswith("new ranks slices better than old")
    labels, scores, groups = two_models(seed=0, gain=0.0)
    (pair,) = compare.compare_models(labels, scores, groups, half, n_resamples=500)
    low, high = pair.differences["auc"].interval
    assert low < 0 < high
    assert pair.conclusion.startswith("No significant difference between new and old")
    assert "does not show that they are equal" in pair.conclusion


def test_the_sentence_turns_the_interval_to_the_better_model():
    labels, scores, groups = two_models(seed=0, gain=1.0)
    swapped = {"old": scores["old"], "new": scores["new"]}
    (pair,) = compare.compare_models(
        labels, swapped, groups, {"new": 0.5, "old": 0.5}, n_resamples=500
    )
    low, high = pair.differences["auc"].interval
    assert high < 0
    assert pair.conclusion.startswith("new ranks slices better than old")
    assert f"CI {-high:.3f} to {-low:.3f}" in pair.conclusion


def test_several_pairs_are_corrected_together():
    labels, scores, groups = two_models(seed=1, gain=0.2)
    scores["third"] = scores["old"][::-1]
    pairs = compare.compare_models(
        labels, scores, groups, dict.fromkeys(scores, 0.5), n_resamples=300
    )
    assert [(p.first, p.second) for p in pairs] == [
        ("new", "old"), ("new", "third"), ("old", "third"),
    ]  # fmt: skip
    raw = [p.differences["auc"].p for p in pairs]
    assert [p.differences["auc"].p_holm for p in pairs] == pytest.approx(
        compare.holm_correction(raw)
    )
    assert "Holm's correction for 3 comparisons" in pairs[0].conclusion


def test_a_model_equals_itself():
    labels, scores, groups = two_models(seed=2, gain=0.2)
    (pair,) = compare.compare_models(
        labels, {"a": scores["new"], "b": scores["new"]}, groups, {"a": 0.5, "b": 0.5},
        n_resamples=100,
    )  # fmt: skip
    for name, difference in pair.differences.items():
        assert (difference.value, difference.p) == (0.0, 1.0), name
    assert pair.delong.p == 1.0 and pair.mcnemar.p == 1.0


def test_one_class_says_what_is_missing():
    (pair,) = compare.compare_models(
        [1, 1, 1], {"a": [0.1, 0.2, 0.9], "b": [0.3, 0.4, 0.5]}, list("xyz"), {"a": 0.5, "b": 0.5},
        n_resamples=50,
    )  # fmt: skip
    assert pair.delong is None and pair.differences["auc"].value is None
    assert "needs slices of both classes" in pair.conclusion


def test_one_model_is_no_comparison():
    with pytest.raises(DatasetError, match="two or more models"):
        compare.compare_models([0, 1], {"a": [0.1, 0.9]}, ["x", "y"], {"a": 0.5})
    with pytest.raises(DatasetError, match="1 have none"):
        compare.compare_models([0, 1], {"a": [0.1, 0.9], "b": [0.1, 0.9]}, ["x", "y"], {"a": 0.5})
