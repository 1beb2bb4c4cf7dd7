"""Pairs that are altered, or alike in two groups, are candidates; neighbours in a group are not."""

import cv2
import numpy as np
import pytest

from spinefrac.data.duplicates import candidates
from spinefrac.data.duplicates.candidates import Candidates, find_candidates
from spinefrac.data.duplicates.noise_pattern import make_detail, measure_looks
from spinefrac.data.duplicates.registration import THUMBNAIL_SIDE, make_thumbnail
from tests.support.drawn_phantom import draw_patient


@pytest.fixture(scope="module")
def neighbours() -> list[np.ndarray]:
    """Two neighbours that are not symmetric."""
    drawn = draw_patient(1, 2)
    for image in drawn:
        for place, size in (((80, 90), 20), ((150, 100), 12), ((110, 150), 9), ((190, 140), 15)):
            cv2.circle(image, place, size, 160, -1)
    return drawn


def search(images: list[np.ndarray], groups: list[int]) -> Candidates:
    looks = measure_looks(np.stack([make_detail(image) for image in images]))
    thumbnails = np.stack([make_thumbnail(image) for image in images])
    return find_candidates(thumbnails, np.arange(len(images)), looks, np.array(groups))


def test_neighbours_are_candidates_in_two_groups_only(neighbours):
    assert search(neighbours, [0, 0]).pairs.tolist() == []
    found = search(neighbours, [0, 1])
    assert found.pairs.tolist() == [[0, 1]] and found.is_altered.tolist() == [False]


def test_altered_slices_are_candidates_in_one_group(neighbours):
    slice_ = neighbours[0]
    matrix = cv2.getRotationMatrix2D((127.5, 127.5), -15, 1.0)
    found = search([slice_, cv2.warpAffine(slice_, matrix, (256, 256))], [0, 0])
    assert found.is_altered.all() and found.pairs.tolist()[0] == [0, 1]
    assert found.rotation_degrees[~found.is_mirrored][0] == pytest.approx(15, abs=0.3)
    mirrored = search([slice_, slice_[::-1].copy()], [0, 0])
    assert mirrored.is_mirrored.any()
    assert search([slice_, cv2.add(slice_, 30)], [0, 0]).is_altered.tolist() == [True]


def test_pairs_are_found_once_although_buckets_overlap(neighbours, monkeypatch):
    monkeypatch.setattr(candidates, "BUCKET_SIZE", 8)
    images = [image for seed in range(12) for image in draw_patient(seed, 2)]
    found = search(images, list(range(24)))
    keys = [
        (*pair, mirrored)
        for pair, mirrored in zip(found.pairs.tolist(), found.is_mirrored, strict=True)
    ]
    assert len(set(keys)) == len(keys) > 0
    assert all(first < second for first, second, _ in keys)


def test_no_slices():
    empty = np.empty((0, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8)
    looks = np.empty((0, 2), np.float32)
    none = find_candidates(empty, np.empty(0, np.int64), looks, np.empty(0, np.int64))
    assert none.pairs.shape == (0, 2)
