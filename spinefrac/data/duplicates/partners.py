"""Choose, of the slices that an altered copy agrees with, those that it belongs to.

Thin slices share noise with their neighbours, so an altered copy also agrees with the neighbours of
its slice and with their copies, though less. Without a choice, copies would bind a whole series
together. The best pairs come first: a copy joins a slice or other copies of it, and two sets of
copies become one only where they agree nearly as well as each does in itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spinefrac.data.duplicates.candidates import Candidates, look_different

#: Degrees up to which two slices lie to a third in the same way, and the share of the noise
#: agreement with the better of them that the other must reach. (Neighbours 1 mm apart: 0.9.)
MAX_DEGREES_APART, MIN_SHARE_IN_SAME_WAY = 2.0, 0.95
#: Share of the agreement within two sets of copies that they must reach between them.
MIN_SHARE_WITHIN = 0.9

_Flags = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float32]


def choose_partners(found: Candidates, agreement: _Floats, looks: _Floats) -> _Flags:
    """Return which altered pairs no better pair speaks against; pairs that are not altered stay.

    Parameters
    ----------
    found : Candidates
        Pairs whose noise agrees, M of them.
    agreement : float32 array, shape (M,)
        `noise_pattern.NoiseAgreement.quiet` of each pair.
    looks : float32 array, shape (N, 2)
        From `noise_pattern.measure_looks`, of every slice.

    Returns
    -------
    bool array, shape (M,)
    """
    chosen = ~found.is_altered
    altered = np.flatnonzero(found.is_altered)
    altered = altered[~_find_beaten(found.take(altered), agreement[altered], looks)]
    chosen[altered] = _join_sets(found.pairs[altered], agreement[altered], looks)
    return chosen


def _find_beaten(found: Candidates, agreement: _Floats, looks: _Floats) -> _Flags:
    """Return which pairs have a better one, with a neighbour of one of their slices: it looks the
    same and lies in the same way to the other slice; shape (M,)."""
    first, second = found.pairs.T
    mirrored, degrees = found.is_mirrored, found.rotation_degrees
    own, other = np.concatenate([first, second]), np.concatenate([second, first])
    # The inverse of a rotation is the opposite one; a mirrored rotation is its own inverse.
    turned = np.concatenate([degrees, np.where(mirrored, degrees, -degrees)])
    place = np.tile(np.arange(len(first)), 2)
    order = np.argsort(own, kind="stable")
    beaten = np.zeros(len(first), dtype=np.bool_)
    for at in np.split(order, np.flatnonzero(np.diff(own[order])) + 1):  # the pairs of one slice
        apart = np.abs((turned[at][:, None] - turned[at] + 180) % 360 - 180)
        same = (apart <= MAX_DEGREES_APART) & (mirrored[place[at]][:, None] == mirrored[place[at]])
        same &= ~look_different(looks[other[at]][:, None], looks[other[at]])
        best = np.where(same, agreement[place[at]], 0).max(axis=1, initial=0)
        beaten[place[at][agreement[place[at]] < MIN_SHARE_IN_SAME_WAY * best]] = True
    return beaten


def _join_sets(pairs: npt.NDArray[np.int64], agreement: _Floats, looks: _Floats) -> _Flags:
    """Join slices to sets of copies, the best pairs first; return which pairs lie within a set."""
    from scipy.cluster.hierarchy import DisjointSet

    sets = DisjointSet(range(len(looks)))
    within: dict[int, float] = {}  # the best agreement of each slice with its set
    kept = np.zeros(len(pairs), dtype=np.bool_)
    for place in np.argsort(-agreement, kind="stable").tolist():
        (first, second), value = pairs[place].tolist(), float(agreement[place])
        if first in within and second in within and not sets.connected(first, second):
            is_worse = value < MIN_SHARE_WITHIN * min(within[first], within[second])
            # Sets that look different, such as sharpened copies, have no better pair.
            members = [looks[list(sets.subset(row))] for row in (first, second)]
            if is_worse and not look_different(members[0][:, None], members[1]).all():
                continue
        sets.merge(first, second)
        kept[place] = True
        for row in (first, second):
            within.setdefault(row, value)
    return kept
