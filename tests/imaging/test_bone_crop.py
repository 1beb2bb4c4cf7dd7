"""The square around the vertebra."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from spinefrac import imaging
from spinefrac.imaging.bone_crop import find_bone_square
from spinefrac.records import CtSlice, Square


def neck(row: float = 230, column: float = 256, side: int = 512) -> np.ndarray:
    """Hounsfield units: air, a neck of muscle, a vertebra of 60 px, a collar and a table."""
    image = np.full((side, side), -1000, np.float32)
    scale = side / 512
    point = lambda x, y: (round(x * scale), round(y * scale))  # noqa: E731
    cv2.circle(image, point(256, 256), round(180 * scale), 60, -1)
    cv2.circle(image, point(column, row), round(45 * scale), 500, -1)
    cv2.circle(image, point(column, row), round(35 * scale), 250, -1)
    cv2.ellipse(image, point(column, row + 75), point(45, 30), 0, 0, 180, 700, round(10 * scale))
    cv2.ellipse(image, point(256, 256), point(230, 230), 0, 20, 160, 900, 4)
    cv2.line(image, point(10, 500), point(500, 500), 900, 3)
    return image


def inside(square: Square, top: float, left: float, bottom: float, right: float) -> bool:
    return (
        square.top <= top
        and square.left <= left
        and square.top + square.side >= bottom
        and square.left + square.side >= right
    )


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize(("row", "column"), [(230, 256), (180, 210), (260, 330)])
def test_the_whole_vertebra_and_not_the_collar(calibrated: bool, row: int, column: int) -> None:
    pixels = neck(row, column)
    if not calibrated:
        pixels = imaging.apply_window(pixels, 500, 2000).astype(np.float32)
    ct = CtSlice(pixels, calibrated, "dicom", spacing_mm=(0.4, 0.4) if calibrated else None)
    square = find_bone_square(ct)
    assert inside(square, row - 46, column - 51, row + 112, column + 51)
    assert square.side <= 320


def test_a_shift_moves_the_square_with_it() -> None:
    squares = [
        find_bone_square(CtSlice(neck(230 + d, 256), True, "dicom", spacing_mm=(0.4, 0.4)))
        for d in range(0, 24, 4)
    ]
    assert len({square.side for square in squares}) == 1
    tops = np.array([square.top for square in squares])
    assert np.abs(tops - tops[0] - np.arange(0, 24, 4)).max() <= 4


def test_no_bone_keeps_the_whole_slice() -> None:
    for pixels in (np.zeros((100, 80)), np.full((100, 80), -1000), np.full((100, 80), 60)):
        ct = CtSlice(pixels.astype(np.float32), True, "dicom")
        assert find_bone_square(ct) == Square(top=0, left=-10, side=100)
    assert find_bone_square(CtSlice(np.zeros((9, 9), np.float32), False, "png")) == Square(0, 0, 9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (700, 3), (2000, 2000)])
def test_any_shape_and_noise(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).normal(0, 800, shape).astype(np.float32)
    for calibrated in (True, False):
        square = find_bone_square(
            CtSlice(noise if calibrated else abs(noise) % 255, calibrated, "png")
        )
        assert 0 < square.side <= max(shape)


def test_the_body_ct_is_cropped_to_its_spine(shared_data: Path) -> None:
    for path in sorted((shared_data / "totalsegmentator-dicom").iterdir()):
        square = find_bone_square(imaging.read(path))
        # The vertebral body and canal of this patient lie here in every slice.
        assert inside(square, 300, 220, 368, 280) and square.side * 0.977 < 140


def test_neighbouring_real_slices_get_nearly_the_same_square(shared_data: Path) -> None:
    paths = sorted((shared_data / "totalsegmentator-dicom").iterdir())
    squares = [find_bone_square(imaging.read(path)) for path in paths]
    middles = np.array([(s.top + s.side / 2, s.left + s.side / 2) for s in squares])
    assert np.median(np.abs(np.diff(middles, axis=0))) <= 6
