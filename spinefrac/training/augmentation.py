"""The random changes a slice goes through in training: one object, seeded, in OpenCV.

The same call serves the trainer and any preview: for a seed, epoch and index it returns the
same picture, byte for byte.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.records import GreyImage
from spinefrac.training.settings import AugmentationConfig


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

    def __call__(self, pixels: GreyImage, epoch: int, index: int) -> GreyImage:
        """Return the picture that training sees.

        Parameters
        ----------
        pixels : uint8 array, shape (S, S)
        epoch : int
        index : int
            Of the slice in its data set.

        Returns
        -------
        uint8 array, shape (S, S)
        """
        rng = np.random.default_rng((self.seed, epoch, index))
        return self._grey(self._geometry(pixels, rng), rng)

    def _geometry(self, pixels: GreyImage, rng: np.random.Generator) -> GreyImage:
        """Turn, zoom, shift and mirror in one resampling, so that detail is lost only once."""
        config, side = self.config, pixels.shape[0]
        angle, zoom, shift_x, shift_y = rng.uniform(-1, 1, 4) * (
            config.rotation,
            config.zoom,
            config.shift * side,
            config.shift * side,
        )
        mirror = config.flip and rng.random() < 0.5
        if mirror:
            pixels = cv2.flip(pixels, 1)  # type: ignore[assignment]
        if not (angle or zoom or shift_x or shift_y):
            return pixels
        centre = (side - 1) / 2
        matrix = cv2.getRotationMatrix2D((centre, centre), angle, 1 + zoom)
        matrix[:, 2] += (shift_x, shift_y)
        return cv2.warpAffine(  # type: ignore[return-value]
            pixels, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )

    def _grey(self, pixels: GreyImage, rng: np.random.Generator) -> GreyImage:
        """Change brightness, contrast and noise; the result is clipped to 0…255."""
        config = self.config
        brightness, contrast = rng.uniform(-1, 1, 2) * (config.brightness * 255, config.contrast)
        sigma = rng.random() * config.noise * 255
        if not (brightness or contrast or sigma):
            return pixels
        values: npt.NDArray[np.float32] = pixels.astype(np.float32)
        mean = float(values.mean())
        values = (values - mean) * np.float32(1 + contrast) + np.float32(mean + brightness)
        if sigma:
            bank = _noise_bank(values.size)
            start = int(rng.integers(len(bank) - values.size))
            noise = bank[start : start + values.size].reshape(values.shape)
            values += noise * np.float32(sigma)
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@lru_cache(maxsize=2)
def _noise_bank(size: int) -> npt.NDArray[np.float32]:
    """Return normal deviates, shape (8 * size,), from which a draw takes a random stretch.

    Drawing them anew for every slice would take four fifths of the augmentation's time.
    """
    return np.random.default_rng(size).standard_normal(8 * size, dtype=np.float32)
