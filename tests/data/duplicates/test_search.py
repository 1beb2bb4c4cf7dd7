"""Copies are found, different patients are not taken for copies, and groups merge."""

import cv2
import numpy as np
import pytest

from spinefrac import imaging
from spinefrac.data.duplicates.search import (
    THUMBNAIL_SIDE,
    Duplicates,
    find_duplicates,
    make_thumbnail,
    merge_groups,
)


@pytest.fixture(scope="module")
def slices(shared_data) -> list[np.ndarray]:
    """Eight real slices of two series, far apart from each other."""
    folder = shared_data / "kaggle-csfdv1/originals"
    names = [f"fracture/CSFDV1B12 ({n}).png" for n in (1, 18, 36, 54, 72)]
    names += [f"normal/CSFDV1B11 ({n}).png" for n in (103, 125, 146)]
    return [imaging.to_display(imaging.read(folder / name)) for name in names]


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def resized(picture: np.ndarray, side: int, how: int) -> np.ndarray:
    return cv2.resize(picture, (side, side), interpolation=how)


COPIES = {
    "compressed hard": lambda p: jpeg(p, 15),
    "shrunk to 224 as data loaders do": lambda p: resized(p, 224, cv2.INTER_LINEAR),
    "shrunk by dropping pixels": lambda p: resized(p, 224, cv2.INTER_NEAREST),
    "shrunk to 96": lambda p: resized(p, 96, cv2.INTER_AREA),
    "enlarged": lambda p: resized(p, 900, cv2.INTER_CUBIC),
    "shrunk and compressed": lambda p: jpeg(resized(p, 224, cv2.INTER_LINEAR), 50),
}


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES.keys())
def test_every_copy_finds_its_slice_and_no_other(slices, change):
    pictures = [*slices, *map(change, slices)]
    found = find_duplicates(
        [str(i) for i in range(16)], np.stack([make_thumbnail(p) for p in pictures])
    )
    assert found.exact == ()
    assert sorted(found.near) == [(i, i + 8) for i in range(8)]


def test_equal_pixels_are_exact_and_not_near_as_well(slices):
    thumbnails = np.stack([make_thumbnail(p) for p in (slices[0], slices[1], slices[0], slices[0])])
    assert find_duplicates(["a", "b", "a", "a"], thumbnails) == Duplicates(exact=((0, 2, 3),))


def test_empty_pictures_are_no_duplicates():
    flat = np.zeros((4, THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
    flat[2:, :, :] = 1
    flat[3, 5, 5] = 2  # next to nothing
    assert find_duplicates(["a", "a", "b", "c"], flat) == Duplicates()


def test_nothing_and_one_picture():
    assert (
        find_duplicates([], np.empty((0, THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8))
        == Duplicates()
    )
    assert (
        find_duplicates(["a"], np.eye(THUMBNAIL_SIDE, dtype=np.uint8)[None] * 255) == Duplicates()
    )


def test_a_crowd_of_different_pictures_is_searched_in_buckets():
    noise = np.random.default_rng(0).integers(0, 255, (3000, 9, 9), dtype=np.uint8)
    pictures = [
        cv2.resize(p, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_CUBIC)
        for p in noise
    ]
    pictures += [jpeg(p, 30) for p in pictures[::10]]
    found = find_duplicates([str(i) for i in range(len(pictures))], np.stack(pictures))
    assert sorted(found.near) == [(10 * i, 3000 + i) for i in range(300)]


def test_groups_that_share_a_picture_merge_through_others():
    groups = ["a", "b", "c", "d", "a", "e"]
    merged = merge_groups(groups, Duplicates(exact=((0, 1),), near=((1, 2), (0, 4))))
    assert merged == ("a+2", "a+2", "a+2", "d", "a+2", "e")
    assert merge_groups(groups, Duplicates()) == tuple(groups)
