"""What the Metrics page computes once."""

from pathlib import Path

import pytest

from spinefrac.errors import DatasetError
from spinefrac.store import repository
from spinefrac.ui.metrics import data


def test_models_of_the_same_data_share_their_cross_validation(home: Path) -> None:
    models = [repository.load(name) for name in ("good", "poor")]
    assert data.list_evaluation_choices(models) == {
        data.OUT_OF_FOLD: "Cross-validation (out-of-fold)"
    }


def test_predictions_are_loaded_once_a_card(home: Path) -> None:
    good, poor = repository.load("good"), repository.load("poor")
    first = data.load_predictions(good, data.OUT_OF_FOLD)
    assert data.load_predictions(repository.load("good"), data.OUT_OF_FOLD) is first
    assert data.load_predictions(poor, data.OUT_OF_FOLD) is not first


@pytest.mark.parametrize("kind", list(data._CURVES))
def test_every_curve_is_computed(home: Path, kind: str) -> None:
    assert data.load_curve(kind, repository.load("good"), data.OUT_OF_FOLD) is not None


def test_many_subgroups_have_no_intervals(home: Path) -> None:
    model = repository.load("good")
    n = len(data.load_predictions(model, data.OUT_OF_FOLD).paths)
    few = data.compute_subgroup_metrics(model, data.OUT_OF_FOLD, ["a", "b"] * (n // 2), 0.5)
    many = data.compute_subgroup_metrics(
        model, data.OUT_OF_FOLD, [str(i // 4) for i in range(n)], 0.5
    )
    assert set(few) == {"a", "b"} and few["a"].ci
    assert len(many) > data.MAX_SUBGROUPS_WITH_INTERVALS
    assert not any(metrics.ci for metrics in many.values())


def test_one_model_is_no_comparison(home: Path) -> None:
    with pytest.raises(DatasetError):
        data.compare_pairs([repository.load("good")], data.OUT_OF_FOLD)
