"""The random changes a slice goes through in training: one object, seeded, in OpenCV.

The same call serves the trainer and the preview: for a seed, epoch and index it returns the
same picture, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.records import FloatImage, GreyImage
from spinefrac.training.augmentation.config import LIMITS, AugmentationConfig

#: Standard deviation of the blur that tells fine detail from the rest, relative to the side:
#: about one pixel of the usual input of 160, so that it means the same at every size. Below the
#: least, in pixels, a blur changes nothing.
DETAIL = 0.006
LEAST_DETAIL = 0.7


@dataclass(frozen=True, slots=True)
class Draw:
    """What one slice goes through: a value for each transform, 0 where it takes no part.

    Attributes
    ----------
    flip : bool
        Whether the slice is mirrored left and right, before anything else.
    rotation : float
        Degrees, counter-clockwise.
    zoom : float
        Relative change of size.
    shift : (right, down)
        Pixels.
    sharpness : float
        Share of the fine detail that is added.
    brightness : float
        Grey levels.
    contrast : float
        Relative change around the mean.
    noise : float
        Standard deviation in grey levels.
    noise_start : int
        Where in the bank of normal deviates the noise begins.
    """

    flip: bool = False
    rotation: float = 0.0
    zoom: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    sharpness: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    noise_start: int = 0

    @classmethod
    def single(cls, name: str, value: float, side: int) -> Draw:
        """Return the draw in which one transform alone has a value.

        Parameters
        ----------
        name : str
            One of `augmentation_config.TRANSFORMS`.
        value : float
            In the units of `AugmentationConfig`; not zero mirrors, for the flip.
        side : int
            Of the picture, in pixels.
        """
        scaled: dict[str, Any] = {
            "flip": bool(value),
            "shift": (value * side, value * side),
            "brightness": value * 255,
            "noise": value * 255,
        }
        return cls(**{name: scaled.get(name, value)})

    def matrix(self, side: int) -> npt.NDArray[np.float64]:
        """Return where a pixel (x, y, 1) of the mirrored picture goes, shape (2, 3)."""
        centre = (side - 1) / 2
        turned = cv2.getRotationMatrix2D((centre, centre), self.rotation, 1 + self.zoom)
        matrix = np.asarray(turned, np.float64)
        matrix[:, 2] += self.shift
        return matrix


class Augmenter:
    """Apply an `AugmentationConfig` to model inputs, reproducibly.

    Parameters
    ----------
    config : AugmentationConfig
    seed : int
        Of the run. With `epoch` and `index` it determines every draw, so the order in which
        slices are visited, and by how many processes, does not matter.
    """

    def __init__(self, config: AugmentationConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self._all_take_part = all(config.probability_of(name) == 1 for name in LIMITS)

    def __call__(self, pixels: GreyImage, epoch: int, index: int) -> GreyImage:
        """Return the picture that training sees.

        Parameters
        ----------
        pixels : uint8 array, shape (S, S)
        epoch : int
            Training counts from 1.
        index : int
            Of the slice in its data set, from 0.

        Returns
        -------
        uint8 array, shape (S, S)
        """
        return apply(pixels, self.draw(len(pixels), epoch, index))

    def draw(self, side: int, epoch: int, index: int) -> Draw:
        """Return what a slice of that side goes through in an epoch.

        Every transform takes its numbers whether it is on or not, and what came to be after the
        first seven has a generator of its own: so switching one changes nothing about the others.
        """
        config = self.config
        rng = np.random.default_rng((self.seed, epoch, index))
        evenly = rng.uniform(-1, 1, 4)
        rotation = _within(config.range_of("rotation"), evenly[0])
        zoom = _within(config.range_of("zoom"), evenly[1])
        low, high = config.range_of("shift")
        shift_x, shift_y = (_within((low * side, high * side), u) for u in evenly[2:])
        mirrored = rng.random() < config.flip_probability
        evenly = rng.uniform(-1, 1, 2)
        low, high = config.range_of("brightness")
        brightness = _within((low * 255, high * 255), evenly[0])
        contrast = _within(config.range_of("contrast"), evenly[1])
        low, high = config.range_of("noise")
        noise = (low + rng.random() * (high - low)) * 255
        drawn = Draw(
            flip=config.flip and mirrored,
            rotation=rotation,
            zoom=zoom,
            shift=(shift_x, shift_y),
            brightness=brightness,
            contrast=contrast,
            noise=noise,
            noise_start=int(rng.integers(7 * side * side)) if noise else 0,
        )
        if self._all_take_part and not config.is_on("sharpness"):
            return drawn
        return self._later(drawn, np.random.default_rng((self.seed, epoch, index, 1)))

    def _later(self, drawn: Draw, rng: np.random.Generator) -> Draw:
        """Draw the sharpness, and leave out what takes no part."""
        sharpness = _within(self.config.range_of("sharpness"), rng.uniform(-1, 1))
        nothing = Draw()
        left_out: dict[str, Any] = {
            name: getattr(nothing, name)
            for name, chance in zip(LIMITS, rng.random(len(LIMITS)), strict=True)
            if chance >= self.config.probability_of(name)
        }
        return replace(drawn, **{"sharpness": sharpness, **left_out})


def apply(pixels: GreyImage, draw: Draw) -> GreyImage:
    """Put a slice through one draw.

    Parameters
    ----------
    pixels : uint8 array, shape (S, S)
    draw : Draw

    Returns
    -------
    uint8 array, shape (S, S)
    """
    moved = move(pixels, draw)
    if not changes_grey(draw):
        return moved
    return np.clip(np.rint(grey_values(moved, draw)), 0, 255).astype(np.uint8)


def move(pixels: npt.NDArray[Any], draw: Draw) -> npt.NDArray[Any]:
    """Turn, zoom, shift and mirror in one resampling, so that detail is lost only once.

    Parameters
    ----------
    pixels : uint8 or float32 array, shape (S, S)
    draw : Draw

    Returns
    -------
    array of the same kind, shape (S, S)
        Black where nothing of the slice comes to lie.
    """
    side = pixels.shape[0]
    if draw.flip:
        pixels = cv2.flip(pixels, 1)
    if not (draw.rotation or draw.zoom or any(draw.shift)):
        return pixels
    matrix, size = draw.matrix(side), (side, side)
    return cv2.warpAffine(
        pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )


def changes_grey(draw: Draw) -> bool:
    """Whether a draw changes grey values."""
    return bool(draw.sharpness or draw.brightness or draw.contrast or draw.noise)


def grey_values(pixels: GreyImage, draw: Draw) -> FloatImage:
    """Change sharpness, brightness, contrast and noise.

    Parameters
    ----------
    pixels : uint8 array, shape (S, S)
        Moved already.
    draw : Draw

    Returns
    -------
    float32 array, shape (S, S)
        Before they are rounded and clipped to 0…255.
    """
    values: FloatImage = pixels.astype(np.float32)
    if draw.sharpness:
        sigma = max(LEAST_DETAIL, DETAIL * len(values))
        blurred = cv2.GaussianBlur(values, (0, 0), sigma)
        values += (values - blurred) * np.float32(draw.sharpness)
    mean = float(values.mean())
    values = (values - mean) * np.float32(1 + draw.contrast) + np.float32(mean + draw.brightness)
    if draw.noise:
        bank = _noise_bank(values.size)
        noise = bank[draw.noise_start : draw.noise_start + values.size].reshape(values.shape)
        values += noise * np.float32(draw.noise)
    return values


def _within(range_: tuple[float, float], even: float) -> float:
    """Return the value of a range that a number from -1 to 1 stands for."""
    low, high = range_
    return (low + high) / 2 + float(even) * ((high - low) / 2)


@lru_cache(maxsize=2)
def _noise_bank(size: int) -> npt.NDArray[np.float32]:
    """Return normal deviates, shape (8 * size,), from which a draw takes a random stretch.

    Drawing them anew for every slice would take four fifths of the augmentation's time.
    """
    return np.random.default_rng(size).standard_normal(8 * size, dtype=np.float32)
