"""The heat map's picture: what is drawn, what is left alone."""

from __future__ import annotations

import base64
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spinefrac.viz import heatmap

SHAPE = (24, 32)
GREY = np.tile(np.linspace(0, 255, SHAPE[1]).astype(np.uint8), (SHAPE[0], 1))


def spot(at: tuple[int, int] = (10, 20), height: float = 2.0) -> np.ndarray:
    heat = np.full(SHAPE, -1.0, np.float32)
    heat[at] = height
    return heat


def test_strength_zero_is_the_slice_itself() -> None:
    expected = np.repeat(GREY[..., None], 3, axis=2)
    np.testing.assert_array_equal(heatmap.overlay_heatmap(GREY, spot(), 0.0), expected)


def test_only_what_speaks_for_a_fracture_is_coloured() -> None:
    picture = heatmap.overlay_heatmap(GREY, spot(), 1.0)
    coloured = np.ptp(picture.astype(int), axis=2) > 0
    assert np.argwhere(coloured).tolist() == [[10, 20]]
    assert tuple(picture[10, 20]) == heatmap.DEFAULT_COLORMAP[-1]


def test_nothing_is_drawn_where_nothing_speaks_for_a_fracture() -> None:
    picture = heatmap.overlay_heatmap(GREY, np.full(SHAPE, -3.0, np.float32), 1.0)
    np.testing.assert_array_equal(picture[..., 0], GREY)
    np.testing.assert_array_equal(picture[..., 0], picture[..., 2])


def test_a_given_scale_makes_two_slices_comparable() -> None:
    faint = heatmap.quantize_heatmap(spot(height=0.5), max_value=2.0)
    strong = heatmap.quantize_heatmap(spot(height=2.0), max_value=2.0)
    assert (faint[10, 20], strong[10, 20]) == (64, 255)


def test_more_evidence_is_never_drawn_fainter() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None, :]
    picture = heatmap.overlay_heatmap(np.full((1, 256), 90, np.uint8), ramp, 1.0).astype(int)
    distance = np.abs(picture - 90).sum(axis=2)[0]
    saturation = np.ptp(picture, axis=2)[0]
    assert distance[0] == 0
    assert (np.diff(saturation[:160]) >= -1).all()
    assert saturation[-1] > 150


@given(
    arrays.arrays(np.uint8, (5, 7)),
    arrays.arrays(np.float32, (5, 7), elements=st.floats(width=32, allow_nan=True)),
    st.floats(0, 1),
)
def test_any_heat_map_gives_a_picture(grey: np.ndarray, heat: np.ndarray, strength: float) -> None:
    picture = heatmap.overlay_heatmap(grey, heat, strength)
    assert picture.shape == (5, 7, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize(
    ("heat", "strength", "told"),
    [
        (np.zeros((4, 4), np.float32), 0.5, "expected a heat map of shape"),
        (spot(), 1.5, "expected alpha between 0 and 1"),
    ],
)
def test_wrong_arguments_are_refused(heat: np.ndarray, strength: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        heatmap.overlay_heatmap(GREY, heat, strength)


def decoded(address: str) -> np.ndarray:
    head, content = address.split(",")
    assert head == "data:image/png;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_UNCHANGED)


def test_a_picture_reaches_the_page_unchanged() -> None:
    picture = heatmap.overlay_heatmap(GREY, spot(), 0.7)
    np.testing.assert_array_equal(decoded(heatmap.encode_data_url(picture))[..., ::-1], picture)
    np.testing.assert_array_equal(decoded(heatmap.encode_data_url(GREY)), GREY)


def test_thick_slices_are_shown_in_their_physical_proportions() -> None:
    assert decoded(heatmap.encode_data_url(GREY, (5.0, 1.25))).shape == (24 * 4, 32)
    assert decoded(heatmap.encode_data_url(GREY, (0.4, 0.4))).shape == SHAPE
    assert decoded(heatmap.encode_data_url(np.zeros((10, 4000), np.uint8))).shape == (3, 1024)


def test_thumbnail_keeps_the_proportions() -> None:
    content = heatmap.encode_thumbnail(np.zeros((300, 600), np.uint8), max_side=160)
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE).shape == (80, 160)


def test_the_command_line_draws_without_plotly() -> None:
    script = "import spinefrac.viz.heatmap, sys; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_single_point_is_drawn_as_a_spot_that_can_be_seen() -> None:
    heat = np.zeros((512, 512), np.float32)
    heat[200, 300] = 1.0
    grey = np.full((512, 512), 90, np.uint8)
    changed = (heatmap.overlay_heatmap(grey, heat, 0.7) != 90).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert 150 < changed.sum() < 2500
    assert abs(rows.mean() - 200) < 1 and abs(columns.mean() - 300) < 1
