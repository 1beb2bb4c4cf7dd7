"""Slices that are the same picture twice, and what that does to groups.

Exact duplicates have equal decoded pixels. Near duplicates are copies of one picture that were
resized or compressed again. They are looked for by a hash of the signs of low DCT coefficients
(after Zauner, *Implementation and Benchmarking of Perceptual Image Hash Functions*, 2010), and
each candidate is verified by the correlation of the high-passed thumbnails. A false pair would
merge two patients, a missed one is only a leak more, so the verification is strict.

Rotated and flipped copies are not looked for: that would take the thumbnails' transforms as
further queries against the same hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.data.disjoint import DisjointSets
from spinefrac.records import GreyImage

#: Side of a thumbnail, in pixels.
SIDE = 64
#: Correlation of high-passed thumbnails from which two pictures are copies of one.
SAME = 0.98
#: Bits of 128 in which the hashes of two copies may differ.
MOST_BITS = 24
#: Neighbours in the order of a hash band that each picture is compared with.
NEIGHBOURS = 32
#: Standard deviation of the high-passed thumbnail, in grey levels, under which a picture is
#: too empty to be told from another.
LEAST_DETAIL = 0.5

_FREQUENCIES = 16
_BANDS = 8


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Rows that hold one picture.

    Attributes
    ----------
    exact : tuple of tuples of int
        Sets of rows with equal pixels, each sorted, two rows at least.
    near : tuple of (int, int)
        Pairs of rows whose pictures are copies of one; of an exact set its first row only.
    """

    exact: tuple[tuple[int, ...], ...] = ()
    near: tuple[tuple[int, int], ...] = ()


def thumbnail(picture: GreyImage) -> GreyImage:
    """Shrink a picture, shape (H, W), to what `find` compares: shape (SIDE, SIDE)."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def find(hashes: Sequence[str], thumbnails: GreyImage) -> Duplicates:
    """Find exact and near duplicates. Empty pictures are no duplicates of each other.

    Parameters
    ----------
    hashes : sequence of str, length N
        Hashes of the decoded pixels.
    thumbnails : uint8 array, shape (N, SIDE, SIDE)

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
    near = tuple((int(firsts[a]), int(firsts[b])) for a, b in _near(thumbnails[firsts]))
    return Duplicates(exact, near)


def merge(groups: Sequence[str], duplicates: Duplicates) -> tuple[str, ...]:
    """Merge groups that share a picture.

    Parameters
    ----------
    groups : sequence of str, length N
    duplicates : Duplicates

    Returns
    -------
    tuple of str, length N
        A merged group is called by its first member and how many more it has: ``P012+1``.
    """
    names = sorted(set(groups))
    number = {name: i for i, name in enumerate(names)}
    sets = DisjointSets(len(names))
    for rows in (*duplicates.exact, *duplicates.near):
        for row in rows[1:]:
            sets.union(number[groups[rows[0]]], number[groups[row]])
    members: dict[int, int] = {}
    for i in range(len(names)):
        members[sets.find(i)] = members.get(sets.find(i), 0) + 1
    merged = {
        name: names[first] if members[first] == 1 else f"{names[first]}+{members[first] - 1}"
        for name in names
        for first in [sets.find(number[name])]
    }
    return tuple(merged[name] for name in groups)


# --- near duplicates -----------------------------------------------------------------------


def _near(thumbnails: GreyImage, chunk: int = 1024) -> list[tuple[int, int]]:
    """Return the pairs of thumbnails (N, SIDE, SIDE) that are copies of one picture."""
    if len(thumbnails) < 2:
        return []
    pairs = _candidates(_hash_bits(thumbnails))
    found = []
    for start in range(0, len(pairs), chunk):
        part = pairs[start : start + chunk]
        rows, where = np.unique(part, return_inverse=True)
        details = _details(thumbnails[rows])
        first, second = details[where.reshape(part.shape)].swapaxes(0, 1)
        correlation = np.einsum("ij,ij->i", first, second)
        found += [(int(a), int(b)) for a, b in part[correlation >= SAME]]
    return found


def _hash_bits(thumbnails: GreyImage, chunk: int = 4096) -> npt.NDArray[np.uint8]:
    """Return the packed signs of 128 low DCT coefficients, shape (N, 16)."""
    position, frequency = np.arange(SIDE), np.arange(_FREQUENCIES)
    basis = np.cos(np.pi / SIDE * (position + 0.5) * frequency[:, None]).astype(np.float32)
    order = frequency[:, None] + frequency[None, :]
    # The lowest few say "a body on black", which all CT slices share; the highest, noise.
    chosen = np.argsort(np.where(order < 3, order + 100, order), axis=None, kind="stable")[:128]
    packed = []
    for start in range(0, len(thumbnails), chunk):
        part = thumbnails[start : start + chunk].astype(np.float32)
        coefficients = basis @ part @ basis.T  # (n, 16, 16)
        signs = coefficients.reshape(len(part), -1)[:, chosen] > 0
        packed.append(np.packbits(signs, axis=1))
    return np.concatenate(packed)


def _candidates(hashes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return pairs of rows with similar hashes, shape (M, 2), without comparing all with all.

    The 128 bits are cut into bands; rows are sorted by each band (ties by the rest) and
    compared with their next neighbours in that order, as long as the band is the same.
    """
    words = np.ascontiguousarray(hashes).view(np.uint64)  # (N, 2)
    bands = np.ascontiguousarray(hashes).view(np.uint16)  # (N, 8)
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for band in range(_BANDS):
        order = np.lexsort((words[:, 1], words[:, 0], bands[:, band]))
        for step in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
            a, b = order[:-step], order[step:]
            same = bands[a, band] == bands[b, band]
            if not same.any():
                break
            a, b = a[same], b[same]
            differing = np.bitwise_count(words[a] ^ words[b]).sum(axis=1, dtype=np.int64)
            close = differing <= MOST_BITS
            both = np.stack([a[close], b[close]], axis=1).astype(np.int64)
            pairs.append(np.sort(both, axis=1))
    return np.unique(np.concatenate(pairs), axis=0)


def _details(thumbnails: GreyImage) -> npt.NDArray[np.float32]:
    """Return high-passed thumbnails as unit vectors, shape (N, SIDE²); zeros where empty."""
    vectors = np.zeros((len(thumbnails), SIDE * SIDE), dtype=np.float32)
    for row, picture in enumerate(thumbnails.astype(np.float32)):
        detail = picture - cv2.GaussianBlur(picture, (0, 0), 3.0)
        if detail.std() >= LEAST_DETAIL:
            detail -= detail.mean()
            vectors[row] = (detail / np.linalg.norm(detail)).ravel()
    return vectors
