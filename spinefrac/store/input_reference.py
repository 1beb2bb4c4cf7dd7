"""What a model's networks saw of its training slices: the reference of the input check.

Features come from several depths of a network. At each, the distance of a slice from the training
slices is a Mahalanobis distance with a shrunk covariance (Lee et al., "A simple unified framework
for detecting out-of-distribution samples and adversarial attacks", NeurIPS 2018; Ledoit and Wolf,
2004). Its logarithm is expressed in standard deviations of that of held-out training slices, and so
is the noise of the slice. The largest of these is the score. `input_reference_fit` fits it.

The numbers are in the card, the arrays in a file of their own beside the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from spinefrac.errors import ModelError
from spinefrac.imaging.noise import NoiseMeasure
from spinefrac.records import Count, NearestSlice, Share

FloatArray = npt.NDArray[np.float64]
Scale = Annotated[float, Meta(gt=0.0)]

#: Per cent at which `InputReference.quantiles` are given.
QUANTILE_PERCENTS = np.linspace(0.0, 100.0, 201)

#: Facts of a training slice that are kept: patient (a number), label, out-of-fold probability.
_FACTS = 3

#: Digits of a nearest slice's probability.
PROBABILITY_DIGITS = 4

_MAX_FEATURES = 2048


@dataclass(frozen=True, slots=True)
class InputReference:
    """The card's part of the reference.

    Attributes
    ----------
    sizes : tuple of int
        Features of each of D depths, from fine to coarse.
    log_means, log_spreads : tuple of float, length D
        Mean and standard deviation of the logarithm of held-out slices' distances.
    noise, grain : (mean, standard deviation)
        Of `imaging.noise.NoiseMeasure` over the training slices.
    quantiles : tuple of float, length 201
        Score of held-out training slices at each half per cent.
    unusual_limit, unlike_limit : float
        Scores above which a slice is unusual, and unlike the training slices.
    false_alarm_rate : float
        Share of held-out slices that a limit chosen without their patients calls unusual.
    false_alarm_ci : (low, high) or None
        95 %, over patients.
    images, groups : int
        Training slices and patients that it was fitted on.
    neighbours, components : int
        Training slices that are kept for comparison, R, and numbers for each, K.
    """

    sizes: tuple[Annotated[int, Meta(ge=1, le=_MAX_FEATURES)], ...]
    log_means: tuple[float, ...]
    log_spreads: tuple[Scale, ...]
    noise: tuple[float, Scale]
    grain: tuple[float, Scale]
    quantiles: tuple[float, ...]
    unusual_limit: float
    unlike_limit: float
    false_alarm_rate: Share
    false_alarm_ci: tuple[float, float] | None
    images: Count
    groups: Count
    neighbours: Annotated[int, Meta(ge=0, le=100_000)]
    components: Annotated[int, Meta(ge=0, le=_MAX_FEATURES)]

    def __post_init__(self) -> None:
        lengths = {len(self.sizes), len(self.log_means), len(self.log_spreads)}
        if len(lengths) != 1 or 0 in lengths or len(self.quantiles) != len(QUANTILE_PERCENTS):
            raise ValueError("expected means and spreads of each depth, and 201 quantiles")

    @property
    def array_sizes(self) -> list[tuple[int, ...]]:
        """Shapes of the arrays in the file, in their order."""
        shapes: list[tuple[int, ...]] = []
        for size in self.sizes:
            shapes += [(size,), (size,), (size, size)]
        rows, columns = self.neighbours, self.components
        return [*shapes, (self.sizes[-1], columns), (rows, columns), (rows, _FACTS)]

    def percentile(self, score: float) -> float:
        """Return the share of held-out training slices, 0…100, with a lower score."""
        return float(np.interp(score, self.quantiles, QUANTILE_PERCENTS))


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far a slice is from the training slices, in standard deviations of theirs.

    Attributes
    ----------
    score : float
        The largest of `depths` and `noise`.
    depths : tuple of float, length D
        From fine structure to anatomy.
    noise, grain : float
        Negative for less than in the training slices.
    """

    score: float
    depths: tuple[float, ...]
    noise: float
    grain: float


@dataclass(frozen=True, slots=True)
class Depth:
    """Training slices at one depth: centre (F,), scale (F,) and precision (F, F)."""

    center: FloatArray
    scale: FloatArray
    precision: FloatArray

    def standardize(self, features: FloatArray) -> FloatArray:
        """Return features (N, F) in units of the training slices' spread."""
        return np.asarray((features - self.center) / self.scale, np.float64)

    def log_distance(self, features: FloatArray) -> FloatArray:
        """Return the logarithm of the distance (N,) of features (N, F)."""
        z = self.standardize(features)
        squared = np.einsum("ni,ij,nj->n", z, self.precision, z) / z.shape[1]
        return np.asarray(0.5 * np.log(np.maximum(squared, 1e-12)), np.float64)


@dataclass(frozen=True, slots=True)
class FittedReference:
    """The reference with its arrays.

    Attributes
    ----------
    summary : InputReference
    depths : tuple of Depth, length D
    projection : float64 array, shape (F of the coarsest depth, K)
    coordinates : float64 array, shape (R, K)
        Training slices in that projection.
    facts : float64 array, shape (R, 3)
        Patient's number, label and out-of-fold probability of each.
    """

    summary: InputReference
    depths: tuple[Depth, ...]
    projection: FloatArray
    coordinates: FloatArray
    facts: FloatArray

    def measure(self, features: npt.NDArray[np.floating], noise: NoiseMeasure) -> Deviation:
        """Return how far a slice with these features (F,) is from the training slices."""
        depths = tuple(
            float((depth.log_distance(part[None])[0] - mean) / spread)
            for depth, part, mean, spread in zip(
                self.depths,
                split_depths(features.astype(np.float64), self.summary.sizes),
                self.summary.log_means,
                self.summary.log_spreads,
                strict=True,
            )
        )
        level, grain = (
            (value - mean) / spread
            for value, (mean, spread) in (
                (noise.level, self.summary.noise),
                (noise.grain, self.summary.grain),
            )
        )
        return Deviation(max(*depths, level), depths, level, grain)

    def find_nearest(
        self, features: npt.NDArray[np.floating], count: int = 3
    ) -> tuple[NearestSlice, ...]:
        """Return the nearest training slices by anatomy, each of another patient."""
        if not self.summary.neighbours:
            return ()
        part = split_depths(features.astype(np.float64), self.summary.sizes)[-1]
        place = self.depths[-1].standardize(part) @ self.projection
        distances = np.sqrt(((self.coordinates - place) ** 2).sum(axis=1))
        order = np.argsort(distances, kind="stable")
        _, first = np.unique(self.facts[order, 0], return_index=True)  # of each patient
        return tuple(
            NearestSlice(
                patient=int(self.facts[row, 0]),
                label=int(self.facts[row, 1] > 0.5),
                probability=round(float(self.facts[row, 2]), PROBABILITY_DIGITS),
                distance=round(float(distances[row]), 3),
            )
            for row in order[np.sort(first)[:count]]
        )

    def to_bytes(self) -> bytes:
        """Return the arrays as little-endian float32, one after the other."""
        arrays: list[FloatArray] = []
        for depth in self.depths:
            arrays += [depth.center, depth.scale, depth.precision]
        arrays += [self.projection, self.coordinates, self.facts]
        return b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays)

    @classmethod
    def from_bytes(cls, summary: InputReference, content: bytes) -> FittedReference:
        """Rebuild from the card's part and what `to_bytes` gave.

        Raises
        ------
        ModelError
            The content is of another length than the card says, or not finite.
        """
        shapes = summary.array_sizes
        expected = 4 * sum(int(np.prod(shape)) for shape in shapes)
        values = np.frombuffer(content[: len(content) // 4 * 4], "<f4").astype(np.float64)
        if len(content) != expected or not np.isfinite(values).all():
            raise ModelError(
                f"The reference of the input check has {len(content)} bytes, expected {expected} "
                "of finite numbers: restore the model from a copy"
            )
        arrays, start = [], 0
        for shape in shapes:
            size = int(np.prod(shape))
            arrays.append(values[start : start + size].reshape(shape))
            start += size
        count = len(summary.sizes)
        depths = tuple(Depth(*arrays[3 * i : 3 * i + 3]) for i in range(count))
        return cls(summary, depths, *arrays[3 * count :])


def split_depths(features: FloatArray, sizes: Sequence[int]) -> list[FloatArray]:
    """Return features (…, F) as one array for each depth."""
    return list(np.split(features, np.cumsum(sizes)[:-1], axis=-1))
