"""The pointing game (Zhang et al., 2018): do heat maps point at the fracture?

A slice is a hit where the highest value of its heat map lies inside a box around a fracture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.inputs import FloatArray
from spinefrac.evaluation.intervals import bootstrap, rate_interval
from spinefrac.records import Count, Share

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class PointingGameResult:
    """Share of slices whose heat map points into a box.

    Attributes
    ----------
    slices, hits : int
        Slices with a box, and those whose highest value is inside one.
    share : float
    ci : (low, high) or None
        95 % interval over groups; None for fewer than two groups.
    chance : float
        Share of hits of random points in the input of the network, mean over the slices.
    """

    slices: Count
    hits: Count
    share: Share
    ci: tuple[float, float] | None
    chance: Share

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def is_hit(heatmap: npt.NDArray[np.float32], boxes: Sequence[Box]) -> bool:
    """Return whether the highest value of a heat map (H, W) lies inside one of the boxes.

    Of several equal pixels their centre is used, so that a constant map points at its centre.

    Parameters
    ----------
    heatmap : float32 array, shape (H, W)
    boxes : sequence of (x, y, width, height)
        In pixels of the map.
    """
    rows, columns = np.nonzero(heatmap == heatmap.max())
    y, x = float(rows.mean()), float(columns.mean())
    return any(
        left <= x + 0.5 < left + width and top <= y + 0.5 < top + height
        for left, top, width, height in boxes
    )


def rasterize_boxes(shape: tuple[int, int], boxes: Sequence[Box]) -> npt.NDArray[np.bool_]:
    """Return which pixels of an image (H, W) the boxes cover, shape (H, W)."""
    mask = np.zeros(shape, dtype=bool)
    for left, top, width, height in boxes:
        rows = slice(max(0, round(top)), max(0, round(top + height)))
        mask[rows, max(0, round(left)) : max(0, round(left + width))] = True
    return mask


def summarize_hits(
    hits: Sequence[bool], chance_levels: Sequence[float], groups: Sequence[str]
) -> PointingGameResult | None:
    """Return the share of hits with its interval, or None without a slice.

    Parameters
    ----------
    hits, chance_levels, groups : sequences, length N
        Of the slices that have a box.
    """
    if not hits:
        return None
    names, codes = np.unique(np.asarray(groups, np.str_), return_inverse=True)
    hits_by_group = np.bincount(codes, np.asarray(hits, np.float64))
    slices_by_group = np.bincount(codes).astype(np.float64)

    def share(weights: FloatArray) -> dict[str, FloatArray]:
        return {"share": hits_by_group @ weights / (slices_by_group @ weights)}

    point = float(hits_by_group.sum() / slices_by_group.sum())
    drawn = bootstrap(share, len(names), n_slices=len(hits))["share"]
    return PointingGameResult(
        slices=len(hits),
        hits=int(hits_by_group.sum()),
        share=point,
        ci=rate_interval(point, drawn, len(names)),
        chance=float(np.mean(chance_levels)),
    )
