"""Which model is best, and on which slices models disagree."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spinefrac.evaluation.compare import compare_models
from spinefrac.store import paired, repository
from spinefrac.ui.metrics import comparison


def test_best_is_marked_only_beyond_chance(home: Path) -> None:
    from spinefrac.ui.metrics import comparison

    def winners(*names: str) -> dict[str, str]:
        shared = paired.pair_out_of_fold([repository.load(name) for name in names])
        pairs = compare_models(
            shared.labels, shared.probabilities, shared.groups, shared.thresholds, n_resamples=300
        )
        return comparison.find_best_models(pairs)

    assert winners("good", "poor")["auc"] == "good"
    assert winners("poor", "good")["brier"] == "good"  # where less is better, too
    assert "auc" not in winners("good", "alike")


def test_disagreements_are_ranked_by_the_difference_of_probabilities() -> None:
    predicted = np.array([[True, True, False, True], [False, True, True, False]])
    scores = np.array([[0.6, 0.9, 0.4, 0.95], [0.4, 0.8, 0.6, 0.05]])
    assert comparison.rank_disagreements(predicted, scores).tolist() == [3, 0, 2]
