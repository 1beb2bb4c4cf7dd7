"""Supervision by places: marked fractures teach the feature map, beside the label of the slice.

A label says one bit of a slice; a box or a mask says where. A 1×1 convolution over the feature map
gives a logit for each cell, and its loss is added to that of the labels. It is dropped after
training, so a saved network has the same form as without. Not every slice has to be marked: the
others keep their label only, and slices without a fracture have none in any cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.data.places import MASK, MAX_BOXES
from spinefrac.records import GreyImage
from spinefrac.training.augmentation.transforms import Augmenter, TransformParams
from spinefrac.training.feature_grid import build_cell_layer, downsample_map
from spinefrac.training.heads import FEATURES
from spinefrac.training.workspace import RunWorkspace

if TYPE_CHECKING:
    import keras

#: Weight of the loss of the places beside that of the labels.
PLACE_WEIGHT = 1.0


def has_places(workspace: RunWorkspace, rows: npt.NDArray[np.int64]) -> bool:
    """Return whether any of these slices has a place to learn from."""
    places = workspace.places
    return places is not None and bool(np.isin(places.rows, rows).any())


def add_place_output(model: keras.Model) -> keras.Model | None:
    """Return the network with the logit of a fracture in each cell as a second output.

    It shares all layers with `model`: training the one trains the other. None where the network
    has no layer `FEATURES`, as one of a user's own.
    """
    import keras

    if FEATURES not in {layer.name for layer in model.layers}:
        return None
    places = build_cell_layer("places")(model.get_layer(FEATURES).output)
    return keras.Model(model.input, [model.output, places], name=model.name)


def compile_detector(detector: keras.Model, optimizer: Any, label_loss: Any) -> None:
    """Compile what `add_place_output` returned, with the loss of labels and that of places."""
    detector.compile(
        optimizer,
        [label_loss, compute_place_loss],
        loss_weights=[1.0, PLACE_WEIGHT],
        metrics=[],
    )


def compute_place_loss(maps: Any, logits: Any) -> Any:
    """Return the loss of each slice, shape (N,).

    Parameters
    ----------
    maps : tensor, shape (N, h, w, 1)
        As `spinefrac.data.places` writes them.
    logits : tensor, shape (N, h, w, 1)

    Returns
    -------
    tensor, shape (N,)
        Half the mean cross-entropy of what must be positive (each cell of a mask, and of each box
        its most positive cell) plus half that of the cells outside, so that the few cells of a
        fracture weigh as much as the many others.
    """
    from keras import ops

    axes = (1, 2, 3)
    maps = ops.cast(maps, logits.dtype)
    on_mask = ops.cast(ops.equal(maps, MASK), logits.dtype)
    missed = ops.sum(on_mask * ops.softplus(-logits), axis=axes)
    wanted = ops.sum(on_mask, axis=axes)
    for number in range(1, MAX_BOXES + 1):
        inside = ops.equal(maps, number)
        peak = ops.max(ops.where(inside, logits, -1e9), axis=axes)
        present = ops.cast(ops.any(inside, axis=axes), logits.dtype)
        missed += present * ops.softplus(-ops.maximum(peak, -1e4))
        wanted += present
    outside = ops.cast(ops.equal(maps, 0), logits.dtype)
    wrong = ops.sum(outside * ops.softplus(logits), axis=axes)
    return (
        missed / ops.maximum(wanted, 1) + wrong / ops.maximum(ops.sum(outside, axis=axes), 1)
    ) / 2


def make_place_targets(
    workspace: RunWorkspace,
    batch: npt.NDArray[np.int64],
    augment: Augmenter,
    epoch: int,
    grid: tuple[int, int],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the maps of a batch as augmented, and the weight of each slice.

    Parameters
    ----------
    workspace : RunWorkspace
    batch : int64 array, shape (B,)
    augment : Augmenter
    epoch : int
        With which the slices themselves were augmented.
    grid : (h, w)
        Of the feature map.

    Returns
    -------
    maps : float32 array, shape (B, h, w, 1)
    weights : float32 array, shape (B,)
        1 for a slice with places or without a fracture, 0 where the place is not known.
    """
    assert workspace.places is not None
    index_of = {int(row): index for index, row in enumerate(workspace.places.rows)}
    maps = np.zeros((len(batch), *grid, 1), np.float32)
    weights = (workspace.labels[batch] == 0).astype(np.float32)
    for position, row in enumerate(batch.tolist()):
        if (index := index_of.get(row)) is None:
            continue
        original = workspace.places.maps[index]
        moved = transform_map(original, augment.sample_params(len(original), epoch, row))
        if moved.any():  # a shift may move it out of the picture
            maps[position, ..., 0] = downsample_map(moved, grid)
            weights[position] = 1.0
    return maps, weights


def transform_map(places: GreyImage, params: TransformParams) -> GreyImage:
    """Move a map (S, S) as `apply_spatial_transforms` moves its slice, without mixing values."""
    side = len(places)
    if params.flip:
        places = np.ascontiguousarray(places[:, ::-1])
    if not (params.rotation or params.zoom or any(params.shift)):
        return places
    matrix = params.affine_matrix(side)
    return np.asarray(cv2.warpAffine(places, matrix, (side, side), flags=cv2.INTER_NEAREST))
