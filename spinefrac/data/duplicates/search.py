"""Find duplicate slices, and merge the groups that share one.

Exact duplicates have equal decoded pixels. Near duplicates are copies of one slice that were
resized, recompressed, sharpened, brightened, rotated or mirrored. Candidates are nearest
neighbours by the rotation invariants of `spinefrac.data.duplicates.registration`, aligned with
their partner; `spinefrac.data.duplicates.noise_pattern` then tells copies from the neighbours in a
series, which resemble each other as much.

Noise alone does not decide in one case: thin slices are computed from overlapping measurements, so
neighbours share noise, too, but in the same orientation, with the same sharpness and brightness.
Of the slices of one group, such a pair is a pair of neighbours. Of different groups it is either a
copy or two neighbours of one patient under two names, so the groups belong together in either
case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spinefrac.data.duplicates import noise_pattern
from spinefrac.data.duplicates.candidates import Candidates, find_candidates, look_different
from spinefrac.data.duplicates.detail_store import DetailStore
from spinefrac.data.duplicates.noise_pattern import NoiseAgreement
from spinefrac.data.duplicates.partners import choose_partners
from spinefrac.data.duplicates.registration import THUMBNAIL_SIDE, make_thumbnail
from spinefrac.records import GreyImage

__all__ = ["THUMBNAIL_SIDE", "Duplicates", "find_duplicates", "make_thumbnail", "merge_groups"]

#: Correlation of the noise from which a slice is a copy; see
#: `spinefrac.data.duplicates.noise_pattern.NoiseAgreement.quiet`. (Neighbours of which one has to
#: be rotated or mirrored: 0.32 at most with next to no noise, else 0.25; 95 of 96 copies in a
#: public set: 0.37 and more.)
MIN_NOISE_AGREEMENT = 0.3
#: Evenness of a copy: the share of its noise agreement that its lowest blocks reach; and what it
#: reaches at edges. Edges may agree less, as in a sharpened slice, where all else is even and the
#: noise agrees no better than they do.
MIN_EVENNESS, MIN_EDGES = 0.5, 0.6
MIN_HIGH_EVENNESS, MIN_EDGES_IF_EVEN = 0.65, 0.45
#: Share of blocks that hold noise under which slices count as drawn, without noise, and what the
#: lowest blocks of a copy then reach. (Drawn slices 0.83 at most, measured ones 1.)
MIN_COVERAGE, MIN_DRAWN_AGREEMENT = 0.95, 0.94
#: Pairs, and slices, that are looked at at a time, so that memory stays bounded.
PAIRS_AT_A_TIME = 512
ROWS_AT_A_TIME = 1024


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Rows that hold the same slice.

    Attributes
    ----------
    exact : tuple of tuples of int
        Sets of rows with equal pixels, each sorted, two rows at least.
    near : tuple of (int, int)
        Pairs of near duplicates; of an exact set its first row only.
    altered : tuple of (int, int)
        Those of `near` of which one is rotated, mirrored, sharpened, blurred or brightened against
        the other, as augmentation does.
    """

    exact: tuple[tuple[int, ...], ...] = ()
    near: tuple[tuple[int, int], ...] = ()
    altered: tuple[tuple[int, int], ...] = ()


def find_duplicates(
    hashes: Sequence[str], thumbnails: GreyImage, details: DetailStore, groups: Sequence[str]
) -> Duplicates:
    """Find exact and near duplicates. Empty slices do not count as duplicates of each other.

    Parameters
    ----------
    hashes : sequence of str, length N
        Hashes of the decoded pixels.
    thumbnails : uint8 array, shape (N, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    details : DetailStore, length N
    groups : sequence of str, length N
        Groups in which slices may be neighbours.

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
    _, group_numbers = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    looks = _measure_looks(details)
    candidates = find_candidates(thumbnails, firsts, looks, group_numbers)
    found, agreement = _choose_copies(candidates, details, looks)
    found = found.take(choose_partners(found, agreement, looks))
    return Duplicates(exact, _to_tuples(found.pairs), _to_tuples(found.pairs[found.is_altered]))


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
    """
    from scipy.cluster.hierarchy import DisjointSet

    shared = DisjointSet(groups)
    for rows in (*duplicates.exact, *duplicates.near):
        for row in rows[1:]:
            shared.merge(groups[rows[0]], groups[row])
    merged: dict[str, str] = {}
    for names in shared.subsets():
        first, more = min(names), len(names) - 1
        merged |= dict.fromkeys(names, f"{first}+{more}" if more else first)
    return tuple(merged[name] for name in groups)


def _measure_looks(details: DetailStore) -> npt.NDArray[np.float32]:
    """Return noise and brightness of all slices in grey levels, shape (N, 2)."""
    parts = [np.empty((0, 2), dtype=np.float32)]
    for start in range(0, len(details), ROWS_AT_A_TIME):
        rows = range(start, min(start + ROWS_AT_A_TIME, len(details)))
        parts.append(noise_pattern.measure_looks(details.read(rows)))
    return np.concatenate(parts)


def _choose_copies(
    candidates: Candidates, details: DetailStore, looks: npt.NDArray[np.float32]
) -> tuple[Candidates, npt.NDArray[np.float32]]:
    """Return the pairs whose noise agrees, and how much it does, shape (M,)."""
    agreement = np.empty(len(candidates.pairs), dtype=np.float32)
    is_copy, differs = np.empty((2, len(candidates.pairs)), dtype=np.bool_)
    for start in range(0, len(candidates.pairs), PAIRS_AT_A_TIME):
        part = slice(start, start + PAIRS_AT_A_TIME)
        rows, positions = np.unique(candidates.pairs[part], return_inverse=True)
        found = noise_pattern.compare_noise(
            details.read(rows.tolist()),
            positions.reshape(-1, 2),
            candidates.rotation_degrees[part],
            candidates.is_mirrored[part],
        )
        agreement[part], is_copy[part] = found.quiet, _agrees(found)
        # Looks were compared in the quiet blocks of each slice, which may be of another tissue.
        first_looks = looks[candidates.pairs[part, 0]]
        differs[part] = look_different(first_looks, first_looks + found.looks)
    is_altered = candidates.is_rotated | (candidates.is_altered & differs)
    is_copy &= is_altered | candidates.is_foreign
    return replace(candidates, is_altered=is_altered).take(is_copy), agreement[is_copy]


def _agrees(found: NoiseAgreement) -> npt.NDArray[np.bool_]:
    """Return which pairs are copies by their noise, shape (M,)."""
    evenness = found.lowest / np.maximum(found.quiet, 1e-3)
    if_even = np.maximum(found.quiet, MIN_EDGES_IF_EVEN)
    edges = np.where(evenness >= MIN_HIGH_EVENNESS, np.minimum(if_even, MIN_EDGES), MIN_EDGES)
    is_copy = found.quiet >= MIN_NOISE_AGREEMENT
    is_copy &= (evenness >= MIN_EVENNESS) & (found.structured >= edges)
    is_drawn = found.coverage < MIN_COVERAGE
    return np.where(is_drawn, found.lowest >= MIN_DRAWN_AGREEMENT, is_copy)


def _to_tuples(pairs: npt.NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    return tuple((first, second) for first, second in np.unique(pairs, axis=0).tolist())
