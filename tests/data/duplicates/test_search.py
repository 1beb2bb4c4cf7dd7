"""Copies are found, different patients are not taken for copies, and groups merge."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import pytest

from spinefrac import imaging
from spinefrac.data import phantom
from spinefrac.data.duplicates.detail_store import DetailStore
from spinefrac.data.duplicates.noise_pattern import make_detail
from spinefrac.data.duplicates.search import (
    THUMBNAIL_SIDE,
    Duplicates,
    find_duplicates,
    make_thumbnail,
    merge_groups,
)
from spinefrac.records import BONE_WINDOW
from tests.support.drawn_phantom import KINDS, draw_patient


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


def rotated(picture: np.ndarray, degrees: float) -> np.ndarray:
    centre = ((picture.shape[1] - 1) / 2, (picture.shape[0] - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, degrees, 1.0)
    return cv2.warpAffine(picture, matrix, picture.shape[::-1])


COPIES = {
    "compressed hard": lambda p: jpeg(p, 15),
    "shrunk to 224 as data loaders do": lambda p: resized(p, 224, cv2.INTER_LINEAR),
    "shrunk by dropping pixels": lambda p: resized(p, 224, cv2.INTER_NEAREST),
    "shrunk to 96": lambda p: resized(p, 96, cv2.INTER_AREA),
    "enlarged": lambda p: resized(p, 900, cv2.INTER_CUBIC),
    "shrunk and compressed": lambda p: jpeg(resized(p, 224, cv2.INTER_LINEAR), 50),
}


def search(images: Sequence[np.ndarray], groups: Sequence[str] = ()) -> Duplicates:
    """Search slices that differ in pixels, each a group of its own unless groups are given."""
    names = [str(row) for row in range(len(images))]
    with DetailStore(map(make_detail, images)) as details:
        thumbnails = np.stack([make_thumbnail(image) for image in images])
        return find_duplicates(names, thumbnails, details, groups or names)


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES.keys())
def test_every_copy_finds_its_slice_and_no_other(slices, change):
    found = search([*slices, *map(change, slices)])
    assert found.exact == ()
    assert sorted(found.near) == [(i, i + 8) for i in range(8)]


ALTERED = {
    "rotated a little": lambda p: rotated(p, 6),
    "rotated": lambda p: rotated(p, -100),
    "mirrored": lambda p: p[:, ::-1].copy(),
    "mirrored, rotated, compressed": lambda p: jpeg(rotated(p[:, ::-1].copy(), 10), 50),
    "sharpened": lambda p: cv2.filter2D(p, -1, np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])),
    "brightened": lambda p: cv2.add(p, 20),
    "shrunk and rotated twice": lambda p: rotated(resized(rotated(p, 8), 224, cv2.INTER_LINEAR), 9),
}


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED.keys())
def test_an_altered_copy_is_told_from_neighbours_of_its_group(change):
    images = [image for seed in range(4) for image in draw_patient(seed, 4)]
    groups = [f"P{row // 4}" for row in range(16)]
    assert search(images, groups) == Duplicates()
    found = search([*images, change(images[5])], [*groups, "P1"])
    assert found.near == found.altered == ((5, 16),)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_neighbours_are_no_copies(kind):
    images = [image for seed in range(6) for image in draw_patient(seed, 6, kind)]
    found = search(images, [f"P{row // 6}" for row in range(36)])
    assert found == Duplicates()


@pytest.mark.parametrize("difficulty", ["easy", "standard", "hard"])
def test_neighbours_in_the_phantom_are_no_copies(difficulty):
    images = [
        imaging.apply_window(
            phantom.render(patient, z, patients=2, slices=5, seed=4, difficulty=difficulty).hu,
            *BONE_WINDOW,
        )
        for patient in range(2)
        for z in range(5)
    ]
    assert search(images, ["P0"] * 5 + ["P1"] * 5) == Duplicates()


def test_neighbours_in_a_thin_series_share_noise_and_are_no_copies():
    drawn = draw_patient(1, 4)
    images = [
        cv2.addWeighted(one, 1 - share, other, share, 0)
        for one, other in pairwise(drawn)
        for share in (0, 0.25, 0.5, 0.75)
    ]
    assert search(images, ["P"] * len(images)) == Duplicates()
    found = search(images)
    assert found.near and not found.altered
    assert len(set(merge_groups([str(row) for row in range(len(images))], found))) < len(images)


def test_neighbours_that_share_noise_are_no_copies_where_another_tissue_prevails():
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 20, (256, 256)), (0, 0), 1.0)
    images = []
    for border in (100, 156):
        image = np.zeros((256, 256))
        cv2.circle(image, (128, 128), 110, 90, -1)
        image[:, border:][image[:, border:] > 0] = 120
        cv2.circle(image, (100, 150), 20, 200, -1)
        cv2.circle(image, (170, 90), 12, 60, -1)
        images.append((image + noise).clip(0, 255).astype(np.uint8))
    assert search(images, ["P", "P"]) == Duplicates()


def test_real_neighbours_are_no_copies(shared_data):
    folder = shared_data / "kaggle-csfdv1/originals"
    images = [
        imaging.to_display(imaging.read(folder / f"normal/CSFDV1B11 ({n}).png"))
        for n in range(120, 132)
    ]
    assert search(images, ["B11"] * 12) == Duplicates()
    copy = rotated(jpeg(images[3][:, ::-1].copy(), 60), 7)
    assert search([*images, copy], ["B11"] * 13).altered == ((3, 12),)


def test_equal_pixels_are_exact_and_not_near_as_well(slices):
    images = [slices[0], slices[1], slices[0], slices[0]]
    thumbnails = np.stack([make_thumbnail(image) for image in images])
    with DetailStore(map(make_detail, images)) as details:
        found = find_duplicates(["a", "b", "a", "a"], thumbnails, details, ["w", "x", "y", "z"])
    assert found == Duplicates(exact=((0, 2, 3),))


def test_empty_pictures_are_no_duplicates():
    flat = np.zeros((4, 256, 256), dtype=np.uint8)
    flat[2:, :, :] = 1
    flat[3, 20:24, 20:24] = 30  # next to nothing
    thumbnails = np.stack([make_thumbnail(image) for image in flat])
    with DetailStore(map(make_detail, flat)) as details:
        found = find_duplicates(["a", "a", "b", "c"], thumbnails, details, ["w", "x", "y", "z"])
    assert found == Duplicates()


def test_slices_next_to_empty_are_no_copies_of_each_other():
    """The first and last slices of a volume: air, and a corner of a table."""
    rng = np.random.default_rng(0)
    images = np.zeros((6, 256, 256), np.uint8)
    images[:, 200:206, 60:200] = 90
    images[:, 200:206, 60:200] += rng.integers(0, 9, (6, 6, 140), dtype=np.uint8)
    assert search(images) == Duplicates()


def test_nothing_and_one_picture():
    none = np.empty((0, THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
    with DetailStore() as details:
        assert find_duplicates([], none, details, []) == Duplicates()
    assert search([np.eye(256, dtype=np.uint8) * 255]) == Duplicates()


def test_a_crowd_of_different_pictures_is_searched_in_buckets():
    rng = np.random.default_rng(0)
    fields = rng.integers(20, 230, (1800, 9, 9), dtype=np.uint8)
    pictures = [
        cv2.add(cv2.resize(field, (96, 96), interpolation=cv2.INTER_CUBIC), noise)
        for field, noise in zip(fields, rng.integers(0, 20, (1800, 96, 96), np.uint8), strict=True)
    ]
    pictures += [jpeg(p, 95) for p in pictures[::10]]
    assert sorted(search(pictures).near) == [(10 * i, 1800 + i) for i in range(180)]


def test_groups_that_share_a_picture_merge_through_others():
    groups = ["a", "b", "c", "d", "a", "e"]
    merged = merge_groups(groups, Duplicates(exact=((0, 1),), near=((1, 2), (0, 4))))
    assert merged == ("a+2", "a+2", "a+2", "d", "a+2", "e")
    assert merge_groups(groups, Duplicates()) == tuple(groups)
