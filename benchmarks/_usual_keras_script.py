"""The script that many people begin with: three blocks of convolution, Flatten, Dense.

It is here to be compared with, written as it is usually found: a generator that turns, shifts and
flips, one sigmoid, Adam, and no thought of patients.
"""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
from keras import layers
from keras.src.legacy.preprocessing.image import ImageDataGenerator


def train_and_predict(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    unseen: npt.NDArray[np.uint8],
    epochs: int,
    seed: int,
) -> npt.NDArray[np.float64]:
    """Return the probability of a fracture of each unseen slice, (M,).

    Parameters
    ----------
    images, unseen : uint8 arrays, shapes (N, S, S) and (M, S, S)
    labels : int64 array, shape (N,)
    epochs, seed : int
    """
    keras.utils.set_random_seed(seed)
    side = images.shape[1]
    model = keras.Sequential(
        [
            keras.Input((side, side, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    generator = ImageDataGenerator(
        rescale=1 / 255,
        rotation_range=15,
        width_shift_range=0.1,
        height_shift_range=0.1,
        zoom_range=0.1,
        horizontal_flip=True,
    )
    batches = generator.flow(images[..., None], labels, batch_size=32, seed=seed)
    model.fit(batches, epochs=epochs, verbose=0)
    inputs = unseen[..., None].astype(np.float32) / 255
    return np.asarray(model.predict(inputs, verbose=0), np.float64)[:, 0]
