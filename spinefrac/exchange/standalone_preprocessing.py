"""From an 8-bit grey picture to the input of the network, with nothing but NumPy.

Does what spinefrac does with a PNG: finds the square around the vertebra, or takes the whole
picture, and brings it to S x S pixels. Values may differ by one grey level from spinefrac's
own, which rounds in 32 bits; the square may differ where a grey lies on a threshold.
"""

from math import ceil

import numpy as np

GRID_SIDE = 160  # the picture is searched for bone on so many pixels a side


def to_input(grey: np.ndarray, size: int, bone_crop: bool) -> np.ndarray:
    """Return the network's input, uint8 (size, size), of a grey picture, uint8 (H, W)."""
    pixels = np.asarray(grey, np.float32)
    rows, columns = pixels.shape
    top, left, side = find_bone_square(pixels) if bone_crop else enclosing_square(rows, columns)
    cut = pixels[max(top, 0) : top + side, max(left, 0) : left + side]
    before = max(-top, 0), max(-left, 0)
    pad = [(before[axis], side - before[axis] - cut.shape[axis]) for axis in (0, 1)]
    cut = resize(np.pad(cut, pad), (size, size))
    return np.clip(np.rint(cut), 0, 255).astype(np.uint8)


def enclosing_square(rows: int, columns: int) -> tuple[int, int, int]:
    """Return top, left and side of the smallest square around the picture."""
    side = max(rows, columns)
    return -((side - rows) // 2), -((side - columns) // 2), side


def find_bone_square(pixels: np.ndarray) -> tuple[int, int, int]:
    """Return top, left and side of the square around the vertebra; the whole where none is."""
    rows, columns = pixels.shape
    whole = enclosing_square(rows, columns)
    scale = min(1.0, GRID_SIDE / whole[2])
    grid = gaussian_blur(
        resize(pixels, (max(1, round(rows * scale)), max(1, round(columns * scale))))
    )
    side = whole[2] * scale
    box = find_bone_box(*segment_bone(grid), gap=0.05 * side, reach=0.22 * side)
    if box is None:
        return whole
    top, left, bottom, right = (edge / scale for edge in box)
    extent = max(bottom - top, right - left) * 1.24
    step = whole[2] / 16
    length = round(ceil(max(extent, 0.5 * whole[2]) / step) * step)
    if length >= whole[2]:
        return whole

    def place(middle: float, start: int) -> int:
        return int(np.clip(round(middle - length / 2), start, start + whole[2] - length))

    return place((top + bottom) / 2, whole[0]), place((left + right) / 2, whole[1]), length


def segment_bone(grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return masks of bone and of soft tissue: above Otsu's threshold, and well above that."""
    grey = np.clip(grid, 0, 255).astype(np.uint8)
    tissue = grid > threshold_otsu(grey)
    if not tissue.any():
        return np.zeros(grey.shape, bool), tissue
    soft = float(np.median(grid[tissue]))
    spread = 1.4826 * float(np.median(np.abs(grid[tissue] - soft)))
    above = float(grid.max()) - soft
    level = soft + max(float(np.clip(2 * spread, 0.12 * above, 0.5 * above)), 4.0)
    return grid > level, tissue


def threshold_otsu(grey: np.ndarray) -> int:
    """Return the grey that parts a picture with the largest variance between (Otsu, 1979)."""
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    below = np.cumsum(share)
    sums = np.cumsum(share * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = sums / below - (sums[-1] - sums) / (1 - below)
        between = below * (1 - below) * apart**2
    edge = np.finfo(np.float32).eps
    between[(np.minimum(below, 1 - below) < edge) | ~np.isfinite(between)] = 0
    return int(np.argmax(between))


def find_bone_box(
    bone: np.ndarray, tissue: np.ndarray, gap: float, reach: float
) -> tuple[int, int, int, int] | None:
    """Return the edges of the bones that lie together nearest the middle of the body."""
    if bone.mean() < 0.001 or not tissue.any():
        return None
    labels = label_components(binary_closing(bone, max(1, round(gap / 2))))
    rows, columns = (np.arange(n, dtype=np.float32) for n in bone.shape)
    middle = (
        float(rows @ tissue.sum(axis=1) / tissue.sum()),
        float(columns @ tissue.sum(axis=0) / tissue.sum()),
    )
    weight = np.outer(
        np.exp(-0.5 * ((rows - middle[0]) / reach) ** 2),
        np.exp(-0.5 * ((columns - middle[1]) / reach) ** 2),
    )
    masses = np.bincount(labels.ravel(), weights=(weight * bone).ravel())
    masses[0] = 0  # what is no bone
    heavy = masses >= max(0.2 * masses.max(), np.finfo(float).tiny)
    chosen = heavy[labels] & bone
    if chosen.sum() < 0.001 * bone.size:
        return None
    down, across = np.flatnonzero(chosen.any(1)), np.flatnonzero(chosen.any(0))
    return int(down[0]), int(across[0]), int(down[-1]) + 1, int(across[-1]) + 1


def binary_closing(mask: np.ndarray, radius: int) -> np.ndarray:
    """Close the gaps of a mask with a disc: dilation, then erosion."""
    return ~binary_dilation(~binary_dilation(mask, radius), radius)


def binary_dilation(mask: np.ndarray, radius: int) -> np.ndarray:
    """Set every pixel that a disc around a set pixel covers."""
    rows, columns = mask.shape
    counts = np.zeros((rows, columns + 1), np.int32)
    counts[:, 1:] = np.cumsum(mask, axis=1)
    places = np.arange(columns)
    found = np.zeros_like(mask)
    for down in range(-radius, radius + 1):
        across = round(radius * float(np.sqrt(radius**2 - down**2)) / radius)
        ends = np.minimum(places + across + 1, columns), np.maximum(places - across, 0)
        near = counts[:, ends[0]] > counts[:, ends[1]]
        if down >= 0:
            found[: rows - down] |= near[down:]
        else:
            found[-down:] |= near[:down]
    return found


def label_components(mask: np.ndarray) -> np.ndarray:
    """Number the parts of a mask that hang together, corners included; 0 is no part."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    none = mask.size + 1
    while True:
        padded = np.pad(np.where(mask, labels, none), 1, constant_values=none)
        rows = np.minimum(np.minimum(padded[:-2], padded[1:-1]), padded[2:])
        least = np.minimum(np.minimum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
        # A pixel also follows the pixel that gave it its number.
        least = np.where(mask, np.minimum(labels, least), 0)
        flat = np.concatenate([[0], least.ravel()])
        least = np.where(mask, flat[least], 0)
        if (least == labels).all():
            return np.unique(labels, return_inverse=True)[1].reshape(mask.shape) + int(mask.all())
        labels = least


def gaussian_blur(grid: np.ndarray) -> np.ndarray:
    """Blur with a Gaussian of 0.8 pixels, mirrored at the border."""
    kernel = np.exp(-0.5 * (np.arange(-3, 4) / 0.8) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (0, 1):
        pad = [(3, 3) if axis == a else (0, 0) for a in (0, 1)]
        wide = np.pad(grid, pad, mode="reflect" if grid.shape[axis] > 3 else "symmetric")
        length = grid.shape[axis]
        shifted = [np.take(wide, np.arange(length) + shift, axis) for shift in range(7)]
        grid = np.tensordot(kernel, np.stack(shifted), 1)
    return grid.astype(np.float32)


def resize(pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize: area means where an axis shrinks, linear where it grows."""
    down, across = (
        resampling_weights(old, new) for old, new in zip(pixels.shape, shape, strict=True)
    )
    return (down @ pixels.astype(np.float64) @ across.T).astype(np.float32)


def resampling_weights(old: int, new: int) -> np.ndarray:
    """Return the share of each old pixel in each new one, float64 (new, old)."""
    if old == new:
        return np.eye(old)
    if old > new:
        edges = np.arange(new + 1) * (old / new)
        ends, starts = edges[1:, None], edges[:-1, None]
        pixels = np.arange(old)
        shared = np.clip(np.minimum(ends, pixels + 1) - np.maximum(starts, pixels), 0, None)
        return shared / shared.sum(axis=1, keepdims=True)
    places = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    lower = places.astype(int)
    found = np.zeros((new, old))
    found[np.arange(new), lower] += 1 - (places - lower)
    found[np.arange(new), np.minimum(lower + 1, old - 1)] += places - lower
    return found
