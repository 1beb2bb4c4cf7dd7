"""Pretraining of a network on phantoms whose fractures are known to the pixel.

The label of a slice says one bit, the mask says where: so the network learns for each cell of its
feature map whether the fracture crosses it (a 1×1 convolution, left out of the result), that the
strongest cells decide the slice, and its own head learns the label. The result is a complete
network that works without further training.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.ranking import roc_auc
from spinefrac.records import EpochRecord, GreyImage
from spinefrac.training import checkpoint, networks
from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.training.augmentation.transforms import (
    Augmenter,
    apply_spatial_transforms,
    apply_transforms,
)
from spinefrac.training.checkpoint import Checkpoint
from spinefrac.training.feature_grid import build_cell_layer, downsample_map
from spinefrac.training.keras_logits import predict_logits, to_image_batch
from spinefrac.training.optimizer import build_optimizer
from spinefrac.training.pretraining.phantom_slices import MaskedSlices

if TYPE_CHECKING:
    import keras

#: Share of a pixel from which the fracture counts as in it, of 255.
_COVERED = 51
#: Cells of a fracture count this many times as much as the others, which are hundreds of times
#: as frequent.
_FRACTURE_CELL_WEIGHT = 10.0
#: So many of the strongest cells decide the slice.
_STRONGEST_CELLS = 8
#: Of the losses: of the mask's cells, of the strongest cells, of the network's own logit.
_LOSS_WEIGHTS = {"cells": 5.0, "strongest": 1.0, "logit": 1.0}
#: Share of the crops of fractured slices that lie on the fracture.
_FRACTURE_CROPS = 0.75
#: Other crops lie on the brightest pixels of a slice, which are bone: those above this quantile.
_BONE_QUANTILE = 0.7
#: Momentum of the moving average of the weights.
_EMA_MOMENTUM = 0.995


@dataclass(frozen=True, slots=True)
class PretrainingSettings:
    """Settings of the pretraining.

    Attributes
    ----------
    size : int
        Side S of the slices, in pixels.
    crop : int
        Side of the squares of bone that are trained on before the whole slices: they cost less
        and hold more of a fracture.
    epochs, whole_epochs : int
        In all, and how many of them, at the end, see whole slices.
    batch_size : int
    learning_rate : float
        Highest rate, after a linear warm-up and before a half cosine to zero.
    weight_decay : float
    warmup : float
        Share of all steps.
    seed : int
    gamma : float
        Grey values are raised to a power from 1 / (1 + gamma) to 1 + gamma.
    augmentation : AugmentationConfig
        Stronger than for training: fields of view, positions and scanners of every kind.
    """

    size: int = 176
    crop: int = 104
    epochs: int = 20
    whole_epochs: int = 4
    batch_size: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: float = 0.1
    seed: int = 0
    gamma: float = 0.4
    augmentation: AugmentationConfig = field(
        default_factory=lambda: AugmentationConfig(
            rotation=180.0,
            zoom=(-0.25, 0.35),
            shift=0.06,
            brightness=0.12,
            contrast=0.3,
            noise=0.05,
            sharpness=(-0.9, 0.6),
            noise_probability=0.5,
            sharpness_probability=0.5,
        )
    )

    def get_side(self, epoch: int) -> int:
        """Return the side of what is trained on in an epoch, counted from 1."""
        return self.crop if epoch <= self.epochs - self.whole_epochs else self.size

    def to_dict(self) -> dict[str, Any]:
        """Return all values in JSON's types."""
        return {**asdict(self), "augmentation": self.augmentation.to_dict()}


def pretrain(
    slices: MaskedSlices,
    held_out: MaskedSlices,
    settings: PretrainingSettings,
    *,
    initial_weights: Sequence[npt.NDArray[Any]] | None = None,
    checkpoint_path: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> tuple[keras.Model, tuple[EpochRecord, ...]]:
    """Train a `compact` network.

    Parameters
    ----------
    slices : MaskedSlices
        To train on, of any size; they are resized to the settings' once.
    held_out : MaskedSlices
        Of other phantoms, for ``val_auc`` of each epoch; they decide nothing.
    settings : PretrainingSettings
    initial_weights : sequence of array, optional
        To start from, in Keras's order.
    checkpoint_path : Path, optional
        Written after every epoch; training resumes from it where it exists, bit for bit.
    on_epoch : callable, optional

    Returns
    -------
    model : keras.Model
        With the averaged weights.
    history : tuple of EpochRecord
    """
    slices, held_out = (resize(s, settings.size) for s in (slices, held_out))
    state = checkpoint.read(checkpoint_path) if checkpoint_path else None
    steps = len(slices.labels) // settings.batch_size
    training = None
    while state is None or state.epoch < settings.epochs:
        epoch = state.epoch + 1 if state else 1
        if training is None or training.side != settings.get_side(epoch):
            training = _Detector(settings, settings.get_side(epoch), steps)
            if state:
                training.restore(state)
            elif initial_weights:
                training.network.set_weights(initial_weights)
        record = training.run_epoch(slices, held_out, epoch)
        state = training.make_checkpoint((*(state.history if state else ()), record))
        if checkpoint_path:
            checkpoint.write(checkpoint_path, state)
        if on_epoch:
            on_epoch(record)
    final = _Detector(settings, settings.size, steps)
    final.restore(state)
    final.use_averaged_weights()
    return final.network, state.history


class _Detector:
    """The network with its cell outputs and its optimizer, for inputs of one side.

    Its variables are the same for every side, so that a checkpoint passes from one to another.
    """

    def __init__(self, settings: PretrainingSettings, side: int, steps_per_epoch: int) -> None:
        self.settings = settings
        self.side = side
        self.network = networks.build_network(
            "compact", side, seed=settings.seed, fused_batch_norm=True
        )
        # For the curve, which is of whole slices.
        self.whole = networks.build_network("compact", settings.size, fused_batch_norm=True)
        self.model = _build_detector(self.network)
        _compile(self.model, settings, steps_per_epoch)
        self.model.optimizer.build(self.model.trainable_variables)

    def run_epoch(self, slices: MaskedSlices, held_out: MaskedSlices, epoch: int) -> EpochRecord:
        """Train on every slice once."""
        started = time.perf_counter()
        grid_shape = self.network.get_layer("features").output.shape[1:3]
        losses = []
        for images, cells in iterate_epoch(slices, self.settings, epoch, grid_shape):
            targets, weights = _make_targets(cells)
            logs = self.model.train_on_batch(
                to_image_batch(self.network, images),
                targets,
                sample_weight=weights,
                return_dict=True,
            )
            losses.append(float(logs["loss"]))
        rate = float(np.asarray(self.model.optimizer.learning_rate))
        auc = roc_auc(held_out.labels, self._predict_averaged(held_out.pixels))
        return EpochRecord(
            fold=-1,
            epoch=epoch,
            loss=float(np.mean(losses)),
            val_loss=math.nan,
            val_auc=math.nan if auc is None else auc,
            learning_rate=rate,
            seconds=time.perf_counter() - started,
        )

    def _predict_averaged(self, pixels: GreyImage) -> npt.NDArray[np.float64]:
        """Return the logits of the averaged weights on whole slices; training goes on without."""
        trained = self.model.get_weights()
        self.use_averaged_weights()
        self.whole.set_weights(self.network.get_weights())
        self.model.set_weights(trained)
        return predict_logits(self.whole, pixels)

    def use_averaged_weights(self) -> None:
        """Put the moving average of the weights into the network."""
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)

    def make_checkpoint(self, history: tuple[EpochRecord, ...]) -> Checkpoint:
        """Return the state after the epochs of a history."""
        return Checkpoint(
            epoch=len(history),
            history=history,
            network=checkpoint.read_variables(checkpoint.list_state_variables(self.model)),
            optimizer=checkpoint.read_variables(self.model.optimizer.variables),
        )

    def restore(self, state: Checkpoint) -> None:
        """Continue from a checkpoint."""
        checkpoint.assign_variables(checkpoint.list_state_variables(self.model), state.network)
        checkpoint.assign_variables(self.model.optimizer.variables, state.optimizer)


def _make_targets(
    cells: npt.NDArray[np.float32],
) -> tuple[dict[str, npt.NDArray[np.float32]], dict[str, npt.NDArray[np.float32]]]:
    """Return the targets and the weights of the detector's outputs for cells (B, h, w, 1)."""
    labels = np.asarray(cells.any(axis=(1, 2)), np.float32)  # what rotation and crop left inside
    ones = np.ones(len(labels), np.float32)
    weights = {
        "cells": 1 + (_FRACTURE_CELL_WEIGHT - 1) * cells[..., 0],
        "strongest": ones,
        "logit": ones,
    }
    return {"cells": cells, "strongest": labels, "logit": labels}, weights


def _build_detector(model: keras.Model) -> keras.Model:
    """Return a network with the outputs of `_LOSS_WEIGHTS`, all of them logits.

    ``cells`` is (N, h, w, 1), ``strongest`` and ``logit`` are (N, 1).
    """
    import keras
    from keras import ops

    cells = build_cell_layer("cells")(model.get_layer("features").output)
    largest = ops.top_k(keras.layers.Flatten()(cells), _STRONGEST_CELLS)[0]
    outputs = {
        "cells": cells,
        "strongest": ops.mean(largest, axis=1, keepdims=True),
        "logit": model.output,
    }
    return keras.Model(model.input, outputs)


def _compile(detector: keras.Model, settings: PretrainingSettings, steps_per_epoch: int) -> None:
    import keras

    optimizer = build_optimizer(
        settings.learning_rate,
        settings.weight_decay,
        settings.warmup,
        settings.epochs * steps_per_epoch,
        _EMA_MOMENTUM,
    )
    losses = {name: keras.losses.BinaryCrossentropy(from_logits=True) for name in _LOSS_WEIGHTS}
    detector.compile(optimizer, losses, loss_weights=dict(_LOSS_WEIGHTS))


# --- batches -----------------------------------------------------------------------------------


def resize(slices: MaskedSlices, size: int) -> MaskedSlices:
    """Return the slices and masks with another side, by area means."""
    if slices.pixels.shape[1] == size:
        return slices

    def shrink(images: GreyImage) -> GreyImage:
        return np.stack([cv2.resize(i, (size, size), interpolation=cv2.INTER_AREA) for i in images])

    return MaskedSlices(shrink(slices.pixels), shrink(slices.masks), slices.labels, slices.patients)


def iterate_epoch(
    slices: MaskedSlices, settings: PretrainingSettings, epoch: int, grid_shape: tuple[int, int]
) -> Iterator[tuple[GreyImage, npt.NDArray[np.float32]]]:
    """Yield augmented slices (B, side, side) and the cells of their fractures (B, h, w, 1), 0 or 1.

    The same for a seed and an epoch, whatever was trained before.
    """
    augment = Augmenter(settings.augmentation, settings.seed)
    order = np.random.default_rng((settings.seed, epoch)).permutation(len(slices.labels))
    for first in range(0, len(order) - settings.batch_size + 1, settings.batch_size):
        images, cells = [], []
        for row in order[first : first + settings.batch_size]:
            rng = np.random.default_rng((settings.seed, epoch, int(row), 2))
            params = augment.sample_params(settings.size, epoch, int(row))
            pixels = _change_gamma(slices.pixels[row], settings.gamma, rng)
            image = apply_transforms(pixels, params)
            mask = apply_spatial_transforms(slices.masks[row], params)
            window = _choose_window(image, mask, settings.get_side(epoch), rng)
            images.append(image[window])
            cells.append(mask_to_cells(mask[window], grid_shape))
        yield np.stack(images), np.stack(cells)[..., None].astype(np.float32)


def _change_gamma(pixels: GreyImage, gamma: float, rng: np.random.Generator) -> GreyImage:
    limit = np.log1p(gamma)
    power = np.exp(rng.uniform(-limit, limit))
    curve = np.rint(255 * (np.arange(256) / 255) ** power).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, curve), np.uint8)


def _choose_window(
    image: GreyImage, mask: GreyImage, side: int, rng: np.random.Generator
) -> tuple[slice, slice]:
    """Return rows and columns of a square around a point of a fracture, or of other bone."""
    if side >= len(image):
        return slice(None), slice(None)
    of_fracture = rng.random() < _FRACTURE_CROPS
    places = np.flatnonzero(mask >= _COVERED) if of_fracture else np.empty(0)
    if not len(places):
        places = np.flatnonzero(image >= np.quantile(image, _BONE_QUANTILE))
    row, column = divmod(int(places[rng.integers(len(places))]), len(image))
    offset = rng.integers(side // 8, side - side // 8, 2)  # the point lies anywhere inside
    top, left = np.clip((row, column) - offset, 0, len(image) - side)
    return slice(int(top), int(top) + side), slice(int(left), int(left) + side)


def mask_to_cells(mask: GreyImage, grid_shape: tuple[int, int]) -> GreyImage:
    """Return which cells of the feature map's grid (h, w) a fracture crosses: 1, else 0.

    `mask` (S, S) is the share of each pixel that the fracture covers, 255 for all of it.
    """
    return downsample_map((mask >= _COVERED).astype(np.uint8), grid_shape)
