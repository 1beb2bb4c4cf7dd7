"""Rotation and mirroring of a slice against its copy are found from the rings of a thumbnail."""

import cv2
import numpy as np
import pytest

from spinefrac.data.duplicates import registration
from spinefrac.data.duplicates.registration import THUMBNAIL_SIDE


def slice_like(seed: int) -> np.ndarray:
    """A smooth random pattern on a disc, shape (256, 256)."""
    noise = np.random.default_rng(seed).standard_normal((256, 256)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 9)
    rows, columns = np.mgrid[-1:1:256j, -1:1:256j]
    inside = np.hypot(rows, columns) < 0.9
    return np.where(inside, 128 + 900 * smooth, 0).clip(0, 255).astype(np.uint8)


def rotated(image: np.ndarray, degrees: float) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((127.5, 127.5), degrees, 1.0)
    return cv2.warpAffine(image, matrix, (256, 256), flags=cv2.INTER_LINEAR)


def spectra(*images: np.ndarray) -> np.ndarray:
    return registration.ring_spectra(np.stack([registration.make_thumbnail(i) for i in images]))


@pytest.mark.parametrize("degrees", [0, 20, -75, 160])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_rotation_is_found(degrees, mirrored):
    image = slice_like(1)
    copy = rotated(image[:, ::-1] if mirrored else image, degrees)
    found = registration.align_pairs(spectra(image), spectra(copy))
    assert found.correlation[int(mirrored), 0] > 0.9
    assert found.correlation[int(not mirrored), 0] < 0.75
    if not mirrored:
        assert abs(found.rotation_degrees[0, 0] + degrees) < 0.4


def test_another_slice_does_not_agree():
    found = registration.align_pairs(spectra(slice_like(1)), spectra(slice_like(2)))
    assert found.correlation.max() < 0.75  # copies have 0.81 and more


def test_invariants_do_not_change_by_a_rotation():
    image, other = slice_like(3), slice_like(4)
    own, copy, different = registration.rotation_invariants(
        spectra(image, rotated(image, 40), other)
    )
    assert np.linalg.norm(own - copy) < 0.5 * np.linalg.norm(own - different)


def test_an_empty_slice_has_no_spectrum():
    empty = np.zeros((256, 256), np.uint8)
    assert registration.make_thumbnail(empty).shape == (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    assert not spectra(empty).any()
