"""What the pages' viewer is sent: the very values of the file, and where a map is strong."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import numpy as np

from spinefrac.imaging.geometry import SliceGeometry
from spinefrac.records import CtSlice
from spinefrac.viz import heatmap, viewer_payload


def unpack(content: bytes) -> tuple[dict[str, Any], np.ndarray, np.ndarray | None]:
    (length,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + length])
    body = zlib.decompress(content[4 + length :])
    rows, columns = header["shown"]
    count = rows * columns
    low, high = np.frombuffer(body, np.uint8, 2 * count).reshape(2, rows, columns).astype(np.uint16)
    values = (low | high << 8).astype(np.int16)
    levels = np.frombuffer(body, np.uint8, offset=2 * count) if header["heat"] else None
    return header, values, levels


def slice_of(pixels: np.ndarray, **more: Any) -> CtSlice:
    return CtSlice(pixels=pixels.astype(np.float32), calibrated=True, format="dicom", **more)


def test_values_are_the_files_own_hounsfield_units() -> None:
    pixels = np.random.default_rng(0).integers(-1024, 3000, (60, 40))
    place = SliceGeometry(row_cosines=(1, 0, 0), column_cosines=(0, 1, 0))
    ct = slice_of(pixels, window=(40, 400), spacing_mm=(0.5, 0.7))
    header, values, levels = unpack(viewer_payload.encode_payload(ct, None, place, {"index": 3}))
    np.testing.assert_array_equal(values, pixels)
    assert levels is None and header["points"] == []
    assert header["unit"] == "HU" and header["spacing"] == [0.5, 0.7]
    assert header["letters"] == ["R", "L", "A", "P"] and header["index"] == 3
    names = [name for name, _, _ in header["windows"]]
    assert names == [viewer_payload.FILE_WINDOW_NAME, "Bone", "Soft tissue", "Lung", "Brain"]
    assert header["windows"][0][1:] == [40, 400]


def test_levels_are_those_of_the_drawn_heat_map() -> None:
    heat = np.zeros((60, 40), np.float32)
    heat[20, 10] = 3.0
    header, _, levels = unpack(viewer_payload.encode_payload(slice_of(np.zeros((60, 40))), heat))
    assert header["heat"]
    np.testing.assert_array_equal(
        levels.reshape(60, 40), heatmap.quantize_heatmap(heatmap.smooth_heatmap(heat))
    )


def test_a_large_slice_is_shrunk_and_says_so() -> None:
    ct = CtSlice(pixels=np.full((3000, 1500), 7, np.float32), calibrated=False, format="png")
    header, values, _ = unpack(
        viewer_payload.encode_payload(ct, np.zeros((3000, 1500), np.float32))
    )
    assert header["size"] == [3000, 1500] and header["shown"] == [1024, 512]
    assert header["unit"] == "grey" and (values == 7).all()


def test_the_strongest_points_are_where_the_evidence_lies() -> None:
    heat = np.full((200, 200), -1.0, np.float32)
    for row, column, strength in ((50, 60, 6.0), (150, 30, 3.0), (52, 61, 1.0)):
        heat[row, column] = strength
    first, second = viewer_payload.find_heatmap_peaks(heat)
    assert abs(first.row - 50) <= 1 and abs(first.column - 60) <= 1
    assert (second.row, second.column) == (150, 30)
    assert first.share == 0.7 and second.share == 0.3
    assert viewer_payload.find_heatmap_peaks(np.full((9, 9), -1.0, np.float32)) == ()
    assert viewer_payload.find_heatmap_peaks(np.full((9, 9), np.nan, np.float32)) == ()


def test_every_choice_of_colours_has_as_many_stops() -> None:
    assert {len(stops) for stops in heatmap.list_colormaps().values()} == {
        len(heatmap.DEFAULT_COLORMAP)
    }
