"""Are two networks different, or is it chance? Both predict the same slices, patients kept whole.

Run it with ``python examples/compare_models.py`` after `seven_steps.py`, whose slices it uses. For
saved models: ``spinefrac compare FIRST SECOND``.
"""

import keras
from keras import layers

from spinefrac import train_model_with_cross_validation
from spinefrac.evaluation.compare import compare_models


def build_network(filters: int) -> keras.Model:
    """Return a network with so many filters in its only convolution."""
    return keras.Sequential(
        [
            keras.Input((64, 64, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(filters, 3, strides=2, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def main() -> None:
    """Train two networks, and compare their out-of-fold predictions."""
    results = {
        name: train_model_with_cross_validation(
            build_network(filters), "example-slices", epochs=1, folds=2
        ).cross_validation.out_of_fold
        for name, filters in {"4 filters": 4, "32 filters": 32}.items()
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
