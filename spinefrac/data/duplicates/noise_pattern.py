"""Tell copies of a slice from its neighbours: a copy has the same noise, a neighbour has its own.

Neighbouring slices of a patient show nearly the same anatomy, but each was measured with noise of
its own. A copy takes the noise along, however it was rotated, mirrored, sharpened or compressed.
So the second slice is laid over the first, and the high-pass of both is correlated in small blocks.
In the blocks with the least structure noise prevails: copies agree there and neighbours do not. A
slice without noise, such as a drawn one, agrees with its neighbour wherever nothing changed, but
not at edges that moved: the blocks with the most structure show that. Air, and what a window has
cut off, shows neither and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from spinefrac.records import GreyImage

#: Side of a slice whose noise is compared, in pixels. Copies of 224 pixels still hold the noise
#: of this scale, and rotating them has not blurred it away.
DETAIL_SIDE = 128
#: Side of a cell; a block is 2×2 cells, and blocks overlap by half. In pixels.
CELL_SIDE = 8
#: Standard deviation of the Gaussian that separates noise from structure, in pixels.
NOISE_SIGMA = 1.0
#: Standard deviation of the high-pass, in grey levels, from which a block holds more than the
#: rounding to whole grey levels.
MIN_NOISE = 0.35
#: Grey levels that no window has cut off, and the share of a block that must be within them.
GREY_RANGE, MIN_WITHIN_RANGE = (2.5, 252.5), 0.9
#: Blocks that can be compared under which nothing is said: the slice is next to empty.
MIN_BLOCKS = 12
#: Correlation over all quiet cells at once under which a pair is not compared block by block. It
#: takes a quarter of the time, and most neighbours are below.
MIN_OVERALL = 0.15
#: Share of the blocks that count as quiet, and as structured: those with the least structure and
#: those with the most.
BLOCK_SHARE = 1 / 3

FloatRows = npt.NDArray[np.float32]
BoolRows = npt.NDArray[np.bool_]
_Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NoiseAgreement:
    """How well the high-pass of pairs of slices agrees; all shapes (M,), NaN where next to nothing
    can be compared.

    Attributes
    ----------
    quiet : float32 array
        Median correlation of the blocks with the least structure, -1…1; where their overall
        correlation is under `MIN_OVERALL`, that, and the next two are NaN.
    structured : float32 array
        What four fifths of the blocks with the most structure reach.
    lowest : float32 array
        What nine tenths of all blocks reach.
    coverage : float32 array
        Share of the blocks that hold noise, of the slice that has more of them: 1 for a measured
        slice, less for a drawn one.
    looks : float32 array, shape (M, 2)
        By how much noise and brightness of the second are above the first, the median of the blocks
        that both have; for slices in the same orientation.
    """

    quiet: FloatRows
    structured: FloatRows
    lowest: FloatRows
    coverage: FloatRows
    looks: FloatRows


def make_detail(image: GreyImage) -> GreyImage:
    """Shrink a slice, shape (H, W), to shape (DETAIL_SIDE, DETAIL_SIDE)."""
    small = cv2.resize(image, (DETAIL_SIDE, DETAIL_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def compare_noise(
    details: GreyImage,
    pairs: npt.NDArray[np.int64],
    rotation_degrees: FloatRows,
    is_mirrored: BoolRows,
) -> NoiseAgreement:
    """Lay the second slice of each pair over the first, and compare their noise.

    Parameters
    ----------
    details : uint8 array, shape (N, DETAIL_SIDE, DETAIL_SIDE)
    pairs : int64 array, shape (M, 2)
        Indices into `details`.
    rotation_degrees, is_mirrored : arrays, shape (M,)
        Of the second against the first, as `registration.Alignment` has them.
    """
    parts = [_split(detail) for detail in details]
    rows = [
        _compare_pair(parts[first], parts[second], _turn(float(degrees), bool(mirrored)))
        for (first, second), degrees, mirrored in zip(
            pairs.tolist(), rotation_degrees, is_mirrored, strict=True
        )
    ]
    columns = np.array(rows, dtype=np.float32).reshape(len(rows), 3).T
    looks = [_compare_looks(parts[first], parts[second]) for first, second in pairs.tolist()]
    covered = np.array([part.coverage for part in parts], dtype=np.float32)
    quiet, structured, lowest = columns
    return NoiseAgreement(
        quiet,
        structured,
        lowest,
        covered[pairs].max(axis=1),
        np.array(looks, dtype=np.float32).reshape(len(rows), 2),
    )


def measure_looks(details: GreyImage) -> FloatRows:
    """Return noise and brightness of slices in grey levels.

    Neighbours in a series have about the same of both. Sharpening multiplies the noise.

    Parameters
    ----------
    details : uint8 array, shape (N, DETAIL_SIDE, DETAIL_SIDE)

    Returns
    -------
    float32 array, shape (N, 2)
        Median standard deviation of the high-pass, and median of the rest, in quiet blocks; zeros
        for a slice that is next to empty.
    """
    looks = np.zeros((len(details), 2), dtype=np.float32)
    for row, detail in enumerate(details):
        parts = _split(detail)
        if parts.usable.sum() >= MIN_BLOCKS:
            quiet = _choose_quiet(parts)
            looks[row] = np.median([parts.noise[quiet], parts.grey[quiet]], axis=1)
    return looks


# --- one slice -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Parts:
    """A slice split by scale: its high-pass, shape (DETAIL_SIDE, DETAIL_SIDE), and of each block,
    shape (BLOCKS, BLOCKS), mean and standard deviation of that, mean and variance of the rest, and
    the share that no window has cut off. `quiet` is the high-pass of the quiet blocks, 0 elsewhere.
    """

    high_pass: _Plane
    quiet: _Plane
    mean: _Plane
    noise: _Plane
    grey: _Plane
    structure: _Plane
    within: _Plane

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Which blocks can be compared, shape (BLOCKS, BLOCKS)."""
        return (self.within >= MIN_WITHIN_RANGE) & (self.noise >= MIN_NOISE) & _INSIDE

    @property
    def coverage(self) -> float:
        """Share of the blocks within the window that hold noise."""
        within = (self.within >= MIN_WITHIN_RANGE) & _INSIDE
        return float(self.usable.sum() / max(1, within.sum()))


def _split(detail: GreyImage) -> _Parts:
    grey = detail.astype(np.float32)
    smooth: _Plane = np.asarray(cv2.GaussianBlur(grey, (0, 0), NOISE_SIGMA), dtype=np.float32)
    high_pass = grey - smooth
    mean, noise = _describe_blocks(high_pass)
    middle, variation = _describe_blocks(smooth)
    within = (grey > GREY_RANGE[0]) & (grey < GREY_RANGE[1])
    share = _average_blocks(within.astype(np.float32))
    parts = _Parts(high_pass, high_pass, mean, noise, middle, variation, share)
    return replace(parts, quiet=high_pass * _enlarge(_choose_quiet(parts)))


def _choose_quiet(parts: _Parts) -> npt.NDArray[np.bool_]:
    """Return which usable blocks have the least structure, shape (BLOCKS, BLOCKS)."""
    limit = np.quantile(parts.structure[parts.usable], BLOCK_SHARE) if parts.usable.any() else 0
    return parts.usable & (parts.structure <= limit)


def _enlarge(blocks: npt.NDArray[np.bool_]) -> _Plane:
    """Return 1 for the pixels of some blocks, else 0, shape (DETAIL_SIDE, DETAIL_SIDE)."""
    cells = np.zeros((DETAIL_SIDE // CELL_SIDE,) * 2, dtype=np.float32)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            cells[rows, columns][blocks] = 1
    side = (DETAIL_SIDE, DETAIL_SIDE)
    return np.asarray(cv2.resize(cells, side, interpolation=cv2.INTER_NEAREST))


def _describe_blocks(plane: _Plane) -> tuple[_Plane, _Plane]:
    """Return mean and standard deviation of each block, shapes (BLOCKS, BLOCKS)."""
    mean = _average_blocks(plane)
    return mean, np.sqrt(np.maximum(_average_blocks(plane * plane) - mean**2, 0))


def _average_blocks(plane: _Plane) -> _Plane:
    """Return the mean of each block of a plane, shape (BLOCKS, BLOCKS)."""
    side = DETAIL_SIDE // CELL_SIDE
    cells = cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray((cells[:-1, :-1] + cells[1:, :-1] + cells[:-1, 1:] + cells[1:, 1:]) / 4)


def _inside_circle() -> npt.NDArray[np.bool_]:
    """Return the blocks whose centre a rotation keeps within the slice, shape (BLOCKS, BLOCKS)."""
    centres = np.arange(CELL_SIDE, DETAIL_SIDE, CELL_SIDE) - DETAIL_SIDE / 2
    return np.asarray(np.hypot(centres[:, None], centres) < DETAIL_SIDE / 2 - 1)


_INSIDE = _inside_circle()

# --- a pair of slices ----------------------------------------------------------------------


def _turn(degrees: float, is_mirrored: bool) -> npt.NDArray[np.float64] | None:
    """Return what takes a point of the first slice, from its centre, to that of the second, shape
    (2, 2); None where it stays where it is."""
    if not degrees and not is_mirrored:
        return None
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return turn @ np.diag([1, -1]) if is_mirrored else turn


def _lay_over(plane: _Plane, turn: npt.NDArray[np.float64] | None) -> _Plane:
    """Undo the rotation and mirroring of a plane of the second slice."""
    if turn is None:
        return plane
    centre = np.full(2, (len(plane) - 1) / 2)
    matrix = np.column_stack([turn, centre - turn @ centre])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(plane, matrix, plane.shape, flags=flags))


def _compare_pair(
    first: _Parts, second: _Parts, turn: npt.NDArray[np.float64] | None
) -> tuple[float, float, float]:
    """Return the correlations of `NoiseAgreement` for one pair."""
    high_pass = _lay_over(second.high_pass, turn)
    overall = _correlate(first.quiet, high_pass)
    if overall < MIN_OVERALL:
        return (overall, np.nan, np.nan)
    mean, noise = _describe_blocks(high_pass)
    usable = first.usable & (noise >= MIN_NOISE / 2)  # interpolation smooths
    usable &= _lay_over(second.within, turn) >= MIN_WITHIN_RANGE
    count = int(usable.sum())
    if count < MIN_BLOCKS:
        return (np.nan, np.nan, np.nan)
    product = _average_blocks(first.high_pass * high_pass) - first.mean * mean
    correlation = product[usable] / (first.noise[usable] * noise[usable])
    order = first.structure[usable].argsort(kind="stable")
    share = max(MIN_BLOCKS // 2, int(count * BLOCK_SHARE))
    return (
        _quantile(correlation[order[:share]], 0.5),
        _quantile(correlation[order[-share:]], 0.2),
        _quantile(correlation, 0.1),
    )


def _compare_looks(first: _Parts, second: _Parts) -> tuple[float, float]:
    """Return noise and brightness of the second slice as against the first, block by block."""
    usable = first.usable & second.usable
    if not usable.any():
        return 0.0, 0.0
    noise, grey = second.noise - first.noise, second.grey - first.grey
    return _quantile(noise[usable], 0.5), _quantile(grey[usable], 0.5)


def _correlate(quiet: _Plane, high_pass: _Plane) -> float:
    """Return the correlation of two planes where the first is not 0; both have a mean near 0."""
    same = high_pass * (quiet != 0)
    energy = float(np.vdot(quiet, quiet)) * float(np.vdot(same, same))
    return float(np.vdot(quiet, same)) / energy**0.5 if energy else 0.0


def _quantile(values: _Plane, share: float) -> float:
    """Return a quantile without interpolation: `numpy.quantile` takes as long as all the rest."""
    return float(np.sort(values)[int(share * (len(values) - 1))])
