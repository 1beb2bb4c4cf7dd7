"""Does the answer depend on the region that its heat map points at? Tried, not assumed.

The hottest region of the input is blurred away and the slice asked about again; so are random
regions of the same size within the body. Only where the hot one moves the probability more
than nearly all of the random ones does the answer depend on it (in the manner of Zeiler and
Fergus, 2014; the comparison with chance after Hooker et al., 2019). Blurring, unlike a grey
patch, leaves no edges of its own for the network to see.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.evaluation import calibration
from spinefrac.inference.predictor import Predictor
from spinefrac.records import FloatImage, GreyImage, Prediction, Square

#: Random regions that the hot one is compared with; it must beat all but one of them.
N_RANDOM_REGIONS = 39

#: Side of a region as a share of the input's.
REGION_SIDE_FRACTION = 0.15

#: A smaller change of the probability is no dependence, however it compares with chance.
MIN_PROBABILITY_DROP = 0.05

#: Inputs that go through the network at once.
_BATCH_SIZE = 20

#: A random region must lie over at least so much that is not air or padding.
_MIN_TISSUE_FRACTION = 0.5
_MAX_AIR_LEVEL = 8


@dataclass(frozen=True, slots=True)
class OcclusionTest:
    """How the probability changes as regions of the slice are blurred.

    Attributes
    ----------
    region : Square
        The hottest one, in the slice's own pixels.
    probability : float
        Of the slice as it is.
    occluded_probability : float
        With the hottest region blurred.
    random_probabilities : tuple of float
        With each random region blurred.
    """

    region: Square
    probability: float
    occluded_probability: float
    random_probabilities: tuple[float, ...]

    @property
    def probability_drop(self) -> float:
        """By how much the probability falls without the hottest region; negative if it rises."""
        return self.probability - self.occluded_probability

    @property
    def random_drops(self) -> tuple[float, ...]:
        """The same for each random region, from the least to the most."""
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
        """Whether the answer depends on the hottest region more than on nearly any other."""
        beaten = sum(drop >= self.probability_drop for drop in self.random_drops)
        return (
            bool(self.random_probabilities)
            and self.probability_drop >= MIN_PROBABILITY_DROP
            and beaten <= 1
        )

    @property
    def summary(self) -> str:
        """Say what was found, with its numbers."""
        if not self.random_probabilities:
            return (
                "The slice shows too little that is not air to compare the region with others: "
                "whether the answer depends on it is not known."
            )
        median, high = (100 * drop for drop in self.random_drop_quantiles)
        verb = "falls" if self.probability_drop >= 0 else "rises"
        usual = "hardly moves it" if abs(median) < 1 else f"lowers it by {median:.0f} points"
        if median <= -1:
            usual = f"raises it by {-median:.0f} points"
        verdict = "depends on this region" if self.depends_on_region else (
            "does not depend on this region more than on others"
        )  # fmt: skip
        return (
            f"The model {verdict}: with it blurred the probability {verb} from "
            f"{100 * self.probability:.0f} % to {100 * self.occluded_probability:.0f} %. Blurring one of "
            f"{len(self.random_probabilities)} random regions of the same size {usual} as a rule, and one in "
            f"twenty lowers it by more than {max(high, 0.0):.0f} points."
        )


def run_occlusion_test(
    predictor: Predictor, prediction: Prediction, *, seed: int = 0
) -> OcclusionTest:
    """Blur the hottest region of a slice, and random ones, and ask again each time.

    Parameters
    ----------
    predictor : Predictor
        Of the model that answered.
    prediction : Prediction
        Its answer, with a heat map (of whatever origin).
    seed : int
        Of the random regions; the same picture is always tried in the same places.

    Returns
    -------
    Reliance

    Raises
    ------
    ValueError
        The prediction has no heat map.
    """
    if prediction.heatmap is None:
        raise ValueError("the prediction has no heat map to try")
    pixels, square = prediction.input.pixels, prediction.input.square
    side = max(3, round(REGION_SIDE_FRACTION * len(pixels)))
    heat = _resample_to_input(prediction.heatmap, square, len(pixels))
    hottest = _find_hottest_region(heat, side)
    others = _draw_random_regions(pixels, hottest, side, seed)
    smooth = _blur(pixels, side)
    tried = [_occlude(pixels, smooth, corner, side) for corner in (hottest, *others)]
    answers = _predict_probabilities(predictor, np.stack(tried))
    return OcclusionTest(
        region=_to_slice_coordinates(hottest, side, square, len(pixels)),
        probability=prediction.probability,
        occluded_probability=answers[0],
        random_probabilities=tuple(answers[1:]),
    )


def _resample_to_input(heatmap: FloatImage, square: Square, size: int) -> FloatImage:
    """Bring a map of the slice (H, W) back onto the input, shape (S, S)."""
    scale = square.side / size
    # Output pixel centres to slice coordinates, as the input was cut.
    matrix = np.array(
        [[scale, 0, square.left + scale / 2 - 0.5], [0, scale, square.top + scale / 2 - 0.5]]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(heatmap, matrix, (size, size), flags=flags), np.float32)


def _find_hottest_region(heatmap: FloatImage, side: int) -> tuple[int, int]:
    """Return the upper left corner of the square around the most evidence for a fracture."""
    positive = np.maximum(np.nan_to_num(heatmap), 0.0)
    near = cv2.GaussianBlur(positive, (0, 0), side / 4)  # as a region, not as a single cell
    row, column = np.unravel_index(int(np.argmax(near)), near.shape)
    last = len(heatmap) - side
    return int(np.clip(row - side // 2, 0, last)), int(np.clip(column - side // 2, 0, last))


def _draw_random_regions(
    pixels: GreyImage, hottest: tuple[int, int], side: int, seed: int
) -> list[tuple[int, int]]:
    """Draw the corners of `N_RANDOM_REGIONS` squares over tissue, half a side or more off the hottest."""
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
    """Return the input without anything finer than a region, shape (S, S)."""
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
    """Ask the model about inputs, shape (N, S, S)."""
    answers: list[float] = []
    for start in range(0, len(inputs), _BATCH_SIZE):
        logits, _ = predictor.run(inputs[start : start + _BATCH_SIZE])
        mean: npt.NDArray[np.float64] = logits.astype(np.float64).mean(axis=1)
        answers += calibration.apply_temperature(mean, predictor.model.temperature).tolist()
    return answers


def _to_slice_coordinates(corner: tuple[int, int], side: int, square: Square, size: int) -> Square:
    scale = square.side / size
    return Square(
        top=round(square.top + corner[0] * scale),
        left=round(square.left + corner[1] * scale),
        side=max(1, round(side * scale)),
    )
