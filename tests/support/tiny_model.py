"""A small real model to save: the real network with random weights, made-up answers.

Run as a script it saves one, for the tests that need a process of its own.
"""

import sys

import numpy as np

from spinefrac.evaluation import calibration, metrics, operating_point
from spinefrac.exchange.save_model import NewModel, save
from spinefrac.records import EpochRecord, OutOfFoldPredictions, Preprocessing
from spinefrac.store import input_statistics
from spinefrac.store.card import DataSummary

SIZE = 32
FOLDS = 2


def inputs(count: int = 40, seed: int = 0) -> np.ndarray:
    """Blobs on black, uint8 (count, SIZE, SIZE)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    radius = rng.uniform(8, 12, (count, 1, 1))
    blobs = (np.hypot(y, x) < radius) * rng.uniform(90, 160, (count, 1, 1))
    noise = rng.normal(0, 12, (count, SIZE, SIZE))
    return np.clip(blobs + noise, 0, 255).astype(np.uint8)


def network(seed: int):
    """A small network with the head that `heads.add_heatmap_output` takes apart."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    image = keras.Input((SIZE, SIZE, 1), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = layers.Conv2D(6, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(layers.MaxPooling2D()(x)))
    features = layers.Activation("linear", name="features")(layers.Conv2D(4, 3)(x))
    average = layers.GlobalAveragePooling2D()(features)
    maximum = layers.GlobalMaxPooling2D()(features)
    logit = layers.Dense(1, name="logit")(layers.Concatenate()([average, maximum]))
    return keras.Model(image, logit, name="tiny")


def fold_models() -> list:
    """Two networks whose logits differ from each other and from slice to slice."""
    from spinefrac.training import heads

    return [heads.add_heatmap_output(network(seed)) for seed in range(FOLDS)]


def out_of_fold(temperature: float, rows: int = 40) -> OutOfFoldPredictions:
    rng = np.random.default_rng(1)
    labels = np.arange(rows) % 2
    logits = 2.0 * labels - 1 + rng.normal(0, 1, rows)
    return OutOfFoldPredictions(
        paths=tuple(
            f"{'fracture' if label else 'normal'}/{i:03}.png" for i, label in enumerate(labels)
        ),
        groups=np.array([f"p{i // 4}" for i in range(rows)]),
        labels=labels.astype(np.int64),
        folds=np.arange(rows, dtype=np.int64) // 4 % FOLDS,
        logits=logits,
        probabilities=calibration.apply_temperature(logits, temperature),
        positions=tuple(i % 4 + 1 for i in range(rows)),
        subgroups={"scanner": tuple(f"maker {i % 3}" for i in range(rows))},
    )


def new_model(model_id: str = "tiny", temperature: float = 1.5, **changes: object) -> NewModel:
    oof = out_of_fold(temperature)
    point = operating_point.choose_threshold(
        oof.labels, oof.probabilities, oof.groups, n_resamples=50
    )
    parts = {
        "id": model_id,
        "note": "made by a test",
        "network": "compact",
        "settings": {"epochs": 3, "weights": "/home/somebody/start.weights.h5"},
        "preprocessing": Preprocessing(size=SIZE, bone_crop=False),
        "fold_models": fold_models(),
        "out_of_fold": oof,
        "history": tuple(
            EpochRecord(fold, epoch, 0.7 / epoch, 0.71 / epoch, 0.5 + epoch / 30, 1e-3, 1.25)
            for fold in range(FOLDS)
            for epoch in (1, 2, 3)
        ),
        "metrics": metrics.compute_metrics(
            oof.labels, oof.probabilities, oof.groups, point.threshold, n_resamples=50
        ),
        "temperature": temperature,
        "temperature_method": "set by a test",
        "operating_point": point,
        "data": DataSummary("f" * 64, len(oof.paths), 10, "file name", 20, 20, 1, ("a note",)),
        "input_check": input_statistics.fit(inputs()),
        "verification_inputs": inputs(16, seed=3),
    }
    return NewModel(**(parts | changes))


if __name__ == "__main__":
    new = new_model(sys.argv[1])
    print("ready", flush=True)
    save(new)
