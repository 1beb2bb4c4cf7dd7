"""Windowing and the way from a slice to a model's input and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinefrac import imaging
from spinefrac.records import CtSlice, Preprocessing, Square

WHOLE = Preprocessing(bone_crop=False)


def test_window_edges() -> None:
    hounsfield = np.array([[-2000, -500, 500, 1500, 9000]], np.float32)
    assert imaging.apply_window(hounsfield, 500, 2000).tolist() == [[0, 0, 128, 255, 255]]
    assert imaging.apply_window(hounsfield, 500, 2000).dtype == np.uint8


def test_display_prefers_the_given_then_the_files_then_the_bone_window() -> None:
    pixels = np.full((4, 4), 500, np.float32)
    assert imaging.to_display(CtSlice(pixels, True, "dicom"))[0, 0] == 128
    assert imaging.to_display(CtSlice(pixels, True, "dicom", window=(40, 400)))[0, 0] == 255
    assert (
        imaging.to_display(CtSlice(pixels, True, "dicom", window=(40, 400)), (500, 100))[0, 0]
        == 128
    )
    picture = CtSlice(pixels / 5, False, "png")
    assert imaging.to_display(picture, (0, 1))[0, 0] == 100


def test_calibrated_slices_are_windowed_by_the_model() -> None:
    ct = CtSlice(np.full((300, 300), 500, np.float32), True, "dicom", window=(40, 400))
    made = imaging.to_input(
        ct, Preprocessing(size=96, window_center=0, window_width=2000, bone_crop=False)
    )
    assert made.pixels.shape == (96, 96) and (made.pixels == 191).all()


def test_padding_is_black_and_area_keeps_the_mean() -> None:
    pixels = np.random.default_rng(0).uniform(50, 200, (200, 400)).astype(np.float32)
    made = imaging.to_input(CtSlice(pixels, False, "png"), Preprocessing(size=100, bone_crop=False))
    assert made.square == Square(top=-100, left=0, side=400)
    assert not made.pixels[:25].any() and not made.pixels[75:].any()
    expected = pixels.reshape(50, 4, 100, 4).mean(axis=(1, 3))
    assert np.abs(made.pixels[25:75] - expected).max() <= 0.51


def test_a_long_strip_needs_no_huge_square() -> None:
    ct = CtSlice(np.full((30_000, 40), 100, np.float32), False, "png")
    made = imaging.to_input(ct, WHOLE)
    assert made.square.side == 30_000 and made.pixels.max() > 0


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(64, 300),
    columns=st.integers(64, 300),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    size=st.sampled_from([64, 128, 160, 320]),
)
def test_a_bright_point_is_found_again(
    rows: int, columns: int, place: tuple[float, float], size: int
) -> None:
    row, column = int(place[0] * (rows - 1)), int(place[1] * (columns - 1))
    pixels = np.zeros((rows, columns), np.float32)
    pixels[row, column] = 255
    made = imaging.to_input(
        CtSlice(pixels, False, "png"), Preprocessing(size=size, bone_crop=False)
    )
    back = imaging.project_heatmap(made.pixels.astype(np.float32), made.square, (rows, columns))
    assert back.shape == (rows, columns) and back.dtype == np.float32
    found = np.unravel_index(int(back.argmax()), back.shape)
    cell = max(1.0, made.square.side / size)  # a model pixel in slice pixels
    assert abs(found[0] - row) <= cell and abs(found[1] - column) <= cell


def test_a_map_is_zero_outside_its_square_and_even_inside() -> None:
    back = imaging.project_heatmap(np.ones((5, 5), np.float32), Square(10, -4, 20), (40, 40))
    assert (back[10:30, :16] == 1).all() and back.sum() == 20 * 16


@pytest.mark.parametrize("cells", [1, 2, 7, 40])
def test_a_slope_stays_a_slope(cells: int) -> None:
    ramp = np.tile((np.arange(cells, dtype=np.float32) + 0.5) / cells, (cells, 1))
    back = imaging.project_heatmap(ramp, Square(0, 0, 100), (100, 100))
    inner = slice(100 // (2 * cells), 100 - 100 // (2 * cells))
    expected = (np.arange(100) + 0.5) / 100
    if cells > 1:
        np.testing.assert_allclose(back[50, inner], expected[inner], atol=1e-5)
    assert back.min() >= 0 and back.max() <= 1
