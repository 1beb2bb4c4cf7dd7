"""Whatever bytes come, only `ImageError` goes out."""

import io
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from spinefrac import imaging
from spinefrac.errors import ImageError

# The same examples in every run: a rare find here must not stop somebody else's work.
COMMON = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

STARTS = [
    b"",
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    b"\xff\xd8\xff\xe0",
    b"II*\x00\x08\x00\x00\x00",
    b"BM",
    bytes(128) + b"DICM",
    b"\x08\x00\x05\x00CS\x0a\x00",
    b"\x1f\x8b\x08\x00",
    bytes(344) + b"n+1\x00",
]


def only_image_error(content: bytes) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for function in (imaging.read, imaging.read_with_header):
            try:
                function(content)
            except ImageError as error:
                assert "\n" not in str(error) and "Secret" not in str(error)
    # The name in the header of the DICOM files here.
    assert not [w for w in warned if "Secret" in str(w.message)]


@pytest.mark.parametrize(
    "start", STARTS, ids=["nothing", "png", "jpeg", "tiff", "bmp", "dicom", "bare", "gzip", "nifti"]
)
@settings(COMMON, max_examples=40)
@given(rest=st.binary(max_size=600))
def test_random_bytes(start: bytes, rest: bytes) -> None:
    only_image_error(start + rest)


@pytest.fixture(scope="session")
def whole_files(
    make_dicom: Callable, compress: Callable, stored_values: np.ndarray
) -> dict[str, bytes]:
    import nibabel

    native = make_dicom(stored_values)
    files = {
        name: compress(native, name)
        for name in ("RLELossless", "JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless")
    }
    files["native"] = native
    volume = nibabel.Nifti1Image(stored_values.astype(np.int16)[..., None] - 1024, np.eye(4))
    files["nifti"] = volume.to_bytes()
    picture = Image.fromarray((stored_values // 8).astype(np.uint8))
    for kind in ("png", "jpeg", "tiff", "bmp"):
        buffer = io.BytesIO()
        picture.save(buffer, kind, **({"compression": "tiff_lzw"} if kind == "tiff" else {}))
        files[kind] = buffer.getvalue()
    return files


@pytest.mark.parametrize(
    "name",
    [
        "native",
        "RLELossless",
        "JPEGLosslessProcess14_1",
        "JPEGLSLossless",
        "JPEG2000Lossless",
        "nifti",
        "png",
        "jpeg",
        "tiff",
        "bmp",
    ],
)
@COMMON
@given(data=st.data())
def test_mutated_files(whole_files: dict[str, bytes], name: str, data: st.DataObject) -> None:
    content = bytearray(whole_files[name])
    places = st.integers(0, len(content) - 1) | st.integers(0, min(700, len(content) - 1))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        content[place] = value
    cut = data.draw(st.none() | st.integers(0, len(content)))
    only_image_error(bytes(content[:cut]))
