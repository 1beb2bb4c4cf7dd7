"""Are two networks different, or is it chance? Both predict the same slices, patients kept whole.

Run it with ``python examples/compare_models.py`` after `seven_steps.py`, whose slices it uses. For
saved models: ``spinefrac compare FIRST SECOND``.
"""

from spinefrac import build_cnn_model, train_model_with_cross_validation
from spinefrac.evaluation.compare import compare_models


def main() -> None:
    """Train two networks, and compare their out-of-fold predictions."""
    results = {
        name: train_model_with_cross_validation(
            build_cnn_model(size=64, weights=weights), "example-slices", epochs=1, folds=2
        ).cross_validation.out_of_fold
        for name, weights in {"taught on phantoms": "spine", "from random weights": "none"}.items()
    }
    first = next(iter(results.values()))
    (pair,) = compare_models(
        first.labels,
        {name: found.probabilities for name, found in results.items()},
        first.groups,
        thresholds=dict.fromkeys(results, 0.5),
    )
    print(pair.conclusion)
    auc = pair.differences["auc"]
    if auc.interval:  # not where a class has slices of fewer than two patients
        low, high = auc.interval
        print(f"difference of the AUC {auc.value:+.2f} ({low:+.2f} to {high:+.2f})")


if __name__ == "__main__":
    main()
