"""A network with fixed weights whose heat map is known: it sees bright spots."""

import numpy as np

SIDE = 48


def bright_spot_network(head):
    """Return a network with a high output where the image has bright spots."""
    import keras
    from keras import layers

    image = keras.Input((SIDE, SIDE, 1))
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(2, 5, strides=4, padding="same", activation="relu", name="spots")(x)
    model = keras.Model(image, head(x))
    kernel = np.full((5, 5, 1, 2), 1 / 25, np.float32)
    kernel[..., 1] *= -1
    model.get_layer("spots").set_weights([kernel, np.array([-0.5, 0.0], np.float32)])
    return model


def pooled(x):
    """Return the probability from the average of the feature map."""
    from keras import layers

    flat = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(
        1, activation="sigmoid", kernel_initializer="ones", bias_initializer="zeros"
    )(flat)
