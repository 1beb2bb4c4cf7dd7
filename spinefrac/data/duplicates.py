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
#: Correlation of high-passed thumbnails from which two pictures are copies of one. Measured:
#: copies of 126 real slices, shrunk to 96…224 pixels by any interpolation or in JPEG quality 15,
#: 0.992 and more; slices of different patients 0.44 at most, of 120 phantoms 0.82. (Neighbours
#: in a thin-sliced series can pass it as well; they are of one patient.)
SAME = 0.99
#: Standard deviation of the Gaussian that the high pass takes off, in pixels of a thumbnail.
BLUR = 3.0
#: Bits of 128 in which the hashes of two copies may differ. (Measured on 126 real slices against
#: copies shrunk to 96…224 pixels, in JPEG quality 15…90, brightened: 11 at most.)
MOST_BITS = 16
#: Neighbours in the order of a hash band that each picture is compared with.
NEIGHBOURS = 32
#: Standard deviation of the high-passed thumbnail, in grey levels, under which a picture is
#: too empty to be told from another.
LEAST_DETAIL = 0.5

_FREQUENCIES = 24
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


def _near(thumbnails: GreyImage, chunk: int = 65536) -> list[tuple[int, int]]:
    """Return the pairs of thumbnails (N, SIDE, SIDE) that are copies of one picture."""
    if len(thumbnails) < 2:
        return []
    details = _details(thumbnails)
    pairs = _candidates(_hash_bits(details))
    found = []
    for start in range(0, len(pairs), chunk):
        part = pairs[start : start + chunk]
        correlation = np.einsum("ij,ij->i", details[part[:, 0]], details[part[:, 1]])
        found += [(int(a), int(b)) for a, b in part[correlation >= SAME]]
    return found


def _details(thumbnails: GreyImage, chunk: int = 4096) -> npt.NDArray[np.float32]:
    """Return high-passed thumbnails as unit vectors, shape (N, F²); zeros where empty.

    The vectors are the low F×F coefficients of the orthonormal DCT, so their products are
    correlations of the pictures, without the finest detail, which copies lose first. The high
    pass is that of a Gaussian of `BLUR` pixels taken off: what is left is anatomy rather than
    "a body on black", which all CT slices share.
    """
    position, frequency = np.arange(SIDE), np.arange(_FREQUENCIES)
    basis = np.cos(np.pi / SIDE * np.outer(frequency, position + 0.5)) * np.sqrt(2 / SIDE)
    basis[0] /= np.sqrt(2)
    columns = basis.T.astype(np.float32)
    squared = np.add.outer(frequency**2, frequency**2)
    passed = (1 - np.exp(-squared * (np.pi * BLUR / SIDE) ** 2 / 2)).astype(np.float32)

    vectors = np.zeros((len(thumbnails), _FREQUENCIES**2), dtype=np.float32)
    for start in range(0, len(thumbnails), chunk):
        pictures = thumbnails[start : start + chunk].astype(np.float32)
        across = pictures.reshape(-1, SIDE) @ columns  # (n·SIDE, F)
        turned = across.reshape(-1, SIDE, _FREQUENCIES).swapaxes(1, 2).reshape(-1, SIDE)
        both = (turned @ columns).reshape(-1, _FREQUENCIES, _FREQUENCIES) * passed
        flat = both.reshape(len(pictures), -1)
        norms = np.linalg.norm(flat, axis=1, keepdims=True)  # standard deviation times SIDE
        part = vectors[start : start + chunk]
        np.divide(flat, norms, out=part, where=norms >= LEAST_DETAIL * SIDE)
    return vectors


def _hash_bits(details: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return the packed signs of the 128 lowest coefficients, bar the very lowest: (N, 16)."""
    frequency = np.arange(_FREQUENCIES)
    order = np.add.outer(frequency, frequency)
    order[order < 3] = 2 * _FREQUENCIES
    chosen = np.argsort(order, axis=None, kind="stable")[:128]
    return np.packbits(details[:, chosen] > 0, axis=1)


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
