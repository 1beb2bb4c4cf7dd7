"""One entrance for all formats, with and without the header."""

import numpy as np
import pytest
from PIL import Image

from spinefrac import imaging
from spinefrac.errors import ImageError
from spinefrac.imaging.read import wrap_parser_errors


def test_a_dicom_comes_with_its_header(make_dicom, stored_values, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(make_dicom(stored_values, SeriesInstanceUID="1.2.9", KVP="120"))
    ct, header = imaging.read_with_header(path)
    np.testing.assert_array_equal(ct.pixels, imaging.read(path).pixels)
    assert header.tags.series_instance_uid == "1.2.9" and header.scanner == "120"


def test_other_formats_have_no_header(tmp_path):
    Image.fromarray(np.full((8, 9), 77, np.uint8)).save(tmp_path / "a.png")
    ct, header = imaging.read_with_header(tmp_path / "a.png")
    assert header is None and ct.format == "png" and ct.pixels.shape == (8, 9)


def test_the_file_is_named_in_the_error(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    for function in (imaging.read, imaging.read_with_header):
        with pytest.raises(ImageError, match=r"^a\.dcm: expected"):
            function(tmp_path / "a.dcm")


def test_an_image_has_slice_0_only(tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    assert imaging.read(tmp_path / "a.png", slice_index=0).slice_count == 1
    with pytest.raises(ImageError, match="slice 0 of a png image, got 1"):
        imaging.read(tmp_path / "a.png", slice_index=1)


def test_whatever_a_parser_raises_becomes_one_sentence():
    with (
        pytest.raises(ImageError, match="damaged or incomplete") as error,
        wrap_parser_errors("tiff"),
    ):
        raise KeyError("SECRET")
    assert "SECRET" not in str(error.value) and isinstance(error.value.__cause__, KeyError)
