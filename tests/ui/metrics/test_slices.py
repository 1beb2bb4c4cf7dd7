"""Which slices are shown, and in which order."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spinefrac.store import repository
from spinefrac.store.evaluations import SlicePredictions
from tests.ui.metrics.support import page, text


def test_order_of_slices(home: Path) -> None:
    from spinefrac.ui.metrics import slices

    answers = SlicePredictions.from_out_of_fold(repository.load("poor").load_out_of_fold())
    rows = slices.rank_slices(answers, 0.5, "errors")
    wrong = np.abs(answers.labels - answers.probabilities)[rows]
    assert (np.diff(wrong) <= 0).all() and (wrong >= 0.5).all()
    near = slices.rank_slices(answers, 0.5, "near-threshold")
    assert (np.diff(np.abs(answers.probabilities[near] - 0.5)) >= 0).all()


def test_labels_to_check_are_ranked_by_the_models_own_answers(home: Path) -> None:
    app = page(models=["poor"], view="Slices", show="Suspected label errors")
    assert "confident learning" in text(app) and "slices: suspected label errors" in text(app)
