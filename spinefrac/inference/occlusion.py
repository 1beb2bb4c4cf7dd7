"""Occlusion test: does the prediction depend on the region with the highest heat-map values?

That region of the input is blurred and the slice is predicted again; so are random regions of
the same size within the body. The prediction depends on the region only where blurring it
lowers the probability more than blurring nearly all of the random ones (after Zeiler and
Fergus, 2014; the comparison with chance after Hooker et al., 2019). Blurring, unlike a grey
patch, adds no edges that the network could react to.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.evaluation import calibration
from spinefrac.inference.predictor import Predictor
from spinefrac.records import FloatImage, GreyImage, Prediction, Square

#: Random regions for comparison; the drop must exceed those of all but one of them.
N_RANDOM_REGIONS = 39

#: Side of a region as a share of the input's.
REGION_SIDE_FRACTION = 0.15

#: A smaller drop of the probability is no dependence, whatever the random regions give.
MIN_PROBABILITY_DROP = 0.05

#: Inputs that go through the network at once. More are no faster, and a server keeps the memory of
#: the largest batch: 220 MB for 20 inputs.
_BATCH_SIZE = 4

#: Tests at the same time. One takes as long as forty predictions, which must not wait for it.
_test_slots = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))

#: Least share of a random region that is not air or padding.
_MIN_TISSUE_FRACTION = 0.5
_MAX_AIR_LEVEL = 8


@dataclass(frozen=True, slots=True)
class OcclusionTest:
    """How the probability changes when regions of the slice are blurred.

    Attributes
    ----------
    region : Square
        With the highest heat-map values, in the slice's own pixels.
    probability : float
        Of the slice without any blurring.
    occluded_probability : float
        With that region blurred.
    random_probabilities : tuple of float
        With each random region blurred.
    """

    region: Square
    probability: float
    occluded_probability: float
    random_probabilities: tuple[float, ...]

    @property
    def probability_drop(self) -> float:
        """By how much the probability falls with the region blurred; negative if it rises."""
        return self.probability - self.occluded_probability

    @property
    def random_drops(self) -> tuple[float, ...]:
        """The same for each random region, from the lowest to the highest."""
        return tuple(sorted(self.probability - value for value in self.random_probabilities))

    @property
    def random_drop_quantiles(self) -> tuple[float, float]:
        """Median and 95th percentile of the random regions' drops."""
        if not self.random_probabilities:
            return 0.0, 0.0
        median, high = np.quantile(self.random_drops, (0.5, 0.95)).tolist()
        return median, high

    @property
    def depends_on_region(self) -> bool:
        """Whether the prediction depends on the region more than on nearly all random ones."""
        as_high = sum(drop >= self.probability_drop for drop in self.random_drops)
        return (
            bool(self.random_probabilities)
            and self.probability_drop >= MIN_PROBABILITY_DROP
            and as_high <= 1
        )

    @property
    def summary(self) -> str:
        """The result in words, with its numbers."""
        if not self.random_probabilities:
            return (
                "Too little of the slice is not air, so random regions cannot be compared. "
                "Whether the prediction depends on the region is not known."
            )
        median, high = (100 * drop for drop in self.random_drop_quantiles)
        verb = "falls" if self.probability_drop >= 0 else "rises"
        change = "hardly changes it" if abs(median) < 1 else f"lowers it by {median:.0f} points"
        if median <= -1:
            change = f"raises it by {-median:.0f} points"
        verdict = "depends" if self.depends_on_region else "does not depend"
        more = "" if self.depends_on_region else " more than on others"
        return (
            f"The prediction {verdict} on this region{more}: with it blurred the probability "
            f"{verb} from {100 * self.probability:.0f} % to "
            f"{100 * self.occluded_probability:.0f} %. "
            f"For {len(self.random_probabilities)} random regions of the same size, the median "
            f"{change}, and 5 % of them lower it by more than {max(high, 0.0):.0f} points."
        )


def run_occlusion_test(
    predictor: Predictor, prediction: Prediction, *, seed: int = 0
) -> OcclusionTest:
    """Blur the region with the highest heat-map values, and random ones, and predict each time.

    Parameters
    ----------
    predictor : Predictor
        Of the model that made the prediction.
    prediction : Prediction
        With a heat map, of any method.
    seed : int
        Of the random regions; the same slice always gets the same regions.

    Returns
    -------
    OcclusionTest

    Raises
    ------
    ValueError
        The prediction has no heat map.
    """
    if prediction.heatmap is None:
        raise ValueError("expected a prediction with a heat map, got one without")
    pixels, square = prediction.input.pixels, prediction.input.square
    side = max(3, round(REGION_SIDE_FRACTION * len(pixels)))
    heat = _resample_to_input(prediction.heatmap, square, len(pixels))
    hottest = _find_hottest_region(heat, side)
    others = _draw_random_regions(pixels, hottest, side, seed)
    smooth = _blur(pixels, side)
    occluded = [_occlude(pixels, smooth, corner, side) for corner in (hottest, *others)]
    probabilities = _predict_probabilities(predictor, np.stack(occluded))
    return OcclusionTest(
        region=_to_slice_coordinates(hottest, side, square, len(pixels)),
        probability=prediction.probability,
        occluded_probability=probabilities[0],
        random_probabilities=tuple(probabilities[1:]),
    )


def _resample_to_input(heatmap: FloatImage, square: Square, size: int) -> FloatImage:
    """Resample a map of the slice (H, W) to the input, shape (S, S)."""
    scale = square.side / size
    # Output pixel centres to slice coordinates, as the input was cut.
    matrix = np.array(
        [[scale, 0, square.left + scale / 2 - 0.5], [0, scale, square.top + scale / 2 - 0.5]]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(heatmap, matrix, (size, size), flags=flags), np.float32)


def _find_hottest_region(heatmap: FloatImage, side: int) -> tuple[int, int]:
    """Return the upper left corner of the square around the highest contributions."""
    positive = np.maximum(np.nan_to_num(heatmap), 0.0)
    near = cv2.GaussianBlur(positive, (0, 0), side / 4)  # as a region, not as a single cell
    row, column = np.unravel_index(int(np.argmax(near)), near.shape)
    last = len(heatmap) - side
    return int(np.clip(row - side // 2, 0, last)), int(np.clip(column - side // 2, 0, last))


def _draw_random_regions(
    pixels: GreyImage, hottest: tuple[int, int], side: int, seed: int
) -> list[tuple[int, int]]:
    """Draw corners of `N_RANDOM_REGIONS` squares on tissue, half a side or more off the hottest."""
    tissue = cv2.boxFilter(
        (pixels > _MAX_AIR_LEVEL).astype(np.float32), cv2.CV_32F, (side, side), anchor=(0, 0),
        borderType=cv2.BORDER_CONSTANT,
    )[: len(pixels) - side + 1, : len(pixels) - side + 1]  # fmt: skip
    rows, columns = np.indices(tissue.shape)
    far = np.maximum(abs(rows - hottest[0]), abs(columns - hottest[1])) >= side / 2
    places = np.argwhere((tissue >= _MIN_TISSUE_FRACTION) & far)
    if len(places) < N_RANDOM_REGIONS:
        return []
    chosen = np.random.default_rng(seed).choice(len(places), N_RANDOM_REGIONS, replace=False)
    return [(int(row), int(column)) for row, column in places[chosen]]


def _blur(pixels: GreyImage, side: int) -> FloatImage:
    """Return the input without structures smaller than a region, shape (S, S)."""
    return np.asarray(cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), side / 3), np.float32)


def _occlude(
    pixels: GreyImage, blurred: FloatImage, corner: tuple[int, int], side: int
) -> GreyImage:
    """Return the input with one square blurred, its border faded over an eighth of the side."""
    square = np.zeros(pixels.shape, np.float32)
    square[corner[0] : corner[0] + side, corner[1] : corner[1] + side] = 1.0
    mask = np.asarray(cv2.GaussianBlur(square, (0, 0), max(side / 16, 0.5)), np.float32)
    mixed = pixels + mask * (blurred - pixels)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _predict_probabilities(predictor: Predictor, inputs: GreyImage) -> list[float]:
    """Return the probabilities of inputs, shape (N, S, S)."""
    probabilities: list[float] = []
    temperature = predictor.model.temperature
    with _test_slots:
        for start in range(0, len(inputs), _BATCH_SIZE):
            logits, _ = predictor.run(inputs[start : start + _BATCH_SIZE])
            mean: npt.NDArray[np.float64] = logits.astype(np.float64).mean(axis=1)
            probabilities += calibration.apply_temperature(mean, temperature).tolist()
    return probabilities


def _to_slice_coordinates(corner: tuple[int, int], side: int, square: Square, size: int) -> Square:
    scale = square.side / size
    return Square(
        top=round(square.top + corner[0] * scale),
        left=round(square.left + corner[1] * scale),
        side=max(1, round(side * scale)),
    )
