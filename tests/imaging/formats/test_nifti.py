"""NIfTI volumes: the same slice whatever the order of the axes in the file."""

import io

import nibabel
import numpy as np
import pytest

from spinefrac.errors import ImageError
from spinefrac.imaging.formats import nifti

VOXELS = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)  # right, front, head
SPACING = (0.5, 0.75, 2.0)


def volume(order: str = "RAS") -> bytes:
    """The same volume with its axes in another order and direction."""
    image = nibabel.Nifti1Image(VOXELS, np.diag([*SPACING, 1.0]))
    target = nibabel.orientations.axcodes2ornt(order)
    oriented = image.as_reoriented(
        nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), target)
    )
    return nibabel.Nifti1Image(np.asarray(oriented.dataobj), oriented.affine).to_bytes()


@pytest.mark.parametrize("order", ["RAS", "LPS", "PIR", "SAL"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_order_of_the_file_does_not_matter(order, axis):
    expected = nifti.read_nifti(io.BytesIO(volume()), 1, axis)
    found = nifti.read_nifti(io.BytesIO(volume(order)), 1, axis)
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert found.spacing_mm == expected.spacing_mm
    assert found.slice_count == VOXELS.shape[axis]


def test_an_axial_slice_has_front_at_the_top_and_right_on_the_left():
    found = nifti.read_nifti(io.BytesIO(volume()), 2, 2)
    assert found.calibrated and found.pixels.dtype == np.float32
    np.testing.assert_array_equal(found.pixels, VOXELS[::-1, ::-1, 2].T)
    assert found.spacing_mm == (0.75, 0.5)


def test_the_middle_slice_is_the_default():
    assert nifti.read_nifti(io.BytesIO(volume())).slice_index == 2


@pytest.mark.parametrize(("index", "axis"), [(5, 2), (-1, 2), (0, 3)])
def test_slices_outside_are_refused(index, axis):
    with pytest.raises(ImageError, match="expected"):
        nifti.read_nifti(io.BytesIO(volume()), index, axis)


def test_a_volume_is_unpacked_into_memory_or_ends_early():
    import gzip

    plain = volume()
    size = nifti.read_volume_geometry(io.BytesIO(plain)).unpacked_bytes
    assert size == len(plain)
    for content in (plain, gzip.compress(plain)):
        target = bytearray(size)
        nifti.unpack_into(io.BytesIO(content), memoryview(target))
        assert target == plain
    with pytest.raises(ImageError, match="ends early"):
        nifti.unpack_into(io.BytesIO(gzip.compress(plain[:-20])), memoryview(bytearray(size)))


def test_bytes_are_grey_values_unless_they_are_scaled():
    data = (np.arange(4 * 5 * 3).reshape(4, 5, 3) * 4).astype(np.uint8)
    image = nibabel.Nifti1Image(data, np.eye(4))
    grey = nifti.read_nifti(io.BytesIO(image.to_bytes()))
    assert not grey.calibrated and "grey values of a window" in grey.implausible
    image.header.set_slope_inter(8, -1024)
    scaled = nifti.read_nifti(io.BytesIO(image.to_bytes()))
    assert scaled.calibrated and not scaled.implausible and scaled.pixels.min() < -200
