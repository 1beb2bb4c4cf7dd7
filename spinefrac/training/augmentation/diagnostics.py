"""Diagnostics of an augmentation: what it does to a fracture, and to a model's prediction.

On synthetic slices every pixel of the fracture is known. So it is measured how much of it a
transform moves out of the image, and how much of its contrast remains. For a saved model it is
measured how far its probability changes when the same slice is augmented.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.data import phantom
from spinefrac.records import CtSlice, FloatImage, GreyImage, Preprocessing, Square
from spinefrac.training.augmentation.config import TRANSFORMS, AugmentationConfig
from spinefrac.training.augmentation.transforms import (
    Augmenter,
    TransformParams,
    apply_intensity_transforms,
    apply_spatial_transforms,
    apply_transforms,
    changes_intensity,
)

if TYPE_CHECKING:
    from spinefrac.inference.predictor import Predictor

#: Synthetic patients with a fracture, one slice each.
PATIENTS = 16
#: Draws of each slice through all transforms together.
SAMPLES_PER_SLICE = 8
#: Draws of one slice through a model.
MODEL_SAMPLES = 64

#: Limits of the warnings: more than this share of the fracture outside the image, less than this
#: share of its contrast left, more than this share of the grey values clipped.
MAX_LOST_SHARE, MIN_CONTRAST, MAX_CLIPPED_SHARE = 0.05, 0.5, 0.05
#: A model counts as invariant if no augmented copy crosses its threshold and the middle 90 % of its
#: probabilities lie within this width.
MAX_INVARIANT_WIDTH = 0.1

#: Distance in pixels from the line to the bone that it is compared with, from and to.
_INNER_MARGIN, _OUTER_MARGIN = 1, 4
#: Bone, in Hounsfield units; soft tissue near the line would count as contrast.
_BONE_THRESHOLD_HU = 200.0
#: The contrast is defined where at least this share of the fracture is in the image.
_MIN_REMAINING_SHARE = 0.2


# --- ground truth -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GroundTruthSlice:
    """A synthetic input whose fracture is known.

    Attributes
    ----------
    pixels : uint8 array, shape (S, S)
    fracture_mask, bone_mask : float32 array, shape (S, S)
        How much of each pixel is fracture, and is intact bone beside it; 0…1.
    """

    pixels: GreyImage = field(repr=False)
    fracture_mask: FloatImage = field(repr=False)
    bone_mask: FloatImage = field(repr=False)


@lru_cache(maxsize=4)
def render_ground_truth(preprocessing: Preprocessing) -> tuple[GroundTruthSlice, ...]:
    """Return the inputs of `PATIENTS` synthetic patients, each with a fracture."""
    return tuple(_render_ground_truth_slice(patient, preprocessing) for patient in range(PATIENTS))


def _render_ground_truth_slice(patient: int, preprocessing: Preprocessing) -> GroundTruthSlice:
    made = phantom.render(patient, 0, patients=PATIENTS, slices=1, seed=1, fractured=True)
    ct = CtSlice(made.hu, calibrated=True, format="dicom", bits=16)
    seen = imaging.to_input(ct, preprocessing)
    fracture = _crop_mask(made.mask, seen.square, preprocessing.size)
    near, far = (_dilate(fracture, width) for width in (_INNER_MARGIN, _OUTER_MARGIN))
    low = preprocessing.window_center - preprocessing.window_width / 2
    bone = (
        cv2.blur(seen.pixels, (3, 3))
        > (_BONE_THRESHOLD_HU - low) / preprocessing.window_width * 255
    )
    return GroundTruthSlice(seen.pixels, fracture, np.asarray(far & ~near & bone, np.float32))


def _crop_mask(mask: npt.NDArray[np.uint8], square: Square, size: int) -> FloatImage:
    """Crop a mask to the square of the slice; outside its border it is 0."""
    width = square.side
    padded = np.pad(mask.astype(np.float32), width)
    top, left = square.top + width, square.left + width
    cut = padded[top : top + width, left : left + width]
    method = cv2.INTER_AREA if width > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (size, size), interpolation=method), np.float32)


def _dilate(mask: FloatImage, radius: int) -> npt.NDArray[np.bool_]:
    side = 2 * radius + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate((mask > 0.1).astype(np.uint8), disc).astype(bool)


# --- effect on the fracture ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShareSummary:
    """The mean over the synthetic slices, and the lowest and highest slice mean."""

    mean: float
    minimum: float
    maximum: float

    @classmethod
    def from_slices(cls, slices: Sequence[npt.NDArray[np.float64]]) -> ShareSummary:
        """Summarise the draws of each slice, shape (draws,); NaN where nothing is defined."""
        means = [
            float(draws[known].mean()) for draws in slices if (known := ~np.isnan(draws)).any()
        ]
        if not means:
            return cls(float("nan"), float("nan"), float("nan"))
        return cls(float(np.mean(means)), min(means), max(means))


@dataclass(frozen=True, slots=True)
class TransformEffect:
    """The effect of a transform, or of all together, on the fractures of synthetic slices.

    Attributes
    ----------
    name : str
        One of `TRANSFORMS`, or ``together``.
    value : float
        At which end of the range, in the units of `AugmentationConfig`; NaN for ``together``.
    lost_share : ShareSummary
        Share of the fracture's pixels that leave the image.
    contrast : ShareSummary
        Grey difference between the line and the bone near it, after divided by before; not
        defined where hardly anything of the fracture is left.
    visibility : ShareSummary
        The same relative to the standard deviation of the bone near the line, because noise
        hides a line without reducing its contrast.
    clipped_share : ShareSummary
        Share of the grey values that become black or white.
    """

    name: str
    value: float
    lost_share: ShareSummary
    contrast: ShareSummary
    visibility: ShareSummary
    clipped_share: ShareSummary

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each limit that is exceeded."""
        found = []
        if self.lost_share.mean > MAX_LOST_SHARE:
            found.append(
                f"{_format_share(self.lost_share)} of the fracture's pixels leave the image"
            )
        if self.contrast.mean < MIN_CONTRAST:
            found.append(
                f"the fracture's line keeps {_format_share(self.contrast)} of its contrast"
            )
        elif self.visibility.mean < MIN_CONTRAST:
            kept = _format_share(self.visibility)
            found.append(f"against the noise, the fracture's line keeps {kept} of its contrast")
        if self.clipped_share.mean > MAX_CLIPPED_SHARE:
            found.append(
                f"{_format_share(self.clipped_share)} of the grey values become plain black or "
                "white"
            )
        return tuple(found)


def measure_effects(
    config: AugmentationConfig, preprocessing: Preprocessing
) -> tuple[TransformEffect, ...]:
    """Measure every transform that is on at both ends of its range, then all together.

    Parameters
    ----------
    config : AugmentationConfig
    preprocessing : Preprocessing

    Returns
    -------
    tuple of TransformEffect
        In the order of `TRANSFORMS`; ``together`` comes last, where any transform is on.
    """
    effects = [
        measure_transform_effect(name, value, preprocessing)
        for name in TRANSFORMS
        if name != "flip" and config.is_enabled(name)
        for value in dict.fromkeys(config.get_range(name))
        if value
    ]
    if any(config.is_enabled(name) for name in TRANSFORMS):
        effects.append(measure_joint_effect(config, preprocessing))
    return tuple(effects)


@lru_cache(maxsize=512)
def measure_transform_effect(
    name: str, value: float, preprocessing: Preprocessing
) -> TransformEffect:
    """Measure one transform at one value."""
    draw = TransformParams.from_transform(name, value, preprocessing.size)
    return _summarize_effect(
        name, value, [[(truth, draw)] for truth in render_ground_truth(preprocessing)]
    )


@lru_cache(maxsize=64)
def measure_joint_effect(
    config: AugmentationConfig, preprocessing: Preprocessing
) -> TransformEffect:
    """Measure `SAMPLES_PER_SLICE` epochs of each synthetic slice, as in training."""
    augmenter = Augmenter(config, seed=0)
    return _summarize_effect(
        "together",
        float("nan"),
        [
            [
                (t, augmenter.sample_params(preprocessing.size, epoch, index))
                for epoch in range(1, SAMPLES_PER_SLICE + 1)
            ]
            for index, t in enumerate(render_ground_truth(preprocessing))
        ],
    )


def _summarize_effect(
    name: str, value: float, slices: Iterable[list[tuple[GroundTruthSlice, TransformParams]]]
) -> TransformEffect:
    table = [
        np.array(
            [
                (
                    compute_lost_share(t, draw),
                    *compute_line_visibility(t, draw),
                    compute_clipped_share(t.pixels, draw),
                )
                for t, draw in cases
            ]
        )
        for cases in slices
    ]
    return TransformEffect(
        name,
        value,
        *(ShareSummary.from_slices([c[:, column] for c in table]) for column in range(4)),
    )


def compute_lost_share(truth: GroundTruthSlice, params: TransformParams) -> float:
    """Return the share of the fracture's pixels that leave the image."""
    side = len(truth.pixels)
    rows, columns = np.nonzero(truth.fracture_mask)
    weights = truth.fracture_mask[rows, columns]
    if params.flip:
        columns = side - 1 - columns
    places = params.affine_matrix(side) @ np.stack([columns, rows, np.ones_like(rows)])  # (2, n)
    outside = ((places < -0.5) | (places > side - 0.5)).any(axis=0)
    return float(weights[outside].sum() / weights.sum())


def compute_line_visibility(
    truth: GroundTruthSlice, params: TransformParams
) -> tuple[float, float]:
    """Return how visible the fracture's line is after the transforms, relative to before.

    Returns
    -------
    contrast : float
        Of its grey difference to the bone near it.
    visibility : float
        Of that difference over the standard deviation of that bone, which noise increases. Both
        are NaN where hardly anything of the fracture, or of that bone, is in the image.
    """
    fracture, beside = (
        apply_spatial_transforms(truth.fracture_mask, params),
        apply_spatial_transforms(truth.bone_mask, params),
    )
    if (
        compute_lost_share(truth, params) > 1 - _MIN_REMAINING_SHARE
        or not fracture.any()
        or not beside.any()
    ):
        return float("nan"), float("nan")
    before, deviation_before = _measure_line(truth.pixels, truth.fracture_mask, truth.bone_mask)
    after, deviation = _measure_line(apply_transforms(truth.pixels, params), fracture, beside)
    contrast = after / before
    # Where all the bone has one value, the visibility is the contrast.
    return contrast, contrast * deviation_before / deviation if deviation else contrast


def _measure_line(
    pixels: GreyImage, fracture: FloatImage, bone_mask: FloatImage
) -> tuple[float, float]:
    """Return how much darker the line is than the bone, and the bone's standard deviation."""
    bone = float(np.average(pixels, weights=bone_mask))
    variance = float(np.average((pixels - bone) ** 2, weights=bone_mask))
    return bone - float(np.average(pixels, weights=fracture)), variance**0.5


def compute_clipped_share(pixels: GreyImage, params: TransformParams) -> float:
    """Return the share of a slice's grey values that become plain black or white.

    Values that were black or white before are not counted.

    Parameters
    ----------
    pixels : uint8 array, shape (S, S)
    params : TransformParams
    """
    moved = apply_spatial_transforms(pixels, params)
    between = (moved > 0) & (moved < 255)
    if not changes_intensity(params) or not between.any():
        return 0.0
    values = apply_intensity_transforms(moved, params)[between]
    return float(((values < 0) | (values > 255)).mean())


def _format_share(share: ShareSummary) -> str:
    """Return a share with its range over the slices, as ``12 % (slices: 3 to 30 %)``."""
    mean, least, most = (f"{100 * v:.0f}" for v in (share.mean, share.minimum, share.maximum))
    return f"{mean} % (slices: {least} to {most} %)"


# --- effect on a model's prediction -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PredictionSpread:
    """How a model's probability changes when one slice is augmented.

    Attributes
    ----------
    model : str
    original_probability : float
        Probability of the slice as it is.
    probabilities : float64 array, shape (draws,)
    threshold : float
    percentile_5, percentile_95 : float
        Limits of the middle 90 % of `probabilities`.
    threshold_crossings : int
        Augmented copies whose predicted class differs from that of the slice itself.
    crossing_share_ci : (low, high)
        95 % interval of their share (Clopper and Pearson, 1934).
    """

    model: str
    original_probability: float
    probabilities: npt.NDArray[np.float64] = field(repr=False)
    threshold: float
    percentile_5: float
    percentile_95: float
    threshold_crossings: int
    crossing_share_ci: tuple[float, float]

    @property
    def is_invariant(self) -> bool:
        return (
            self.threshold_crossings == 0
            and self.percentile_95 - self.percentile_5 <= MAX_INVARIANT_WIDTH
        )

    @property
    def sentence(self) -> str:
        """The result in words."""
        copies = len(self.probabilities)
        low, high = (f"{100 * end:.0f}" for end in self.crossing_share_ci)
        return (
            f"On this slice, {self.model} {'is' if self.is_invariant else 'is not'} invariant to "
            f"this augmentation: its probability is {100 * self.original_probability:.0f} % "
            f"without augmentation and between {100 * self.percentile_5:.0f} % and "
            f"{100 * self.percentile_95:.0f} % for 90 % of the augmented copies. For "
            f"{self.threshold_crossings} of {copies} copies "
            f"({100 * self.threshold_crossings / copies:.0f} %, 95 % CI {low} to {high} %) it is "
            f"on the other side of the threshold of {100 * self.threshold:.0f} %."
        )


def measure_prediction_spread(
    predictor: Predictor,
    ct: CtSlice,
    config: AugmentationConfig,
    seed: int = 0,
    index: int = 0,
    samples: int = MODEL_SAMPLES,
) -> PredictionSpread:
    """Predict one slice and its augmented copies with a saved model.

    Parameters
    ----------
    predictor : Predictor
    ct : CtSlice
        It is preprocessed as the model card says.
    config : AugmentationConfig
    seed, index : int
        Of the run and of the slice; the copies are those of the epochs 1 to `samples`.
    samples : int

    Returns
    -------
    PredictionSpread
    """
    from scipy.stats import binomtest

    pixels = imaging.to_input(ct, predictor.model.preprocessing).pixels
    augmenter = Augmenter(config, seed)
    images = [pixels, *(augmenter(pixels, epoch, index) for epoch in range(1, samples + 1))]
    original, *augmented = _predict_probabilities(predictor, np.stack(images)).tolist()
    threshold = predictor.model.threshold
    crossings = sum((p >= threshold) != (original >= threshold) for p in augmented)
    interval = binomtest(crossings, samples).proportion_ci(0.95, method="exact")
    low, high = np.quantile(augmented, (0.05, 0.95)).tolist()
    return PredictionSpread(
        model=predictor.model.id,
        original_probability=original,
        probabilities=np.array(augmented),
        threshold=threshold,
        percentile_5=low,
        percentile_95=high,
        threshold_crossings=crossings,
        crossing_share_ci=(float(interval.low), float(interval.high)),
    )


def _predict_probabilities(predictor: Predictor, images: GreyImage) -> npt.NDArray[np.float64]:
    """Return the calibrated probabilities (n,) of model inputs (n, S, S)."""
    from spinefrac.evaluation import calibration
    from spinefrac.inference.predictor import BATCH_SIZE

    logits = [
        predictor.run(images[start : start + BATCH_SIZE])[0].astype(np.float64).mean(axis=1)
        for start in range(0, len(images), BATCH_SIZE)
    ]
    return calibration.apply_temperature(np.concatenate(logits), predictor.model.temperature)
