"""A copy agrees with its slice in the noise, a neighbour does not, and a drawn slice at edges."""

import cv2
import numpy as np
import pytest

from spinefrac.data.duplicates.noise_pattern import compare_noise, make_detail, measure_looks
from tests.support.drawn_phantom import KINDS, draw_patient


@pytest.fixture(scope="module")
def neighbours() -> list[np.ndarray]:
    return draw_patient(1, 2)


def rotated(image: np.ndarray, degrees: float) -> np.ndarray:
    """As a thumbnail is rotated by its rings: counter-clockwise in an image counts as negative."""
    centre = ((image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2)
    return cv2.warpAffine(image, cv2.getRotationMatrix2D(centre, -degrees, 1.0), image.shape[::-1])


def compare(first: np.ndarray, second: np.ndarray, degrees: float = 0.0, mirrored: bool = False):
    details = np.stack([make_detail(first), make_detail(second)])
    return compare_noise(details, np.array([[0, 1]]), np.array([degrees]), np.array([mirrored]))


def test_the_noise_of_a_rotated_and_mirrored_copy_agrees(neighbours):
    slice_ = neighbours[0]
    found = compare(slice_, rotated(slice_, 30), 30)
    assert found.quiet[0] > 0.6 and found.lowest[0] > 0.5 and found.structured[0] > 0.8
    assert found.coverage[0] > 0.95
    assert compare(slice_, rotated(slice_, 30), -30).quiet[0] < 0.2
    mirrored = compare(slice_, rotated(slice_[::-1].copy(), 20), 20, mirrored=True)
    assert mirrored.quiet[0] > 0.6


def test_the_noise_of_neighbours_does_not_agree(neighbours):
    first, second = neighbours
    assert compare(first, second).quiet[0] < 0.15
    assert compare(first, second[:, ::-1].copy(), 180, mirrored=True).quiet[0] < 0.15


def test_slices_without_noise_are_known_and_differ_at_edges():
    first, second = draw_patient(1, 8, KINDS["no noise"])[::7]
    copy = compare(first, rotated(first, 10), 10)
    assert copy.coverage[0] < 0.95 and copy.lowest[0] > 0.9
    assert compare(first, second).lowest[0] < 0.9


def test_empty_slices_say_nothing(neighbours):
    empty = np.zeros((256, 256), np.uint8)
    found = compare(empty, neighbours[0], 5)
    assert not found.quiet[0] >= 0.3 and not found.lowest[0] >= 0.9
    assert measure_looks(make_detail(empty)[None]).tolist() == [[0, 0]]


def test_looks_tell_sharpened_and_brightened_slices_from_neighbours(neighbours):
    first, second = neighbours
    kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    changed = [first, second, cv2.filter2D(first, -1, kernel), cv2.add(first, 20)]
    looks = measure_looks(np.stack([make_detail(image) for image in changed]))
    noise, brightness = looks.T
    assert noise[1] == pytest.approx(noise[0], rel=0.1) and noise[2] > 1.5 * noise[0]
    assert brightness[1] == pytest.approx(brightness[0], abs=2)
    assert brightness[3] == pytest.approx(brightness[0] + 20, abs=1)
