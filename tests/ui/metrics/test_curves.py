"""Curves of one model and of several."""

from pathlib import Path

from spinefrac.store import repository
from spinefrac.ui.metrics import curves, data


def test_a_single_model_has_the_spread_over_folds_of_its_cross_validation(home: Path) -> None:
    models = [repository.load(name) for name in ("good", "poor")]
    assert curves._load_band("roc_band", models[:1], data.OUT_OF_FOLD) is not None
    assert curves._load_band("roc_band", models, data.OUT_OF_FOLD) is None
    assert list(curves._load_curves("roc", models[:1], data.OUT_OF_FOLD)) == ["all slices"]
    assert list(curves._load_curves("roc", models, data.OUT_OF_FOLD)) == ["good", "poor"]
