"""Positions and orientations of DICOM frames, in the patient's coordinates."""

import io
import math
import struct

import numpy as np
import pytest
from pydicom.dataset import Dataset

from spinefrac.imaging import geometry


def read_one(content: bytes) -> geometry.SliceGeometry:
    (found,), complete = geometry.read_geometries(io.BytesIO(content))
    assert complete
    return found


def test_an_axial_slice(make_dicom, stored_values):
    found = read_one(
        make_dicom(stored_values, ImagePositionPatient=[-10, -20, 33.5], PixelSpacing=[0.5, 0.4],
                   ImageOrientationPatient=[1, 0, 0, 0, 1, 0], InstanceNumber=7)
    )  # fmt: skip
    assert found.plane == "axial" and found.normal == (0, 0, 1)
    assert found.position_along_normal_mm == 33.5
    assert found.orientation_letters == ("R", "L", "A", "P")
    assert (found.spacing_mm, found.instance_number) == ((0.5, 0.4), 7)
    assert (found.rows, found.columns) == stored_values.shape


@pytest.mark.parametrize(
    ("cosines", "plane", "letters"),
    [
        ([0, 1, 0, 0, 0, -1], "sagittal", ("A", "P", "H", "F")),
        ([1, 0, 0, 0, 0, -1], "coronal", ("R", "L", "H", "F")),
        ([1, 0, 0, 0, math.cos(0.5), math.sin(0.5)], "axial", ("R", "L", "AF", "PH")),
    ],
)
def test_other_planes(make_dicom, stored_values, cosines, plane, letters):
    found = read_one(make_dicom(stored_values, ImageOrientationPatient=cosines))
    assert (found.plane, found.orientation_letters) == (plane, letters)


@pytest.mark.parametrize("cosines", [[1, 0, 0, 1, 0, 0], [2, 0, 0, 0, 1, 0], [0] * 6, [1, 0, 0]])
def test_an_invalid_orientation_is_unknown(make_dicom, stored_values, cosines):
    found = read_one(make_dicom(stored_values, ImageOrientationPatient=cosines))
    assert found.normal is None and found.plane == "" and found.orientation_letters == ("",) * 4


def test_frames_have_positions_of_their_own(make_dicom, stored_values):
    frames = []
    for z in (5.0, 7.0):
        plane, item = Dataset(), Dataset()
        plane.ImagePositionPatient = [0, 0, z]
        item.PlanePositionSequence = [plane]
        frames.append(item)
    content = make_dicom(
        np.stack([stored_values, stored_values]),
        PerFrameFunctionalGroupsSequence=frames,
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
    )
    found, _ = geometry.read_geometries(io.BytesIO(content))
    assert [one.position_along_normal_mm for one in found] == [5.0, 7.0]


def test_frames_without_functional_groups_have_no_position(make_dicom, stored_values):
    content = make_dicom(np.stack([stored_values] * 3), ImagePositionPatient=[0, 0, 1])
    found, _ = geometry.read_geometries(io.BytesIO(content))
    assert [one.position_mm for one in found] == [None] * 3


def test_a_header_that_was_cut_off_is_incomplete(make_dicom, stored_values):
    content = make_dicom(stored_values)
    _, complete = geometry.read_geometries(io.BytesIO(content[: -stored_values.nbytes - 12]))
    assert not complete


@pytest.mark.parametrize(
    ("written", "found"),
    [("456115117112105110101 ", "456115117112105110101"), ("7 ", "7"), ("A7", ""), ("1.5 ", "")],
)
def test_the_series_number_is_kept_in_its_digits(make_dicom, stored_values, written, found):
    short = make_dicom(stored_values, SeriesNumber="9" * len(written.strip()))
    old = b"IS" + struct.pack("<H", len(written.encode()) // 2 * 2)
    where = short.index(b"\x20\0\x11\0IS") + 8
    content = short[:where] + written.encode().ljust(2) + short[where + short[where - 2] :]
    assert old in content
    assert read_one(content).series_number == found


def test_an_instance_number_beyond_the_standard_is_none(make_dicom, stored_values):
    found = read_one(make_dicom(stored_values, InstanceNumber="456115117112105110101"))
    assert found.instance_number is None
