"""Find pairs of slices that may be copies of each other, by thumbnails.

Each slice is aligned with its nearest neighbours by the rotation invariants of
`spinefrac.data.duplicates.registration`. Candidates are those that agree once aligned and are more
than neighbours in a series: one is altered (rotated, mirrored, sharpened, blurred, brightened), or
they are of different groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spinefrac.data.duplicates import registration
from spinefrac.data.duplicates.registration import Alignment
from spinefrac.records import GreyImage

#: Correlation of aligned thumbnails from which slices of different groups are compared further,
#: where they have the same orientation, sharpness and brightness.
MIN_CORRELATION = 0.98
#: Correlation from which slices are, of which one is rotated, mirrored, sharpened or brightened.
#: (Copies in a public set: 0.81 and more.)
MIN_ALTERED_CORRELATION = 0.75
#: Degrees from which a slice counts as rotated.
MIN_ROTATION_DEGREES = 2.0
#: Ratio of the noise, and difference of the brightness in grey levels, from which one of two slices
#: counts as sharpened, blurred or brightened. (Neighbours in a series: 1.15 and 3 at most.)
MIN_NOISE_RATIO, MIN_BRIGHTNESS_DIFFERENCE = 1.5, 8.0
#: Neighbours, by the rotation invariants, that each slice is aligned with.
N_NEIGHBORS = 12
#: Similarity of neighbours, -1…1, under which they are not aligned. (Copies have 0.55 and more.)
MIN_SIMILARITY = 0.4
#: Slices that are compared all with all, so that memory and time for a slice stay bounded.
BUCKET_SIZE = 1500

RowPairs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

_NOTHING = Alignment(np.empty((2, 0), np.float32), np.empty((2, 0), np.float32))


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of slices that agree once aligned, twice where they agree rotated as well as mirrored.

    Attributes
    ----------
    pairs : int64 array, shape (M, 2)
        Rows, the lower first.
    rotation_degrees, is_mirrored : arrays, shape (M,)
        Of the second against the first.
    is_altered : bool array, shape (M,)
        Whether one is rotated, mirrored, sharpened, blurred or brightened against the other.
    is_foreign : bool array, shape (M,)
        Whether they are of different groups and would be candidates unaltered.
    """

    pairs: RowPairs
    rotation_degrees: Floats
    is_mirrored: Flags
    is_altered: Flags
    is_foreign: Flags

    @property
    def is_rotated(self) -> Flags:
        """Whether one is rotated or mirrored, shape (M,)."""
        return self.is_mirrored | (np.abs(self.rotation_degrees) > MIN_ROTATION_DEGREES)

    def take(self, chosen: npt.NDArray[np.generic] | slice) -> Candidates:
        """Return some of the pairs."""
        return Candidates(
            self.pairs[chosen],
            self.rotation_degrees[chosen],
            self.is_mirrored[chosen],
            self.is_altered[chosen],
            self.is_foreign[chosen],
        )


def find_candidates(
    thumbnails: GreyImage, rows: npt.NDArray[np.int64], looks: Floats, groups: RowPairs
) -> Candidates:
    """Find the pairs of some slices that may be copies.

    Parameters
    ----------
    thumbnails : uint8 array, shape (N, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    rows : int64 array, shape (K,)
        The slices that are compared, in ascending order.
    looks : float32 array, shape (N, 2)
        From `noise_pattern.measure_looks`.
    groups : int64 array, shape (N,)
        Number of each slice's group.
    """
    found = [_choose(_NOTHING, np.empty((0, 2), dtype=np.int64), looks, groups)]
    for bucket in _iterate_buckets(_compute_invariants(thumbnails, rows)):
        bucket = np.sort(bucket)
        series = registration.ring_spectra(thumbnails[rows[bucket]])
        neighbors = _find_neighbors(registration.rotation_invariants(series))
        for start in range(0, len(neighbors), 2048):
            part = neighbors[start : start + 2048]
            aligned = registration.align_pairs(series[part[:, 0]], series[part[:, 1]])
            found.append(_choose(aligned, bucket[part], looks[rows], groups[rows]))
    every = Candidates(
        np.concatenate([part.pairs for part in found]),
        np.concatenate([part.rotation_degrees for part in found]),
        np.concatenate([part.is_mirrored for part in found]),
        np.concatenate([part.is_altered for part in found]),
        np.concatenate([part.is_foreign for part in found]),
    )
    keys = np.column_stack([every.pairs, every.is_mirrored])
    _, first = np.unique(keys, axis=0, return_index=True)  # buckets overlap
    unique = every.take(first)
    return replace(unique, pairs=rows[unique.pairs])


def _choose(aligned: Alignment, pairs: RowPairs, looks: Floats, groups: RowPairs) -> Candidates:
    """Return those of some aligned pairs, shape (M, 2), that may be copies; `looks` has the shape
    (K, 2), `groups` (K,)."""
    is_mirrored = np.array([[False], [True]]) & np.ones(len(pairs), dtype=np.bool_)
    is_rotated = is_mirrored | (np.abs(aligned.rotation_degrees) > MIN_ROTATION_DEGREES)
    is_altered = is_rotated | look_different(looks[pairs[:, 0]], looks[pairs[:, 1]])
    first, second = groups[pairs.T]
    is_foreign = (first != second) & (aligned.correlation >= MIN_CORRELATION)
    agrees = is_altered & (aligned.correlation >= MIN_ALTERED_CORRELATION) | is_foreign
    return Candidates(
        np.tile(pairs, (2, 1)),
        aligned.rotation_degrees.ravel(),
        is_mirrored.ravel(),
        is_altered.ravel(),
        is_foreign.ravel(),
    ).take(agrees.ravel())


def look_different(first: Floats, second: Floats) -> Flags:
    """Return which slices differ in noise or brightness from others, shape (…,); both (…, 2), from
    `noise_pattern.measure_looks`."""
    # One grey level is added, because the ratio of next to no noise says nothing.
    ratio = (first[..., 0] + 1) / (second[..., 0] + 1)
    difference = np.abs(first[..., 1] - second[..., 1])
    is_sharper = np.maximum(ratio, 1 / ratio) >= MIN_NOISE_RATIO
    return np.asarray(is_sharper | (difference >= MIN_BRIGHTNESS_DIFFERENCE))


def _compute_invariants(
    thumbnails: GreyImage, rows: RowPairs, chunk: int = 1024
) -> npt.NDArray[np.float16]:
    """Return the rotation invariants of the thumbnails of `rows`, shape (N, D)."""
    if len(rows) <= BUCKET_SIZE:  # one bucket: nothing to sort into
        return np.zeros((len(rows), 1), dtype=np.float16)
    parts = [
        registration.rotation_invariants(
            registration.ring_spectra(thumbnails[rows[start : start + chunk]])
        )
        for start in range(0, len(rows), chunk)
    ]
    return np.concatenate([part.astype(np.float16) for part in parts])


def _iterate_buckets(invariants: npt.NDArray[np.float16]) -> Iterator[RowPairs]:
    """Yield overlapping sets of rows, `BUCKET_SIZE` at most, so that like rows share one.

    Every row goes to the three nearest of some rows chosen as centres. A bucket that is too full
    is cut into overlapping pieces along the nearness to its centre.
    """
    n = len(invariants)
    if n <= BUCKET_SIZE:
        yield np.arange(n)
        return
    centres = np.random.default_rng(0).choice(n, 4 * n // BUCKET_SIZE, replace=False)
    mean = invariants[centres].mean(axis=0, dtype=np.float32)
    middle = _normalize_rows(invariants[centres] - mean)
    nearest, nearness = np.empty((3, n), np.int32), np.empty((3, n), np.float32)
    for start in range(0, n, 4096):
        alike = _normalize_rows(invariants[start : start + 4096] - mean) @ middle.T
        at = np.arange(len(alike))
        for rank in range(3):
            best = alike.argmax(axis=1)
            nearest[rank, start : start + 4096] = best
            nearness[rank, start : start + 4096] = alike[at, best]
            alike[at, best] = -2
    for centre in range(len(centres)):
        ranks, members = np.nonzero(nearest == centre)
        ordered = members[np.argsort(-nearness[ranks, members], kind="stable")]
        for start in range(
            0, max(1, len(ordered) - BUCKET_SIZE // 4), BUCKET_SIZE - BUCKET_SIZE // 4
        ):
            yield ordered[start : start + BUCKET_SIZE]


def _find_neighbors(invariants: npt.NDArray[np.float32]) -> RowPairs:
    """Return each row's nearest `N_NEIGHBORS`, as pairs (M, 2) with the lower row first."""
    n = len(invariants)
    if n < 2:
        return np.empty((0, 2), dtype=np.int64)
    vectors = _normalize_rows(invariants - invariants.mean(axis=0))
    alike = vectors @ vectors.T
    # Of two slices the mean is the middle: centring would make them opposites.
    if n <= N_NEIGHBORS:
        return np.stack(np.triu_indices(n, 1), axis=1)
    np.fill_diagonal(alike, -2)
    nearest = np.argpartition(-alike, N_NEIGHBORS - 1, axis=1)[:, :N_NEIGHBORS]
    first = np.repeat(np.arange(n), N_NEIGHBORS)
    second = nearest.ravel()
    close = alike[first, second] >= MIN_SIMILARITY
    return np.unique(np.sort(np.stack([first[close], second[close]], axis=1), axis=1), axis=0)


def _normalize_rows(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return rows of unit length, zeros where a row is zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9), dtype=np.float32)
