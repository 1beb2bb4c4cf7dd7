"""Augmented versions of one slice for display, by the same object that training uses."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from spinefrac.audit import cache
from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.records import GreyImage
from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.training.augmentation.transforms import Augmenter, TransformParams, apply_transforms

#: Images of a grid, one per epoch.
GRID_SIZE = 24
#: Steps of an animation from one end of a range to the other.
FRAME_COUNT = 25


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """The slices of a data set in the order of training.

    Attributes
    ----------
    paths : tuple of str
        Relative to the data set; the position is the index that the random parameters depend on.
    is_exact : bool
        Whether an audit of the unchanged folder says which files cannot be read. Otherwise each
        unreadable file before a slice lowers the index of that slice by one.
    """

    paths: tuple[str, ...]
    is_exact: bool


def list_training_order(folder: str | os.PathLike[str]) -> TrainingOrder:
    """List a data set in the order of training, without opening a slice.

    Raises
    ------
    DatasetError
        The folder has none of the layouts of `spinefrac.data.folder_layouts`.
    """
    listing = list_labelled_files(folder)
    paths = tuple(file.path for file in listing.files)
    audited = cache.find_by_listing(cache.hash_listing(listing, "auto"))
    lost = {unreadable["path"] for unreadable in audited.unreadable} if audited else set()
    return TrainingOrder(tuple(path for path in paths if path not in lost), audited is not None)


def preview_epochs(
    pixels: GreyImage, config: AugmentationConfig, seed: int, index: int, count: int = GRID_SIZE
) -> list[GreyImage]:
    """Return the augmented versions of a slice in the epochs 1 to `count`.

    Parameters
    ----------
    pixels : uint8 array, shape (S, S)
        The slice as a model's input.
    config : AugmentationConfig
    seed : int
        Of the run.
    index : int
        Of the slice in its data set, from 0.
    count : int

    Returns
    -------
    list of uint8 arrays, shape (S, S)
    """
    augmenter = Augmenter(config, seed)
    return [augmenter(pixels, epoch, index) for epoch in range(1, count + 1)]


def preview_range_ends(
    pixels: GreyImage, config: AugmentationConfig, name: str
) -> tuple[tuple[float, GreyImage], tuple[float, GreyImage]]:
    """Return one transform alone at both ends of its range: (value, image) of each.

    A flip's ends are the slice itself, 0, and its mirror image, 1.
    """
    low, high = (0.0, 1.0) if name == "flip" else config.get_range(name)
    return (low, apply_single_transform(pixels, name, low)), (
        high,
        apply_single_transform(pixels, name, high),
    )


def preview_range(
    pixels: GreyImage, config: AugmentationConfig, name: str, count: int = FRAME_COUNT
) -> list[tuple[float, GreyImage]]:
    """Return one transform alone in even steps through its range: (value, image) of each."""
    low, high = config.get_range(name)
    return [
        (v, apply_single_transform(pixels, name, v)) for v in np.linspace(low, high, count).tolist()
    ]


def apply_single_transform(pixels: GreyImage, name: str, value: float) -> GreyImage:
    """Return a slice after one transform alone, its value in the units of the configuration."""
    return apply_transforms(pixels, TransformParams.from_transform(name, value, len(pixels)))
