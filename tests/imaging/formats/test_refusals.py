"""What is not a slice is refused in one line, fast, and within 1 GB."""

import gzip
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spinefrac import imaging
from spinefrac.errors import ImageError


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(side: int) -> bytes:
    """A PNG of side × side black RGBA pixels of 16 bits, in a few hundred kilobytes."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0))
    packer = zlib.compressobj(9)
    row = bytes(1 + 8 * side)
    packed = b"".join(packer.compress(row) for _ in range(200)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")


def deflated_dicom(megabytes: int) -> bytes:
    """A DICOM in the deflated transfer syntax, its data set `megabytes` of zeros."""
    syntax = b"1.2.840.10008.1.2.1.99"
    element = struct.pack("<HH2sH", 2, 0x10, b"UI", len(syntax)) + syntax
    meta = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(element)) + element
    packer = zlib.compressobj(6, wbits=-15)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(megabytes)) + packer.flush()
    return bytes(128) + b"DICM" + meta + packed


def nifti_bomb(shape: tuple[int, int, int], megabytes: int) -> bytes:
    """A NIfTI that declares `shape` int16 voxels and holds `megabytes` of zeros, gzipped."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *shape, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\x00"
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1) as stream:
        stream.write(header)
        for _ in range(megabytes):
            stream.write(bytes(2**20))
    return buffer.getvalue()


#: A process starts with the peak of the one that it was forked from; a shell in between is small.
SMALL_PARENT = ("sh", "-c", '"$0" "$@"; exit $?')

CHILD = """
import resource, sys
from spinefrac import imaging
from spinefrac.errors import ImageError
try:
    imaging.read(sys.argv[1])
except ImageError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def read_in_child(path: Path) -> tuple[str, float]:
    """Return the message (or nothing) and the peak memory in megabytes."""
    done = subprocess.run(
        [*SMALL_PARENT, sys.executable, "-c", CHILD, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *message, peak = done.stdout.splitlines()
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return "\n".join(message), int(peak) / unit


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(lambda: png_bomb(30_000), "16 megapixels", id="png"),
        pytest.param(lambda: deflated_dicom(64), "deflated", id="dicom"),
        pytest.param(lambda: nifti_bomb((1000, 1000, 2000), 64), "512 MB", id="nifti"),
    ],
)
def test_bombs_are_refused_in_little_memory(tmp_path: Path, content, expected: str) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(content())
    assert path.stat().st_size < 2 * 2**20
    message, megabytes = read_in_child(path)
    assert expected in message and message.startswith("bomb: expected ") and "\n" not in message
    assert megabytes < 200


@pytest.mark.slow
def test_the_largest_allowed_picture_stays_under_1_gb(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("RGBA", (4000, 4000), (9, 9, 9, 255)).save(path, compress_level=1)
    message, megabytes = read_in_child(path)
    assert message == "" and megabytes < 1000


def test_a_long_nifti_is_read_a_plane_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "long.nii.gz"
    path.write_bytes(nifti_bomb((512, 512, 400), 201))
    message, megabytes = read_in_child(path)
    assert message == "" and megabytes < 200


def test_a_huge_file_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "huge.nii"
    with path.open("wb") as file:
        file.truncate(513 * 2**20)  # sparse
    with pytest.raises(ImageError, match=r"huge\.nii: expected a file of at most 512 MB"):
        imaging.read(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty file"),
        (b"path,label\na.png,1\n", "a text file"),
        ("Überschrift, kein Bild".encode(), "a text file"),
        (b"\n<!DOCTYPE html><html><body>login</body></html>", "an HTML page"),
        (b"PK\x03\x04" + bytes(100), "a ZIP archive"),
        (b"%PDF-1.7\n" + bytes(100), "a PDF"),
        (b"GIF89a" + bytes(100), "a GIF"),
        (gzip.compress(b"hello", mtime=0), "gzip"),
        (bytes(1000), "something else"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
    ],
)
def test_what_is_not_an_image_is_named(content: bytes, expected: str) -> None:
    for function in (imaging.read, imaging.read_with_header):
        with pytest.raises(ImageError, match=f"upload: expected .*{expected}") as caught:
            function(content, name="upload")
        assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="nothing there"):
        imaging.read(tmp_path / "none.png")
    with pytest.raises(ImageError, match="a folder"):
        imaging.read(tmp_path)


def test_a_truncated_picture_is_damaged() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    for kind in ("png", "jpeg", "tiff", "bmp"):
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, kind)
        with pytest.raises(ImageError, match=f"whole {kind} file"):
            imaging.read(buffer.getvalue()[: len(buffer.getvalue()) // 2])


def test_a_truncated_volume_is_damaged(shared_data: Path) -> None:
    content = (shared_data / "nifti/example_ct_sm.nii.gz").read_bytes()
    with pytest.raises(ImageError):
        imaging.read(content[: len(content) // 3], axis=0)


def test_a_nifti_slice_outside_the_volume() -> None:
    content = nifti_bomb((20, 21, 22), 1)
    with pytest.raises(ImageError, match="slice from 0 to 21, got 22"):
        imaging.read(content, slice_index=22)
    with pytest.raises(ImageError, match="axis 0, 1 or 2"):
        imaging.read(content, axis=3)
