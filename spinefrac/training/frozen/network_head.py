"""Fit the head of a network with frozen backbones, from the data of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spinefrac.training import heads
from spinefrac.training.frozen.features import FeatureRequest, load_features
from spinefrac.training.frozen.logistic_head import Block, fit_head
from spinefrac.training.workspace import RunWorkspace

if TYPE_CHECKING:
    import keras


def fit_head_of_network(
    model: keras.Model,
    workspace: RunWorkspace,
    rows: npt.NDArray[np.int64],
    on_batch: Callable[[int, int], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> npt.NDArray[np.float64]:
    """Fit the dense layer of `model` in place.

    Parameters
    ----------
    model : keras.Model
        Of `spinefrac.training.settings.FROZEN_NETWORKS`.
    workspace : RunWorkspace
    rows : int64 array, shape (n,)
        The fold's training slices; nothing is learnt from others.
    on_batch : callable, optional
        Called with the batches of features that are done, and of all.
    is_cancelled : callable, optional

    Returns
    -------
    float64 array, shape (N,)
        Logits of all slices as they are.

    Raises
    ------
    Cancelled
        `is_cancelled` returned True.
    """
    settings = workspace.settings
    request = FeatureRequest(
        workspace.inputs, settings.feature_variants, settings.augmentation, settings.seed
    )
    features = load_features(build_pooled_model(model), request, on_batch, is_cancelled)
    head = fit_head(
        features[:, rows],
        workspace.labels[rows],
        workspace.groups[rows],
        list_blocks(model),
        class_weights=settings.class_weights,
        seed=settings.seed,
        is_cancelled=is_cancelled,
    )
    bias = np.array([head.bias], np.float32)
    model.get_layer("logit").set_weights([head.kernel[:, None].astype(np.float32), bias])
    return head.predict(features[0])


def build_pooled_model(model: keras.Model) -> keras.Model:
    """Return the network up to what its head pools; it shares the layers."""
    import keras

    return keras.Model(model.input, model.get_layer("pooled").output)


def list_blocks(model: keras.Model) -> list[Block]:
    """Return what the head pools of each backbone; a part of the head that knows is its prior."""
    kernel = model.get_layer("logit").get_weights()[0][:, 0]
    blocks, start = [], 0
    for backbone in heads.list_backbones(model):
        size = 2 * backbone.output.shape[-1]
        known = kernel[start : start + size]
        blocks.append(Block(backbone.name, size, known if known.any() else None))
        start += size
    return blocks
