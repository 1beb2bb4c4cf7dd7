"""What an augmentation does to what the label rests on, measured where the truth is known.

On synthetic slices every pixel of the fracture is known. So it can be said how much of it a
transform pushes out of the picture, and how much of its line's contrast is left. For a saved
model it is said how far its answer moves while the same slice is changed.
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

#: Synthetic patients whose fractures are looked at, one slice each.
PATIENTS = 16
#: Draws of each slice through all transforms together.
SAMPLES_PER_SLICE = 8
#: Draws of one slice through a model.
MODEL_SAMPLES = 64

#: Where a warning begins: more than this share of the fracture out of the picture, less than
#: this share of its contrast left, more than this share of the grey values clipped.
MAX_LOST_SHARE, MIN_CONTRAST, MAX_CLIPPED_SHARE = 0.05, 0.5, 0.05
#: A model is called invariant if no draw crosses its threshold and the middle nine tenths of its
#: probabilities lie within this width.
MAX_INVARIANT_WIDTH = 0.1

#: Pixels from the line to the bone that it is compared with, and how far that reaches.
_INNER_MARGIN, _OUTER_MARGIN = 1, 4
#: Bone, in Hounsfield units; soft tissue beside the line would pass for contrast.
_BONE_THRESHOLD_HU = 200.0
#: Of the fracture, at least this much must be in the picture to speak of its contrast.
_MIN_REMAINING_SHARE = 0.2


# --- truth -------------------------------------------------------------------------------


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
    """Cut a mask as the slice was cut; past the border there is nothing."""
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


# --- what a draw does ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShareSummary:
    """A mean over the synthetic slices, and the slices with the least and the most."""

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
    """What a transform, or all of them together, does to the fractures of the truth.

    Attributes
    ----------
    name : str
        One of `TRANSFORMS`, or ``together``.
    value : float
        At which end of the range, in the units of `AugmentationConfig`; NaN for ``together``.
    lost_share : Share
        Of the fracture's pixels, those that leave the picture.
    contrast : Share
        Grey difference between line and bone beside it, after against before; not defined
        where hardly anything of the fracture is left.
    visibility : Share
        The same relative to how much the bone beside the line varies, as noise hides a line
        without taking its contrast.
    clipped_share : Share
        Of the grey values, those that black or white swallows.
    """

    name: str
    value: float
    lost_share: ShareSummary
    contrast: ShareSummary
    visibility: ShareSummary
    clipped_share: ShareSummary

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to say of it: a sentence for each limit that it breaks."""
        found = []
        if self.lost_share.mean > MAX_LOST_SHARE:
            found.append(
                f"{_format_share(self.lost_share)} of the fracture's pixels leave the picture"
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
                f"{_format_share(self.clipped_share)} of the grey values become plain black or white"
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
    tuple of Effect
        In the order of `TRANSFORMS`; ``together`` is the last one and there if anything is on.
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
    """Measure `SAMPLES_PER_SLICE` draws of each synthetic slice, as training would draw them."""
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
    """Return the share of the fracture's pixels that leave the picture."""
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
    """Return what is left of the fracture's line after a draw, relative to before.

    Returns
    -------
    contrast : float
        Of its grey difference to the bone beside it.
    visibility : float
        Of that difference over the standard deviation of the bone beside it, which noise raises.
        Both are NaN where hardly anything of the fracture, or of that bone, is in the picture.
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
    # Where one value swallowed all the bone, the line is as visible as its contrast.
    return contrast, contrast * deviation_before / deviation if deviation else contrast


def _measure_line(
    pixels: GreyImage, fracture: FloatImage, bone_mask: FloatImage
) -> tuple[float, float]:
    """Return how much darker the line is than the bone beside it, and how much that varies."""
    bone = float(np.average(pixels, weights=bone_mask))
    variance = float(np.average((pixels - bone) ** 2, weights=bone_mask))
    return bone - float(np.average(pixels, weights=fracture)), variance**0.5


def compute_clipped_share(pixels: GreyImage, params: TransformParams) -> float:
    """Return the share of a slice's grey values that become plain black or white.

    What is black or white before has nothing to lose and is not counted.

    Parameters
    ----------
    pixels : uint8 array, shape (S, S)
    params : Draw
    """
    moved = apply_spatial_transforms(pixels, params)
    between = (moved > 0) & (moved < 255)
    if not changes_intensity(params) or not between.any():
        return 0.0
    values = apply_intensity_transforms(moved, params)[between]
    return float(((values < 0) | (values > 255)).mean())


def _format_share(share: ShareSummary) -> str:
    """Return a share with its doubt, as ``12 % (slices: 3 to 30 %)``."""
    mean, least, most = (f"{100 * v:.0f}" for v in (share.mean, share.minimum, share.maximum))
    return f"{mean} % (slices: {least} to {most} %)"


# --- what it does to a model's answer ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PredictionSpread:
    """How a model's probability moves while one slice goes through the augmentation.

    Attributes
    ----------
    model : str
    original_probability : float
        Probability of the slice as it is.
    probabilities : float64 array, shape (draws,)
    threshold : float
    percentile_5, percentile_95 : float
        Ends of the middle nine tenths of `probabilities`.
    threshold_crossings : int
        Draws that are answered otherwise than the unchanged slice.
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
        """Return what was found, in words."""
        draws = len(self.probabilities)
        low, high = (f"{100 * end:.0f}" for end in self.crossing_share_ci)
        return (
            f"On this slice, {self.model} {'is' if self.is_invariant else 'is not'} invariant to "
            f"what you ask it to be: unchanged it answers {100 * self.original_probability:.0f} %, nine of "
            f"ten changed copies lie between {100 * self.percentile_5:.0f} % and {100 * self.percentile_95:.0f} %, "
            f"and {self.threshold_crossings} of {draws} ({100 * self.threshold_crossings / draws:.0f} %, 95 % interval "
            f"{low} to {high} %) fall on the other side of its threshold of "
            f"{100 * self.threshold:.0f} %."
        )


def measure_prediction_spread(
    predictor: Predictor,
    ct: CtSlice,
    config: AugmentationConfig,
    seed: int = 0,
    index: int = 0,
    samples: int = MODEL_SAMPLES,
) -> PredictionSpread:
    """Ask a model about one slice again and again, changed as training would change it.

    Parameters
    ----------
    predictor : Predictor
    ct : CtSlice
        Preprocessed as the model's card says.
    config : AugmentationConfig
    seed, index : int
        Of the run and of the slice; the draws are those of the epochs 1 to `samples`.
    samples : int

    Returns
    -------
    Spread
    """
    from scipy.stats import binomtest

    from spinefrac.evaluation import calibration
    from spinefrac.inference.predictor import BATCH_SIZE

    pixels = imaging.to_input(ct, predictor.model.preprocessing).pixels
    augmenter = Augmenter(config, seed)
    pictures = [pixels, *(augmenter(pixels, epoch, index) for epoch in range(1, samples + 1))]
    logits = [
        predictor.run(np.stack(pictures[start : start + BATCH_SIZE]))[0]
        .astype(np.float64)
        .mean(axis=1)
        for start in range(0, len(pictures), BATCH_SIZE)
    ]
    unchanged, *changed = calibration.apply_temperature(
        np.concatenate(logits), predictor.model.temperature
    ).tolist()
    threshold = predictor.model.threshold
    crossed = sum((p >= threshold) != (unchanged >= threshold) for p in changed)
    interval = binomtest(crossed, samples).proportion_ci(0.95, method="exact")
    low, high = np.quantile(changed, (0.05, 0.95)).tolist()
    return PredictionSpread(
        model=predictor.model.id,
        original_probability=unchanged,
        probabilities=np.array(changed),
        threshold=threshold,
        percentile_5=low,
        percentile_95=high,
        threshold_crossings=crossed,
        crossing_share_ci=(float(interval.low), float(interval.high)),
    )
