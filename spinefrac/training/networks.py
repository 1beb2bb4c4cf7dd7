"""The networks: grey slice in, one logit out.

Every network is a plain Keras functional model of built-in layers, so that a saved file loads
anywhere without our code. Its input is ``image`` (S, S, 1) float32 in 0…255 and its output
``logit`` (1,), without a sigmoid. All of them end in the head of `spinefrac.training.heads`. Parts
whose weights can stay as they are, the backbones of `FROZEN_NETWORKS`, are Keras models of their
own within a network.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spinefrac.errors import ModelError, TrainingError
from spinefrac.exchange import weights_file
from spinefrac.exchange.weights_file import FoldWeights
from spinefrac.training import heads, shipped_weights
from spinefrac.training.lite0.network import build_lite0
from spinefrac.training.settings import (
    FROZEN_NETWORKS,
    NETWORK_WEIGHTS,
    NETWORKS,
    is_weights_file,
)

if TYPE_CHECKING:
    import keras


#: Name of `compact` within the backbone that looks twice.
_VIEW = "compact_view"


def build_network(
    name: str = "compact",
    size: int = 224,
    weights: str | None = None,
    seed: int | None = None,
    fused_batch_norm: bool = False,
    fold_index: int = 0,
) -> keras.Model:
    """Build a network.

    Parameters
    ----------
    name : str
        One of `spinefrac.training.settings.NETWORKS`.
    size : int
        Side S of the square input, in pixels.
    weights : str or None
        One of the network's `NETWORK_WEIGHTS`, or the path of a weights file or model. None is
        random, as ``none``.
    seed : int or None
        Of the random weights.
    fused_batch_norm : bool
        A quarter less time per step on a CPU, but no portable file; same variables and numbers.
    fold_index : int
        The fold network of a saved model whose weights are loaded, modulo their number.

    Returns
    -------
    keras.Model
        Input ``image`` (N, S, S, 1) float32 in 0…255, output ``logit`` (N, 1).

    Raises
    ------
    TrainingError
        The name is unknown, or the weights are missing or do not fit.
    """
    import keras

    validate_network(name, weights)
    if seed is not None:
        keras.utils.set_random_seed(seed)
    image = keras.Input((size, size, 1), name="image")
    backbone = None
    if name == "compact":
        maps = {heads.FEATURES: _compact(image, fused_batch_norm)}
    elif name in FROZEN_NETWORKS:
        maps = _build_backbones(name, image, fused_batch_norm)
    else:
        backbone = _BACKBONES[name](image, weights if weights == "imagenet" else None)
        maps = {heads.FEATURES: backbone.output}
    model = keras.Model(image, heads.build_head(maps), name=name)
    if name in FROZEN_NETWORKS:  # its head is fitted: it departs from nothing, or from a known one
        _set_head(model, {})
    if weights == "spine":
        _set_spine_weights(model, size)
    elif is_weights_file(weights) and fused_batch_norm:
        # A file names the layers, and a fused one has another name.
        portable = build_network(name, size, weights, fold_index=fold_index)
        model.set_weights(portable.get_weights())
    elif is_weights_file(weights):
        _load_weights(model, backbone, Path(str(weights)), fold_index)
    return model


def validate_network(name: str, weights: str | None) -> None:
    """Raise TrainingError for an unknown network, or for weights that it does not have."""
    if name not in NETWORKS:
        raise TrainingError(f"unknown network {name!r}; choose one of {', '.join(NETWORKS)}")
    choices = NETWORK_WEIGHTS[name]
    if weights is not None and weights not in choices and not is_weights_file(weights):
        raise TrainingError(
            f"the network {name!r} has no weights named {weights!r}; choose "
            f"{', '.join(choices)} or a weights file, or choose another network"
        )


def _compact(image: Any, fused_batch_norm: bool) -> Any:
    """Return a feature map at half the input's side, made for lines a pixel wide.

    The first convolution works at full resolution and is followed by max pooling, not by a
    stride, so that a thin line survives wherever it falls on the grid. Normalising after the
    pooling is the same function for positive scales and costs a quarter. Coarser levels see
    whether a gap is a joint or a break; they are added to the fine level, which the head pools:
    so the gradient reaches the fine detail by a short way, and the heat map stays sharp (Lin et
    al., "Feature pyramid networks for object detection", CVPR 2017).
    """
    from keras import layers

    norm: Callable[[], Any] = layers.BatchNormalization
    if fused_batch_norm:
        norm = _make_fused_batch_normalization()

    def halve(x: Any) -> Any:
        return layers.MaxPooling2D(padding="same")(x)

    def linear(x: Any, filters: int, kernel: int = 1) -> Any:
        return norm()(layers.Conv2D(filters, kernel, padding="same", use_bias=False)(x))

    def conv(x: Any, filters: int) -> Any:
        return layers.ReLU()(linear(x, filters, kernel=3))

    def enriched(fine: Any, coarse: Any) -> Any:
        above = layers.UpSampling2D()(linear(coarse, fine.shape[-1]))
        odd = [(0, above.shape[axis] - fine.shape[axis]) for axis in (1, 2)]
        above = layers.Cropping2D(odd)(above) if any(map(any, odd)) else above
        return layers.ReLU()(layers.Add()([fine, above]))

    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(norm()(halve(x)))
    half = conv(x, 16)  # (N, S/2, S/2, 16)
    quarter = conv(halve(half), 32)
    refined = linear(conv(quarter, 32), 32, kernel=3)
    quarter = layers.ReLU()(layers.Add()([quarter, refined]))  # (N, S/4, S/4, 32)
    eighth = conv(conv(halve(quarter), 64), 64)  # (N, S/8, S/8, 64)
    return enriched(linear(half, 32), enriched(quarter, eighth))  # (N, S/2, S/2, 32)


def _build_backbones(name: str, image: Any, fused_batch_norm: bool) -> dict[str, Any]:
    """Return the feature maps of a network of `FROZEN_NETWORKS` by the names of their layers.

    Each backbone is a model of its own. Those whose weights never change come first: so the fold
    networks of an ensemble that share them begin with the same weights.
    """

    size = image.shape[1]
    lite0 = build_lite0(size)(image)
    if name == "lite0":
        return {heads.FEATURES: lite0}
    compact = _compact_in_two_views(size, fused_batch_norm)
    return {f"{heads.FEATURES}_lite0": lite0, heads.FEATURES: compact(image)}


def _compact_in_two_views(size: int, fused_batch_norm: bool) -> keras.Model:
    """Return `compact` whose feature map is the mean over the slice and its transpose.

    It was taught with slices turned by any angle, so the transpose is a second look, which finds a
    line where the first one has noise. Both maps lie on the grid of the slice, so places stay.
    """
    import keras
    from keras import layers

    own = keras.Input((size, size, 1), name="image")
    once = keras.Model(own, _compact(own, fused_batch_norm), name=_VIEW)
    for layer in once.layers:
        # Statistics of a batch would give other features than those that the head is fitted on.
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    image = keras.Input((size, size, 1), name="image")
    transpose = layers.Permute((2, 1, 3))
    both = [once(image), transpose(once(transpose(image)))]
    return keras.Model(image, layers.Average()(both), name="compact")


def _to_normalized_rgb(image: Any, scale: list[float], offset: list[float]) -> Any:
    from keras import layers

    return layers.Rescaling(scale, offset)(layers.Concatenate()([image, image, image]))


def _mobilenet_v3_small(image: Any, weights: str | None) -> Any:
    from keras import applications

    rgb = _to_normalized_rgb(image, [1 / 127.5] * 3, [-1.0] * 3)
    return _backbone(
        applications.MobileNetV3Small, rgb, weights=weights, include_preprocessing=False
    )


def _efficientnet_v2_b0(image: Any, weights: str | None) -> Any:
    from keras import applications

    # With its preprocessing inside, the exported graph lacks the normalisation constants.
    rgb = _to_normalized_rgb(image, [1 / 127.5] * 3, [-1.0] * 3)
    return _backbone(
        applications.EfficientNetV2B0, rgb, weights=weights, include_preprocessing=False
    )


def _densenet121(image: Any, weights: str | None) -> Any:
    from keras import applications

    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, RGB in 0…1
    scale = [1 / (255 * d) for d in deviation]
    offset = [-m / d for m, d in zip(mean, deviation, strict=True)]
    return _backbone(
        applications.DenseNet121, _to_normalized_rgb(image, scale, offset), weights=weights
    )


def _resnet50(image: Any, weights: str | None) -> Any:
    from keras import applications

    mean_bgr = [103.939, 116.779, 123.68]  # ImageNet, in 0…255
    rgb = _to_normalized_rgb(image, [1.0] * 3, [-m for m in mean_bgr])
    return _backbone(applications.ResNet50, rgb, weights=weights)


_BACKBONES: dict[str, Callable[[Any, str | None], Any]] = {
    "mobilenet_v3_small": _mobilenet_v3_small,
    "efficientnet_v2_b0": _efficientnet_v2_b0,
    "densenet121": _densenet121,
    "resnet50": _resnet50,
}


def _backbone(
    application: Callable[..., Any], rgb: Any, *, weights: str | None, **options: Any
) -> keras.Model:
    """Return a ``keras.applications`` network without its top, over `rgb` (N, S, S, 3)."""
    try:
        return application(include_top=False, weights=weights, input_tensor=rgb, **options)
    except Exception as error:
        # Keras raises a bare Exception where a download fails, so its text has to be read.
        if weights is None or "URL fetch failure" not in str(error):
            raise
        name = application.__name__
        raise TrainingError(
            f"the ImageNet weights of {name} could not be downloaded; on a computer with internet "
            f"access run keras.applications.{name}(include_top=False)"
            ".save_weights('backbone.weights.h5'), copy that file here and name it as the weights, "
            "or train without weights"
        ) from error


def _set_spine_weights(model: keras.Model, size: int) -> None:
    """Give `compact`, or the backbone of that name with its part of the head, shipped weights."""
    weights = shipped_weights.read_weights("compact-spine")
    own = model if model.name == "compact" else model.get_layer("compact").get_layer(_VIEW)
    if own is not model:
        _set_head(model, {"compact": weights[-2]}, weights[-1])
    if size % 8 == 0:  # those of the head come last
        own.set_weights(weights[: len(own.weights)])
        return
    # Where a side is odd after halving, Keras lists the layers in another order.
    regular = _list_layers_as_made(build_network("compact", 64, "spine"))
    if own is not model:
        regular = [layer for layer in regular if layer.name != "logit"]
    for layer, same in zip(_list_layers_as_made(own), regular, strict=True):
        layer.set_weights(same.get_weights())


def _set_head(model: keras.Model, kernels: dict[str, Any], bias: Any = 0.0) -> None:
    """Give the head the kernels (2C, 1) of some backbones, and zeros for the others."""
    parts = [
        kernels.get(backbone.name, np.zeros((2 * backbone.output.shape[-1], 1), np.float32))
        for backbone in heads.list_backbones(model)
    ]
    model.get_layer("logit").set_weights([np.concatenate(parts), np.reshape(bias, 1)])


def _list_layers_as_made(model: keras.Model) -> list[Any]:
    """Return the layers with weights, by class and by the number that Keras adds to its name."""

    def number(layer: Any) -> tuple[int, int]:
        digits = layer.name.rpartition("_")[2]
        return len(layer.get_weights()), int(digits) if digits.isdecimal() else 0

    return sorted((layer for layer in model.layers if layer.weights), key=number)


def _load_weights(
    model: keras.Model, backbone: keras.Model | None, path: Path, fold_index: int
) -> None:
    """Load a file's weights: of the network, of a saved model's fold, or of the backbone alone."""
    if not path.is_file():
        raise TrainingError(f"no weights file {path}; name an existing .weights.h5, .h5 or .keras")
    try:
        folds = weights_file.read_fold_weights(path)
    except ModelError as error:
        raise TrainingError(f"the weights in {path.name} cannot be used: {error}") from error
    if folds:
        _set_fold_weights(model, folds[fold_index % len(folds)], path)
        return
    reasons = []
    for candidate in (model, backbone):
        if candidate is None:
            continue
        try:
            candidate.load_weights(path)
            return
        except (ValueError, OSError, KeyError) as error:
            reasons.append(str(error).strip().splitlines()[0])
    raise TrainingError(
        f"the weights in {path.name} do not fit the network {model.name!r}: {reasons[0]}; "
        "use a file saved from the same network, or train without weights"
    )


def _set_fold_weights(model: keras.Model, weights: FoldWeights, path: Path) -> None:
    """Give a network the weights of a fold network of a saved model."""
    if [w.shape for w in weights] != [tuple(w.shape) for w in model.weights]:
        raise TrainingError(
            f"the fold networks in {path.name} do not fit the network {model.name!r}: train the "
            "same network at the same size, or without weights"
        )
    model.set_weights(weights)


def _make_fused_batch_normalization() -> Callable[[], Any]:
    """Return a layer class that trains as ``BatchNormalization`` does, with a fused kernel."""
    import keras
    import tensorflow as tf

    class FusedBatchNormalization(keras.layers.BatchNormalization):
        def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
            normalise = partial(
                tf.raw_ops.FusedBatchNormV3,
                x=inputs,
                scale=self.gamma,
                offset=self.beta,
                epsilon=self.epsilon,
            )
            if not (training and self.trainable):  # as Keras does it
                return normalise(
                    mean=self.moving_mean, variance=self.moving_variance, is_training=False
                )[0]
            outputs, mean, variance, *_ = normalise(mean=[], variance=[], is_training=True)
            # The kernel returns the unbiased variance; the layer keeps the biased one.
            count = tf.cast(tf.size(inputs) / tf.size(mean), tf.float32)
            variance = variance * (count - 1) / count
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + batch * (1 - self.momentum))
            return outputs

    return FusedBatchNormalization
