"""PNG, TIFF, BMP, JPEG, NIfTI and ZIP files: valid ones, then a few fields or bytes varied."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from functools import lru_cache

from hypothesis import strategies as st

from fuzz.codestreams import phantom_image
from fuzz.dicom_files import SYNTAXES, draw_patches, patch, valid_file

#: Formats of pictures, and the options of Pillow that they are written with.
_PICTURES: dict[str, tuple[dict[str, str], ...]] = {
    "png": ({},),
    "tiff": ({}, {"compression": "tiff_lzw"}, {"compression": "packbits"}, {"compression": "jpeg"}),
    "bmp": ({},),
    "jpeg": ({},),
}


@st.composite
def picture_files(draw: st.DrawFn) -> bytes:
    """Draw a picture; the checksums of a varied PNG are right again."""
    kind = draw(st.sampled_from(sorted(_PICTURES)))
    options = draw(st.integers(0, len(_PICTURES[kind]) - 1))
    samples = draw(st.sampled_from([1, 1, 3]))
    content = _encode_picture(kind, options, samples, draw(st.sampled_from([1, 7, 24])))
    if kind == "png":
        return _vary_png(content, draw(draw_patches(len(content))))
    return _cut(patch(content, draw(draw_patches(len(content)))), draw)


@lru_cache(maxsize=64)
def _encode_picture(kind: str, options: int, samples: int, side: int) -> bytes:
    from PIL import Image

    picture = Image.fromarray(phantom_image(side, side + 2, samples, 8).astype("uint8"))
    buffer = io.BytesIO()
    picture.save(buffer, kind, **_PICTURES[kind][options])
    return buffer.getvalue()


def _vary_png(content: bytes, patches: list[tuple[int, bytes]]) -> bytes:
    """Change the bodies of chunks and write their checksums anew."""
    varied, position, result = patch(content, patches), 8, content[:8]
    while position + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        body = varied[position + 4 : position + 8 + length]
        declared = varied[position : position + 4]
        result += declared + body + struct.pack(">I", zlib.crc32(body))
        position += 12 + length
    return result


def _cut(content: bytes, draw: st.DrawFn) -> bytes:
    """Return the content, one time in four without its end."""
    return content if draw(st.integers(0, 3)) else content[: draw(st.integers(0, len(content)))]


@st.composite
def nifti_files(draw: st.DrawFn) -> bytes:
    """Draw a NIfTI volume, plain or compressed, with fields of its header varied."""
    content = patch(_encode_nifti(draw(st.sampled_from([1, 3]))), draw(draw_patches(352)))
    content = _cut(content, draw)
    return gzip.compress(content, mtime=0) if draw(st.booleans()) else content


@lru_cache(maxsize=4)
def _encode_nifti(slices: int) -> bytes:
    import nibabel
    import numpy as np

    volume = np.stack([phantom_image(16, 12, 1, 12)] * slices, axis=-1).astype(np.int16)
    return bytes(nibabel.Nifti1Image(volume, np.eye(4)).to_bytes())


@st.composite
def zip_files(draw: st.DrawFn) -> bytes:
    """Draw an archive of slices, also within archives, with its directory varied."""
    content = valid_file(draw(st.sampled_from(sorted(SYNTAXES))))
    for _ in range(draw(st.sampled_from([1, 1, 2, 9]))):
        wrap = draw(st.sampled_from(["deflated", "stored", "lzma", "gzip"]))
        if wrap == "gzip":
            content = gzip.compress(content, mtime=0)
        else:
            content = _pack(
                content, wrap, draw(st.sampled_from(["a.dcm", "b/../../c", "d\x00e", ""]))
            )
    return _cut(patch(content, draw(draw_patches(len(content)))), draw)


def _pack(content: bytes, method: str, name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", getattr(zipfile, f"ZIP_{method.upper()}")) as archive:
        archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
        archive.writestr(
            zipfile.ZipInfo("z.png", (1980, 1, 1, 0, 0, 0)), _encode_picture("png", 0, 1, 7)
        )
    return buffer.getvalue()
