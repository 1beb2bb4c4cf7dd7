"""A model on two data sets: what is found, what is chance, and how often it is wrongly found."""

import numpy as np
import pytest

from benchmarks.dataset_shift import Population, compare_once
from spinefrac.evaluation.compare import holm_correction
from spinefrac.evaluation.dataset_shift import metric_shift, stack_networks
from spinefrac.evaluation.inputs import EvaluationInputs, make_inputs
from spinefrac.evaluation.metrics import compute_metrics


def answers(skill: float, seed: int, groups: int = 60, slices: int = 6) -> EvaluationInputs:
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(slices) % 2, groups)
    patient = np.repeat(rng.normal(0, 0.5, groups), slices)
    logits = skill * (2 * labels - 1) + patient + rng.normal(0, 1, len(labels))
    names = np.repeat([f"p{i}" for i in range(groups)], slices)
    return make_inputs(labels, 1 / (1 + np.exp(-logits)), names)


def test_value_is_the_difference_of_the_metrics() -> None:
    before, after = answers(1.5, 1), answers(0.5, 2)
    found = metric_shift(before, after, 0.4, n_resamples=200)
    for name in ("auc", "recall", "brier"):
        values = [
            getattr(compute_metrics(s.y_true, s.y_score, s.group_codes, 0.4, n_resamples=0), name)
            for s in (before, after)
        ]
        assert found[name].value == pytest.approx(values[1] - values[0], abs=1e-12)


def test_a_worse_data_set_is_told_from_an_equal_one() -> None:
    worse = metric_shift(answers(1.5, 1), answers(0.3, 2), 0.5, n_resamples=500)["auc"]
    assert worse.value < 0 and worse.interval[1] < 0 and worse.p_holm < 0.05
    alike = metric_shift(answers(1.0, 3), answers(1.0, 4), 0.5, n_resamples=500)["auc"]
    assert alike.interval[0] < 0 < alike.interval[1] and alike.p > 0.05


@pytest.mark.slow
def test_equal_data_sets_are_rarely_told_apart() -> None:
    """At 95 % about 1 of 20: 200 repetitions give 10 ± 3 (SD)."""
    wrong = sum(
        metric_shift(answers(1.0, 2 * i), answers(1.0, 2 * i + 1), 0.5, n_resamples=200)["auc"].p
        < 0.05
        for i in range(200)
    )
    assert wrong <= 20


def test_one_class_or_one_group_gives_no_interval_and_no_nan() -> None:
    before = answers(1.0, 5)
    only_normal = make_inputs(np.zeros(12, int), np.linspace(0.1, 0.9, 12), np.arange(12) // 3)
    found = metric_shift(before, only_normal, 0.5, n_resamples=100)
    assert found["auc"].value is None and found["auc"].interval is None
    assert found["specificity"].interval is not None
    one_group = make_inputs([0, 1, 0, 1], [0.2, 0.7, 0.4, 0.3], ["p"] * 4)
    found = metric_shift(before, one_group, 0.5, n_resamples=100)
    assert np.isfinite(found["auc"].value)
    assert all(entry.interval is None and entry.p_holm is None for entry in found.values())


def test_stacked_networks_have_the_mean_rates_of_the_networks() -> None:
    rng = np.random.default_rng(0)
    labels, groups = np.tile([0, 1], 30), np.arange(60) // 6
    scores = np.clip(0.3 + 0.3 * labels[:, None] + rng.normal(0, 0.2, (60, 3)), 0, 1)
    stacked = stack_networks(labels, scores, groups)
    assert stacked.n_groups == 10 and stacked.n_slices == 180
    found = compute_metrics(
        stacked.y_true, stacked.y_score, stacked.group_codes, 0.5, n_resamples=0
    )
    for name in ("accuracy", "recall", "specificity", "brier", "log_loss"):
        each = [
            getattr(compute_metrics(labels, scores[:, k], groups, 0.5, n_resamples=0), name)
            for k in range(3)
        ]
        assert getattr(found, name) == pytest.approx(np.mean(each), abs=1e-12)


def test_the_gain_of_the_ensemble_hides_no_drop_and_is_no_drop() -> None:
    """Compared with the ensemble, half of the drop of 0.05 disappears; of the networks, none."""
    population = Population(0.95, correlation=0.1)
    found = {}
    for drop in (0.0, 0.05):
        pairs = [compare_once(population, drop, seed, resamples=100) for seed in range(24)]
        found[drop] = [[pair[which]["auc"] for pair in pairs] for which in (0, 1)]
    values = {
        drop: [np.mean([one.value for one in each]) for each in both]
        for drop, both in found.items()
    }
    assert values[0.0][0] == pytest.approx(0.0, abs=0.006) and values[0.0][1] > 0.008
    assert values[0.05][0] == pytest.approx(-0.05, abs=0.008) and values[0.05][1] > -0.04
    seen = {
        drop: [sum(one.p_holm < 0.05 for one in each) for each in both]
        for drop, both in found.items()
    }
    assert seen[0.0][0] <= 4  # 5 % of 24 are 1.2; 5 would be seen once in 150 such tests
    assert seen[0.05][0] >= 16 and seen[0.05][0] > seen[0.05][1] + 4


def test_the_auc_is_tested_by_itself_and_the_others_together() -> None:
    found = metric_shift(answers(1.5, 1), answers(1.1, 2), 0.5, n_resamples=200)
    assert found["auc"].p_holm == found["auc"].p
    others = [name for name in found if name != "auc"]
    assert [found[name].p_holm for name in others] == holm_correction(
        [found[name].p for name in others]
    )


@pytest.mark.slow
def test_noise_on_held_phantoms_is_found_and_new_phantoms_are_no_drop(monkeypatch) -> None:
    """Of phantom-demo, on 64 patients of its mixture that it was not trained on."""
    from benchmarks import dataset_shift
    from spinefrac.evaluation.calibration import apply_temperature
    from spinefrac.inference.predictor import get_predictor
    from spinefrac.store.evaluations import SlicePredictions

    monkeypatch.setattr(dataset_shift, "PHANTOM_SLICES", 4)
    predictor = get_predictor("phantom-demo")
    model = predictor.model
    training = SlicePredictions.from_out_of_fold(model.load_out_of_fold()).to_inputs()
    found = {}
    answered = dataset_shift.predict_phantoms(predictor, (0.0, 45.0))
    for noise, (labels, logits, groups) in answered.items():
        stacked = stack_networks(labels, apply_temperature(logits, model.temperature), groups)
        found[noise] = metric_shift(training, stacked, model.threshold, n_resamples=500)["auc"]
    assert found[0.0].p > 0.05 and abs(found[0.0].value) < 0.02
    assert found[45.0].p < 0.05 and found[45.0].value < -0.03
