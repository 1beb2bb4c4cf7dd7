"""Find duplicate slices, and merge the groups that share one.

Exact duplicates have equal decoded pixels. Near duplicates are copies of one slice that were
resized, recompressed, sharpened, rotated or mirrored. Candidates are nearest neighbours by the
rotation invariants of `spinefrac.data.duplicates.registration`; each is then aligned with its
partner.

There are two thresholds, because neighbouring slices of one series resemble each other too, but
never by a rotation: slices that agree without alignment must agree almost entirely; slices that
agree only once one is rotated may differ by what sharpening does, and count where neither has a
better partner. A false pair would merge two patients, a missed pair is some leakage, so both are
strict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinefrac.data.duplicates import registration
from spinefrac.data.duplicates.registration import THUMBNAIL_SIDE, make_thumbnail
from spinefrac.records import GreyImage

__all__ = ["THUMBNAIL_SIDE", "Duplicates", "find_duplicates", "make_thumbnail", "merge_groups"]

#: Correlation from which two slices are duplicates without alignment. (Neighbours in a
#: thin-sliced series can pass it as well; they are of one patient.)
MIN_CORRELATION = 0.98
#: Correlation from which they are, once one of them is rotated or mirrored. Measured on the
#: rotated and sharpened copies of a public set: 0.86 and more with the best partner of their own;
#: slices of one series more than 20 apart 0.70 at most, of different patients 0.34, of different
#: phantoms 0.72.
MIN_ROTATED_CORRELATION = 0.85
#: How much less a rotated pair may have than the best rotated pair of either slice: of the one
#: whose best is less, and of the other.
BEST_PAIR_MARGINS = (0.05, 0.10)
#: Degrees from which a slice counts as rotated, and by how much the rotation must raise the
#: correlation: a symmetric slice resembles its own mirror image.
MIN_ROTATION_DEGREES, MIN_ROTATION_GAIN = 2.0, 0.05
#: Neighbours, by the rotation invariants, that each slice is aligned with.
N_NEIGHBORS = 12
#: Similarity of neighbours, -1…1, under which they are not aligned. (Copies have 0.55 and more.)
MIN_SIMILARITY = 0.4
#: Slices that are compared all with all, so that memory and time for a slice stay bounded.
BUCKET_SIZE = 1500


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Rows that hold the same slice.

    Attributes
    ----------
    exact : tuple of tuples of int
        Sets of rows with equal pixels, each sorted, two rows at least.
    near : tuple of (int, int)
        Pairs of near duplicates; of an exact set its first row only.
    rotated : tuple of (int, int)
        Those of `near` of which one is rotated or mirrored against the other.
    """

    exact: tuple[tuple[int, ...], ...] = ()
    near: tuple[tuple[int, int], ...] = ()
    rotated: tuple[tuple[int, int], ...] = ()


def find_duplicates(hashes: Sequence[str], thumbnails: GreyImage) -> Duplicates:
    """Find exact and near duplicates. Empty slices do not count as duplicates of each other.

    Parameters
    ----------
    hashes : sequence of str, length N
        Hashes of the decoded pixels.
    thumbnails : uint8 array, shape (N, THUMBNAIL_SIDE, THUMBNAIL_SIDE)

    Returns
    -------
    Duplicates
    """
    rows_of: dict[str, list[int]] = {}
    for row, pixel_hash in enumerate(hashes):
        if thumbnails[row].std() > 0:
            rows_of.setdefault(pixel_hash, []).append(row)
    exact = tuple(tuple(rows) for rows in rows_of.values() if len(rows) > 1)
    firsts = np.array([rows[0] for rows in rows_of.values()], dtype=np.int64)
    pairs, rotated = _find_near_duplicates(thumbnails, firsts)
    return Duplicates(
        exact, tuple(map(tuple, pairs.tolist())), tuple(map(tuple, pairs[rotated].tolist()))
    )


def merge_groups(groups: Sequence[str], duplicates: Duplicates) -> tuple[str, ...]:
    """Merge groups that share a slice.

    Parameters
    ----------
    groups : sequence of str, length N
    duplicates : Duplicates

    Returns
    -------
    tuple of str, length N
        A merged group is called by its first member and how many more it has: ``P012+1``.

    Notes
    -----
    A rotated copy joins its slice only where one of the two is a group of one slice. Two patients
    of several slices are not merged by slices that would have to be rotated to agree: two
    chests with much lung do so (correlation 0.9 between two of 120 phantoms).
    """
    from scipy.cluster.hierarchy import DisjointSet

    size = Counter(groups)
    rotated = set(duplicates.rotated)
    near = [
        pair
        for pair in duplicates.near
        if pair not in rotated or min(size[groups[row]] for row in pair) == 1
    ]
    shared = DisjointSet(size)
    for rows in (*duplicates.exact, *near):
        for row in rows[1:]:
            shared.merge(groups[rows[0]], groups[row])
    merged: dict[str, str] = {}
    for names in shared.subsets():
        first, more = min(names), len(names) - 1
        merged |= dict.fromkeys(names, f"{first}+{more}" if more else first)
    return tuple(merged[name] for name in groups)


# --- near duplicates -----------------------------------------------------------------------

RowPairs = npt.NDArray[np.int64]


def _find_near_duplicates(
    thumbnails: GreyImage, rows: RowPairs
) -> tuple[RowPairs, npt.NDArray[np.bool_]]:
    """Return the pairs of `rows` that are near duplicates, shape (M, 2), and which of them are
    rotated, shape (M,)."""
    pairs, correlation, rotated = _align_candidates(thumbnails, rows)
    best = np.zeros(len(thumbnails), dtype=np.float32)
    for column in (0, 1):
        np.maximum.at(best, pairs[rotated, column], correlation[rotated])
    bests = np.sort(best[pairs], axis=1)
    near_best = (correlation[:, None] >= bests - BEST_PAIR_MARGINS).all(axis=1)
    accepted = np.where(rotated, near_best, correlation >= MIN_CORRELATION)
    return pairs[accepted], rotated[accepted]


def _align_candidates(
    thumbnails: GreyImage, rows: RowPairs
) -> tuple[RowPairs, npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Align candidates with each other; return those that agree: pairs (M, 2), correlation (M,) and
    whether rotated (M,), each pair once, sorted."""
    pairs = [np.empty((0, 2), dtype=np.int64)]
    correlations = [np.empty(0, dtype=np.float32)]
    rotations = [np.empty(0, dtype=np.bool_)]
    for bucket in _iterate_buckets(_compute_invariants(thumbnails, rows)):
        members = rows[bucket]
        series = registration.ring_spectra(thumbnails[members])
        candidates = _find_neighbors(registration.rotation_invariants(series))
        for start in range(0, len(candidates), 2048):
            part = candidates[start : start + 2048]
            found = registration.align_pairs(series[part[:, 0]], series[part[:, 1]])
            rotated = found.is_mirrored | (np.abs(found.rotation_degrees) > MIN_ROTATION_DEGREES)
            rotated &= found.correlation > found.unaligned_correlation + MIN_ROTATION_GAIN
            accepted = found.correlation >= np.where(
                rotated, MIN_ROTATED_CORRELATION, MIN_CORRELATION
            )
            pairs.append(np.sort(members[part[accepted]], axis=1))
            correlations.append(found.correlation[accepted])
            rotations.append(rotated[accepted])
    every = np.concatenate(pairs)
    _, first = np.unique(every, axis=0, return_index=True)
    return every[first], np.concatenate(correlations)[first], np.concatenate(rotations)[first]


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
