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
    Draw,
    apply,
    changes_grey,
    grey_values,
    move,
)

if TYPE_CHECKING:
    from spinefrac.inference.predictor import Predictor

#: Synthetic patients whose fractures are looked at, one slice each.
PATIENTS = 16
#: Draws of each slice through all transforms together.
DRAWS = 8
#: Draws of one slice through a model.
MODEL_DRAWS = 64

#: Where a warning begins: more than this share of the fracture out of the picture, less than
#: this share of its contrast left, more than this share of the grey values clipped.
MOST_LOST, LEAST_CONTRAST, MOST_CLIPPED = 0.05, 0.5, 0.05
#: A model is called invariant if no draw crosses its threshold and the middle nine tenths of its
#: probabilities lie within this width.
INVARIANT_WIDTH = 0.1

#: Pixels from the line to the bone that it is compared with, and how far that reaches.
_GAP, _REACH = 1, 4
#: Bone, in Hounsfield units; soft tissue beside the line would pass for contrast.
_BONE_HU = 200.0
#: Of the fracture, at least this much must be in the picture to speak of its contrast.
_ENOUGH = 0.2


# --- truth -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Truth:
    """A synthetic input whose fracture is known.

    Attributes
    ----------
    pixels : uint8 array, shape (S, S)
    fracture, beside : float32 array, shape (S, S)
        How much of each pixel is fracture, and is intact bone beside it; 0…1.
    """

    pixels: GreyImage = field(repr=False)
    fracture: FloatImage = field(repr=False)
    beside: FloatImage = field(repr=False)


@lru_cache(maxsize=4)
def truths(preprocessing: Preprocessing) -> tuple[Truth, ...]:
    """Return the inputs of `PATIENTS` synthetic patients, each with a fracture."""
    return tuple(_truth(patient, preprocessing) for patient in range(PATIENTS))


def _truth(patient: int, preprocessing: Preprocessing) -> Truth:
    made = phantom.render(patient, 0, patients=PATIENTS, slices=1, seed=1, fractured=True)
    ct = CtSlice(made.hu, calibrated=True, format="dicom", bits=16)
    seen = imaging.to_input(ct, preprocessing)
    fracture = _cut(made.mask, seen.square, preprocessing.size)
    near, far = (_widened(fracture, width) for width in (_GAP, _REACH))
    low = preprocessing.window_center - preprocessing.window_width / 2
    bone = cv2.blur(seen.pixels, (3, 3)) > (_BONE_HU - low) / preprocessing.window_width * 255
    return Truth(seen.pixels, fracture, np.asarray(far & ~near & bone, np.float32))


def _cut(mask: npt.NDArray[np.uint8], square: Square, size: int) -> FloatImage:
    """Cut a mask as the slice was cut; past the border there is nothing."""
    width = square.side
    padded = np.pad(mask.astype(np.float32), width)
    top, left = square.top + width, square.left + width
    cut = padded[top : top + width, left : left + width]
    method = cv2.INTER_AREA if width > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (size, size), interpolation=method), np.float32)


def _widened(mask: FloatImage, pixels: int) -> npt.NDArray[np.bool_]:
    side = 2 * pixels + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate((mask > 0.1).astype(np.uint8), disc).astype(bool)


# --- what a draw does ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """A mean over the synthetic slices, and the slices with the least and the most."""

    mean: float
    least: float
    most: float

    @classmethod
    def of(cls, slices: Sequence[npt.NDArray[np.float64]]) -> Share:
        """Summarise the draws of each slice, shape (draws,); NaN where nothing is defined."""
        means = [
            float(draws[known].mean()) for draws in slices if (known := ~np.isnan(draws)).any()
        ]
        if not means:
            return cls(float("nan"), float("nan"), float("nan"))
        return cls(float(np.mean(means)), min(means), max(means))


@dataclass(frozen=True, slots=True)
class Effect:
    """What a transform, or all of them together, does to the fractures of the truth.

    Attributes
    ----------
    name : str
        One of `TRANSFORMS`, or ``together``.
    value : float
        At which end of the range, in the units of `AugmentationConfig`; NaN for ``together``.
    lost : Share
        Of the fracture's pixels, those that leave the picture.
    contrast : Share
        Grey difference between line and bone beside it, after against before; not defined
        where hardly anything of the fracture is left.
    visibility : Share
        The same relative to how much the bone beside the line varies, as noise hides a line
        without taking its contrast.
    clipped : Share
        Of the grey values, those that black or white swallows.
    """

    name: str
    value: float
    lost: Share
    contrast: Share
    visibility: Share
    clipped: Share

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to say of it: a sentence for each limit that it breaks."""
        found = []
        if self.lost.mean > MOST_LOST:
            found.append(f"{_percent(self.lost)} of the fracture's pixels leave the picture")
        if self.contrast.mean < LEAST_CONTRAST:
            found.append(f"the fracture's line keeps {_percent(self.contrast)} of its contrast")
        elif self.visibility.mean < LEAST_CONTRAST:
            kept = _percent(self.visibility)
            found.append(f"against the noise, the fracture's line keeps {kept} of its contrast")
        if self.clipped.mean > MOST_CLIPPED:
            found.append(f"{_percent(self.clipped)} of the grey values become plain black or white")
        return tuple(found)


def judge(config: AugmentationConfig, preprocessing: Preprocessing) -> tuple[Effect, ...]:
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
        effect_at(name, value, preprocessing)
        for name in TRANSFORMS
        if name != "flip" and config.is_on(name)
        for value in dict.fromkeys(config.range_of(name))
        if value
    ]
    if any(config.is_on(name) for name in TRANSFORMS):
        effects.append(effect_together(config, preprocessing))
    return tuple(effects)


@lru_cache(maxsize=512)
def effect_at(name: str, value: float, preprocessing: Preprocessing) -> Effect:
    """Measure one transform at one value."""
    draw = Draw.single(name, value, preprocessing.size)
    return _effect(name, value, [[(truth, draw)] for truth in truths(preprocessing)])


@lru_cache(maxsize=64)
def effect_together(config: AugmentationConfig, preprocessing: Preprocessing) -> Effect:
    """Measure `DRAWS` draws of each synthetic slice, as training would draw them."""
    augmenter = Augmenter(config, seed=0)
    return _effect(
        "together",
        float("nan"),
        [
            [(t, augmenter.draw(preprocessing.size, epoch, index)) for epoch in range(1, DRAWS + 1)]
            for index, t in enumerate(truths(preprocessing))
        ],
    )


def _effect(name: str, value: float, slices: Iterable[list[tuple[Truth, Draw]]]) -> Effect:
    table = [
        np.array(
            [
                (lost_share(t, draw), *line_kept(t, draw), clipped_share(t.pixels, draw))
                for t, draw in cases
            ]
        )
        for cases in slices
    ]
    return Effect(name, value, *(Share.of([c[:, column] for c in table]) for column in range(4)))


def lost_share(truth: Truth, draw: Draw) -> float:
    """Return the share of the fracture's pixels that leave the picture."""
    side = len(truth.pixels)
    rows, columns = np.nonzero(truth.fracture)
    weights = truth.fracture[rows, columns]
    if draw.flip:
        columns = side - 1 - columns
    places = draw.matrix(side) @ np.stack([columns, rows, np.ones_like(rows)])  # (2, n)
    outside = ((places < -0.5) | (places > side - 0.5)).any(axis=0)
    return float(weights[outside].sum() / weights.sum())


def line_kept(truth: Truth, draw: Draw) -> tuple[float, float]:
    """Return what is left of the fracture's line after a draw, relative to before.

    Returns
    -------
    contrast : float
        Of its grey difference to the bone beside it.
    visibility : float
        Of that difference over the standard deviation of the bone beside it, which noise raises.
        Both are NaN where hardly anything of the fracture, or of that bone, is in the picture.
    """
    fracture, beside = move(truth.fracture, draw), move(truth.beside, draw)
    if lost_share(truth, draw) > 1 - _ENOUGH or not fracture.any() or not beside.any():
        return float("nan"), float("nan")
    before, deviation_before = _line(truth.pixels, truth.fracture, truth.beside)
    after, deviation = _line(apply(truth.pixels, draw), fracture, beside)
    contrast = after / before
    # Where one value swallowed all the bone, the line is as visible as its contrast.
    return contrast, contrast * deviation_before / deviation if deviation else contrast


def _line(pixels: GreyImage, fracture: FloatImage, beside: FloatImage) -> tuple[float, float]:
    """Return how much darker the line is than the bone beside it, and how much that varies."""
    bone = float(np.average(pixels, weights=beside))
    variance = float(np.average((pixels - bone) ** 2, weights=beside))
    return bone - float(np.average(pixels, weights=fracture)), variance**0.5


def clipped_share(pixels: GreyImage, draw: Draw) -> float:
    """Return the share of a slice's grey values that become plain black or white.

    What is black or white before has nothing to lose and is not counted.

    Parameters
    ----------
    pixels : uint8 array, shape (S, S)
    draw : Draw
    """
    moved = move(pixels, draw)
    between = (moved > 0) & (moved < 255)
    if not changes_grey(draw) or not between.any():
        return 0.0
    values = grey_values(moved, draw)[between]
    return float(((values < 0) | (values > 255)).mean())


def _percent(share: Share) -> str:
    """Return a share with its doubt, as ``12 % (slices: 3 to 30 %)``."""
    mean, least, most = (f"{100 * v:.0f}" for v in (share.mean, share.least, share.most))
    return f"{mean} % (slices: {least} to {most} %)"


# --- what it does to a model's answer ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spread:
    """How a model's probability moves while one slice goes through the augmentation.

    Attributes
    ----------
    model : str
    unchanged : float
        Probability of the slice as it is.
    probabilities : float64 array, shape (draws,)
    threshold : float
    low, high : float
        Ends of the middle nine tenths of `probabilities`.
    crossed : int
        Draws that are answered otherwise than the unchanged slice.
    crossed_interval : (low, high)
        95 % interval of their share (Clopper and Pearson, 1934).
    """

    model: str
    unchanged: float
    probabilities: npt.NDArray[np.float64] = field(repr=False)
    threshold: float
    low: float
    high: float
    crossed: int
    crossed_interval: tuple[float, float]

    @property
    def invariant(self) -> bool:
        return self.crossed == 0 and self.high - self.low <= INVARIANT_WIDTH

    @property
    def sentence(self) -> str:
        """Return what was found, in words."""
        draws = len(self.probabilities)
        low, high = (f"{100 * end:.0f}" for end in self.crossed_interval)
        return (
            f"On this slice, {self.model} {'is' if self.invariant else 'is not'} invariant to "
            f"what you ask it to be: unchanged it answers {100 * self.unchanged:.0f} %, nine of "
            f"ten changed copies lie between {100 * self.low:.0f} % and {100 * self.high:.0f} %, "
            f"and {self.crossed} of {draws} ({100 * self.crossed / draws:.0f} %, 95 % interval "
            f"{low} to {high} %) fall on the other side of its threshold of "
            f"{100 * self.threshold:.0f} %."
        )


def spread(
    predictor: Predictor,
    ct: CtSlice,
    config: AugmentationConfig,
    seed: int = 0,
    index: int = 0,
    draws: int = MODEL_DRAWS,
) -> Spread:
    """Ask a model about one slice again and again, changed as training would change it.

    Parameters
    ----------
    predictor : Predictor
    ct : CtSlice
        Preprocessed as the model's card says.
    config : AugmentationConfig
    seed, index : int
        Of the run and of the slice; the draws are those of the epochs 1 to `draws`.
    draws : int

    Returns
    -------
    Spread
    """
    from scipy.stats import binomtest

    from spinefrac.evaluation import calibration
    from spinefrac.inference.predictor import BATCH

    pixels = imaging.to_input(ct, predictor.model.preprocessing).pixels
    augmenter = Augmenter(config, seed)
    pictures = [pixels, *(augmenter(pixels, epoch, index) for epoch in range(1, draws + 1))]
    logits = [
        predictor.run(np.stack(pictures[start : start + BATCH]))[0].astype(np.float64).mean(axis=1)
        for start in range(0, len(pictures), BATCH)
    ]
    unchanged, *changed = calibration.probabilities(
        np.concatenate(logits), predictor.model.temperature
    ).tolist()
    threshold = predictor.model.threshold
    crossed = sum((p >= threshold) != (unchanged >= threshold) for p in changed)
    interval = binomtest(crossed, draws).proportion_ci(0.95, method="exact")
    low, high = np.quantile(changed, (0.05, 0.95)).tolist()
    return Spread(
        model=predictor.model.id,
        unchanged=unchanged,
        probabilities=np.array(changed),
        threshold=threshold,
        low=low,
        high=high,
        crossed=crossed,
        crossed_interval=(float(interval.low), float(interval.high)),
    )
