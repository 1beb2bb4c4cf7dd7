"""Files whose transfer syntax says one thing and whose bytes are another."""

import re

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from spinefrac import imaging
from spinefrac.errors import ImageError

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
GDCM_NAMES = {
    RLELossless: "RLELossless",
    JPEGLosslessSV1: "JPEGLosslessProcess14_1",
    JPEGLSLossless: "JPEGLSLossless",
    JPEG2000Lossless: "JPEG2000Lossless",
}


def relabel(content: bytes, syntax: UID) -> bytes:
    """Return a DICOM file that states another transfer syntax (PS3.10, 7.1)."""
    (old,) = re.findall(rb"\x02\x00\x10\x00UI(?s:(.).)", content)
    where = content.index(b"\x02\x00\x10\x00UI")
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value
    changed = content[:where] + element + content[where + 8 + old[0] :]
    # Group length, the first element: what follows it in this group.
    length = int.from_bytes(content[140:144], "little") + len(value) - old[0]
    return changed[:140] + length.to_bytes(4, "little") + changed[144:]


@pytest.mark.parametrize("stated", NATIVE)
@pytest.mark.parametrize("true", NATIVE)
def test_uncompressed_pixels_are_read_as_they_are(make_dicom, stored_values, true, stated):
    content = relabel(make_dicom(stored_values, true), stated)
    ct = imaging.read(content)
    assert ct.calibrated
    np.testing.assert_array_equal(ct.pixels, stored_values.astype(float) - 1024)


@pytest.mark.parametrize("stated", [*GDCM_NAMES, ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("true", GDCM_NAMES)
def test_compressed_pixels_are_read_as_they_are(make_dicom, compress, stored_values, true, stated):
    content = relabel(compress(make_dicom(stored_values), GDCM_NAMES[true]), stated)
    np.testing.assert_array_equal(imaging.read(content).pixels, stored_values.astype(float) - 1024)


@pytest.mark.parametrize("stated", [*GDCM_NAMES, JPEGBaseline8Bit])
@pytest.mark.parametrize("true", NATIVE[:2])
def test_pixels_that_were_decompressed_only(make_dicom, stored_values, true, stated):
    content = relabel(make_dicom(stored_values, true), stated)
    np.testing.assert_array_equal(imaging.read(content).pixels, stored_values.astype(float) - 1024)


def with_pixels(make_dicom, stored_values, pixels: bytes, syntax: UID) -> bytes:
    """Return a file with these bytes as compressed pixels."""
    content = make_dicom(stored_values)
    where = content.index(b"\xe0\x7f\x10\x00O")
    head = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
    return relabel(content[:where] + head + pixels, syntax)


@pytest.mark.parametrize(
    ("pixels", "syntax", "message"),
    [
        (encapsulate([b"no codestream"]), ExplicitVRLittleEndian, "expected uncompressed pixels"),
        (b"", ExplicitVRLittleEndian, "expected uncompressed pixels"),
        (encapsulate([b"\xff\xd8" + b"\xff\xe0\x00\x02" * 9]), ExplicitVRLittleEndian, "not known"),
        (encapsulate([b"no codestream"]), JPEGLSLossless, "compressed pixels agree"),
    ],
)
def test_pixels_that_are_neither(make_dicom, stored_values, pixels, syntax, message):
    with pytest.raises(ImageError, match=message):
        imaging.read(with_pixels(make_dicom, stored_values, pixels, syntax))


def test_bytes_that_are_not_in_fragments_are_named(make_dicom, stored_values):
    content = make_dicom(stored_values)
    where = content.index(b"\xe0\x7f\x10\x00O")
    cut = content[: where + 8] + (100).to_bytes(4, "little") + bytes(100)
    with pytest.raises(ImageError, match="expected compressed pixels in fragments"):
        imaging.read(relabel(cut, RLELossless))


def test_rows_that_the_pixels_do_not_fill_are_named(make_dicom, stored_values):
    content = make_dicom(stored_values, Rows=47)
    taller = content.replace(b"\x28\0\x10\0US\x02\0\x2f\0", b"\x28\0\x10\0US\x02\0\x31\0")
    with pytest.raises(ImageError, match="by rows, columns and bits"):
        imaging.read(taller + bytes(1000))


def test_a_private_sequence_does_not_mislead(make_dicom, stored_values):
    item = Dataset()
    item.add_new(0x00110010, "LO", "MAKER")
    content = make_dicom(stored_values, SourceImageSequence=[item])
    assert imaging.read(relabel(content, ImplicitVRLittleEndian)).calibrated
