"""The random transforms of training slices: one seeded object, with OpenCV.

Training and preview make the same call: for a seed, epoch and index it returns the same image,
byte for byte.
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

#: Standard deviation of the blur that separates fine detail from the rest, relative to the side:
#: about one pixel of an input of 176, so that it means the same at every size. Below the
#: minimum, in pixels, a blur changes nothing.
RELATIVE_BLUR_SIGMA = 0.006
MIN_BLUR_SIGMA = 0.7


@dataclass(frozen=True, slots=True)
class TransformParams:
    """The parameters of all transforms for one slice, 0 where a transform is not applied.

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
        Position in the array of normal deviates at which the noise begins.
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
    def from_transform(cls, name: str, value: float, side: int) -> TransformParams:
        """Return the parameters with which one transform alone is applied.

        Parameters
        ----------
        name : str
            One of `spinefrac.training.augmentation.config.TRANSFORMS`.
        value : float
            In the units of `AugmentationConfig`; for the flip, anything but zero mirrors.
        side : int
            Of the image, in pixels.
        """
        scaled: dict[str, Any] = {
            "flip": bool(value),
            "shift": (value * side, value * side),
            "brightness": value * 255,
            "noise": value * 255,
        }
        return cls(**{name: scaled.get(name, value)})

    def affine_matrix(self, side: int) -> npt.NDArray[np.float64]:
        """Return the affine matrix that maps (x, y, 1) of the mirrored image, shape (2, 3)."""
        centre = (side - 1) / 2
        rotated = cv2.getRotationMatrix2D((centre, centre), self.rotation, 1 + self.zoom)
        matrix = np.asarray(rotated, np.float64)
        matrix[:, 2] += self.shift
        return matrix


class Augmenter:
    """Apply an `AugmentationConfig` to model inputs, reproducibly.

    Parameters
    ----------
    config : AugmentationConfig
    seed : int
        Of the run. With `epoch` and `index` it determines all parameters, so neither the order of
        the slices nor the number of processes matters.
    """

    def __init__(self, config: AugmentationConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self._all_are_certain = all(config.get_probability(name) == 1 for name in LIMITS)

    def __call__(self, pixels: GreyImage, epoch: int, index: int) -> GreyImage:
        """Return the augmented slice of an epoch.

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
        return apply_transforms(pixels, self.sample_params(len(pixels), epoch, index))

    def sample_params(self, side: int, epoch: int, index: int) -> TransformParams:
        """Draw the parameters for a slice of that side in an epoch.

        Random numbers are drawn for every transform, whether it is on or not, and transforms
        after the first seven have a generator of their own: so switching one on or off changes
        nothing about the others.
        """
        config = self.config
        rng = np.random.default_rng((self.seed, epoch, index))
        evenly = rng.uniform(-1, 1, 4)
        rotation = _scale_to_range(config.get_range("rotation"), evenly[0])
        zoom = _scale_to_range(config.get_range("zoom"), evenly[1])
        low, high = config.get_range("shift")
        shift_x, shift_y = (_scale_to_range((low * side, high * side), u) for u in evenly[2:])
        mirrored = rng.random() < config.flip_probability
        evenly = rng.uniform(-1, 1, 2)
        low, high = config.get_range("brightness")
        brightness = _scale_to_range((low * 255, high * 255), evenly[0])
        contrast = _scale_to_range(config.get_range("contrast"), evenly[1])
        low, high = config.get_range("noise")
        noise = (low + rng.random() * (high - low)) * 255
        drawn = TransformParams(
            flip=config.flip and mirrored,
            rotation=rotation,
            zoom=zoom,
            shift=(shift_x, shift_y),
            brightness=brightness,
            contrast=contrast,
            noise=noise,
            noise_start=int(rng.integers(7 * side * side)) if noise else 0,
        )
        if self._all_are_certain and not config.is_enabled("sharpness"):
            return drawn
        return self._sample_sharpness_and_probabilities(
            drawn, np.random.default_rng((self.seed, epoch, index, 1))
        )

    def _sample_sharpness_and_probabilities(
        self, params: TransformParams, rng: np.random.Generator
    ) -> TransformParams:
        """Draw the sharpness, and which transforms are not applied."""
        sharpness = _scale_to_range(self.config.get_range("sharpness"), rng.uniform(-1, 1))
        identity = TransformParams()
        left_out: dict[str, Any] = {
            name: getattr(identity, name)
            for name, chance in zip(LIMITS, rng.random(len(LIMITS)), strict=True)
            if chance >= self.config.get_probability(name)
        }
        return replace(params, **{"sharpness": sharpness, **left_out})


def apply_transforms(pixels: GreyImage, params: TransformParams) -> GreyImage:
    """Apply transforms to a slice.

    Parameters
    ----------
    pixels : uint8 array, shape (S, S)
    params : TransformParams

    Returns
    -------
    uint8 array, shape (S, S)
    """
    moved = apply_spatial_transforms(pixels, params)
    if not changes_intensity(params):
        return moved
    return np.clip(np.rint(apply_intensity_transforms(moved, params)), 0, 255).astype(np.uint8)


def apply_spatial_transforms(pixels: npt.NDArray[Any], params: TransformParams) -> npt.NDArray[Any]:
    """Rotate, zoom, shift and mirror in one resampling, so that detail is lost only once.

    Parameters
    ----------
    pixels : uint8 or float32 array, shape (S, S)
    params : TransformParams

    Returns
    -------
    array of the same type, shape (S, S)
        Black outside the slice.
    """
    side = pixels.shape[0]
    if params.flip:
        pixels = cv2.flip(pixels, 1)
    if not (params.rotation or params.zoom or any(params.shift)):
        return pixels
    matrix, size = params.affine_matrix(side), (side, side)
    return cv2.warpAffine(
        pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )


def changes_intensity(params: TransformParams) -> bool:
    """Whether these parameters change grey values."""
    return bool(params.sharpness or params.brightness or params.contrast or params.noise)


def apply_intensity_transforms(pixels: GreyImage, params: TransformParams) -> FloatImage:
    """Change sharpness, brightness, contrast and noise.

    Parameters
    ----------
    pixels : uint8 array, shape (S, S)
        After the spatial transforms.
    params : TransformParams

    Returns
    -------
    float32 array, shape (S, S)
        Before they are rounded and clipped to 0…255.
    """
    values: FloatImage = pixels.astype(np.float32)
    if params.sharpness:
        sigma = max(MIN_BLUR_SIGMA, RELATIVE_BLUR_SIGMA * len(values))
        blurred = cv2.GaussianBlur(values, (0, 0), sigma)
        values += (values - blurred) * np.float32(params.sharpness)
    mean = float(values.mean())
    values = (values - mean) * np.float32(1 + params.contrast) + np.float32(
        mean + params.brightness
    )
    if params.noise:
        bank = _noise_bank(values.size)
        noise = bank[params.noise_start : params.noise_start + values.size].reshape(values.shape)
        values += noise * np.float32(params.noise)
    return values


def _scale_to_range(limits: tuple[float, float], uniform_sample: float) -> float:
    """Map a number from -1…1 to a range."""
    low, high = limits
    return (low + high) / 2 + float(uniform_sample) * ((high - low) / 2)


@lru_cache(maxsize=2)
def _noise_bank(size: int) -> npt.NDArray[np.float32]:
    """Return normal deviates, shape (8 * size,), of which each slice uses a random section.

    Drawing them anew for every slice would take four fifths of the augmentation's time.
    """
    return np.random.default_rng(size).standard_normal(8 * size, dtype=np.float32)
