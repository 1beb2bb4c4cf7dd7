"""Pretraining on synthetic lines: a network learns to find drawn lines before it sees a label.

A fracture is a thin dark line in a few slices, and the label says only that there is one. From
random weights a network learns nothing for many epochs before it finds such lines, in some folds
never. So it is first trained on a task that needs no label: thin dark lines are drawn on its own
training slices, and it predicts for each cell of the feature map whether there is one. That takes
about as long as one epoch. The idea is that of self-supervised anomaly detection with synthetic
defects (Li et al., "CutPaste: self-supervised learning for anomaly detection and localization",
CVPR 2021; Zavrtanik et al., "DRAEM", ICCV 2021).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.errors import Cancelled
from spinefrac.records import GreyImage
from spinefrac.training.augmentation.transforms import Augmenter
from spinefrac.training.feature_grid import build_cell_layer, downsample_map
from spinefrac.training.keras_logits import to_image_batch
from spinefrac.training.optimizer import build_schedule
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.workspace import RunWorkspace

if TYPE_CHECKING:
    import keras

#: Share of the slices that lines are drawn on; the others are negative examples.
_LINE_PROBABILITY = 0.75
#: Lines start among the brightest pixels of a slice, which are bone: those above this quantile.
_BONE_QUANTILE = 0.7
#: Slices on which the logit is scaled to mean 0 and standard deviation 1 at the end.
_CALIBRATION_SLICES = 128
#: Sub-pixel positions of OpenCV's lines, in bits.
_SUBPIXEL_BITS = 3


def draw_lines(pixels: GreyImage, rng: np.random.Generator) -> tuple[GreyImage, GreyImage]:
    """Draw one to three irregular dark lines that start on bone.

    Parameters
    ----------
    pixels : uint8 array, shape (S, S)
        A model's input.
    rng : numpy.random.Generator

    Returns
    -------
    drawn : uint8 array, shape (S, S)
    mask : uint8 array, shape (S, S)
        1 on the lines, 0 elsewhere.
    """
    values = pixels.astype(np.float32)
    mask = np.zeros(pixels.shape, np.uint8)
    bone = np.argwhere(pixels >= np.quantile(pixels, _BONE_QUANTILE))
    for _ in range(rng.integers(1, 4)):
        y, x = bone[rng.integers(len(bone))]
        line = _render_line((float(x), float(y)), pixels.shape, rng)
        values -= rng.uniform(15, 70) * line  # grey values; faint ones as well as plain ones
        mask |= line > 0.4
    return np.clip(np.rint(values), 0, 255).astype(np.uint8), mask


def _render_line(
    start: tuple[float, float], shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return a random soft line in 0…1, shape (S, S), that starts at (x, y)."""
    points, direction = [start], rng.uniform(0, 2 * np.pi)
    for _ in range(rng.integers(3, 9)):
        direction += rng.normal(0, 0.35)
        step = rng.uniform(3, 7)
        x, y = points[-1]
        points.append((x + step * np.cos(direction), y + step * np.sin(direction)))
    canvas = np.zeros(shape, np.uint8)
    corners = np.rint(np.array(points) * 2**_SUBPIXEL_BITS).astype(np.int32)
    thickness = int(rng.integers(1, 4))
    cv2.polylines(canvas, [corners], False, 255, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)
    soft = cv2.GaussianBlur(canvas.astype(np.float32) / 255, (0, 0), rng.uniform(0.4, 1.0))
    return soft.astype(np.float32)


def pretrain_on_lines(
    model: keras.Model,
    workspace: RunWorkspace,
    rows: npt.NDArray[np.int64],
    seed: int,
    is_cancelled: Callable[[], bool] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Train `model` in place to locate lines that are drawn on its own training slices.

    Parameters
    ----------
    model : keras.Model
        With the layers ``features`` (N, h, w, C), ``pooled`` (N, 2C) and ``logit`` (N, 1).
    workspace : RunWorkspace
        Its `settings.line_steps` limits the batches, as does the length of the training.
    rows : int64 array, shape (n,)
        The fold's training slices. Neither labels nor held-out slices are used.
    seed : int
    is_cancelled : callable, optional
        Called before every batch.
    progress : callable, optional
        Called after every batch with how many are done, and of how many.

    Returns
    -------
    list of float
        The loss of each batch.

    Raises
    ------
    Cancelled
        `is_cancelled` returned True.
    """
    import keras

    settings = workspace.settings
    steps = min(settings.line_steps, settings.epochs * (len(rows) // settings.batch_size))
    keras.utils.set_random_seed(seed)
    detector, line_layer = _build_line_detector(model, settings, steps)
    rng = np.random.default_rng((seed, 1))
    losses: list[float] = []
    for step in range(steps):
        if is_cancelled and is_cancelled():
            raise Cancelled("training was cancelled during the pretraining on synthetic lines")
        images, masks = _make_batch(workspace, rows, step, rng, detector.output_shape[1:3])
        logs = detector.train_on_batch(to_image_batch(model, images), masks, return_dict=True)
        losses.append(float(logs["loss"]))
        if progress:
            progress(step + 1, steps)
    if steps:
        some = rng.choice(rows, min(_CALIBRATION_SLICES, len(rows)), replace=False)
        line_weights = line_layer.get_weights()[0].reshape(-1)
        _initialize_head(model, line_weights, workspace.inputs[np.sort(some)])
    return losses


def _build_line_detector(
    model: keras.Model, settings: TrainingSettings, steps: int
) -> tuple[keras.Model, Any]:
    """Return a compiled network with the logit of a line in each cell, and its last layer."""
    import keras

    line_layer = build_cell_layer("line")
    detector = keras.Model(model.input, line_layer(model.get_layer("features").output))
    rate = build_schedule(
        settings.highest_learning_rate,
        warmup_steps=max(1, steps // 10),
        decay_steps=max(1, steps - steps // 10),
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
    detector.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
    optimizer.build(detector.trainable_variables)  # before the first step, or it is traced twice
    return detector, line_layer


def _initialize_head(
    model: keras.Model, line_weights: npt.NDArray[np.float32], pixels: GreyImage
) -> None:
    """Initialise the head so that the logit is the largest evidence of a line in the slice.

    From a random head the first steps with labels would undo the pretraining. The logit gets
    mean 0 and standard deviation 1 over `pixels` (n, S, S); `line_weights` (C,) are the weights
    of the features.
    """
    import keras

    pooled_layer = keras.Model(model.input, model.get_layer("pooled").output)
    pooled = np.asarray(pooled_layer.predict_on_batch(to_image_batch(model, pixels)))
    kernel = np.concatenate(
        [np.zeros_like(line_weights), line_weights]
    )  # averages first, then maxima
    evidence = pooled @ kernel
    spread = max(float(evidence.std()), 1e-3)
    bias = np.array([-evidence.mean() / spread], np.float32)
    model.get_layer("logit").set_weights([kernel[:, None] / spread, bias])


def _make_batch(
    workspace: RunWorkspace,
    rows: npt.NDArray[np.int64],
    step: int,
    rng: np.random.Generator,
    grid_shape: tuple[int, int],
) -> tuple[GreyImage, npt.NDArray[np.float32]]:
    """Return images (B, S, S) and masks of their lines on the feature map's grid (B, h, w, 1)."""
    settings = workspace.settings
    augment = Augmenter(settings.augmentation, settings.seed)
    images, masks = [], []
    for row in rng.choice(rows, min(settings.batch_size, len(rows)), replace=False):
        pixels = augment(workspace.inputs[row], step, int(row))
        mask = np.zeros_like(pixels)
        if rng.random() < _LINE_PROBABILITY:
            pixels, mask = draw_lines(pixels, rng)
        images.append(pixels)
        masks.append(downsample_map(mask, grid_shape))
    return np.stack(images), np.stack(masks)[..., None].astype(np.float32)
