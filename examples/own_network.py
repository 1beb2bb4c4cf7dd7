"""A network of your own, as in most Keras scripts: colour input, one probability.

Run it with ``python examples/own_network.py`` after `seven_steps.py`, whose slices it uses.
"""

import keras
from keras import layers

from spinefrac import save_model, train_model_with_cross_validation


def main() -> None:
    """Train the network by cross-validation, and save it for the app."""
    model = keras.Sequential(
        [
            keras.Input((64, 64, 3)),  # any square size, 1 or 3 channels, grey values 0 to 255
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, activation="sigmoid"),  # a logit, or two classes, do as well
        ]
    )
    trained = train_model_with_cross_validation(model, "example-slices", epochs=1, folds=2)
    result = trained.cross_validation
    print(f"out-of-fold AUC {result.metrics.auc:.2f}, of {result.metrics.groups} patients")
    for slice_path, probability in zip(
        result.out_of_fold.paths[:3], result.out_of_fold.probabilities, strict=False
    ):
        print(f"{slice_path}: {probability:.0%}")
    save_model(trained, "own_network.keras")
    # In the app: spinefrac models import own_network.keras --scale 0..255 --positive-class 1


if __name__ == "__main__":
    main()
