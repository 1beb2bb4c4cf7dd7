"""Valid codestreams of every compressed transfer syntax, from a small phantom, and their segments.

The encoders are those of the libraries that the tests have anyway; JPEG Lossless, which none of
them writes with every predictor and precision, is encoded here. Segments are those of ITU-T T.81
(JPEG), T.87 (JPEG-LS) and T.800 (JPEG 2000): a marker, and where it has one a body with its length.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint16]

#: Markers without a body (T.81 table B.1, T.800 table A.1).
_BARE_MARKERS = frozenset({0xD8, 0xD9, 0x4F, 0x93})
#: Markers after whose segment the entropy-coded data begins: SOS, and SOD of JPEG 2000.
_DATA_FOLLOWS = frozenset({0xDA, 0x93})


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment: `data` is the entropy-coded data that follows it."""

    marker: int
    body: bytes | None = None
    data: bytes = b""

    def to_bytes(self) -> bytes:
        """Return the segment as it stands in a codestream."""
        head = bytes((0xFF, self.marker))
        if self.body is not None:
            head += struct.pack(">H", (len(self.body) + 2) & 0xFFFF) + self.body
        return head + self.data


@lru_cache(maxsize=256)
def phantom_image(rows: int, columns: int, samples: int, bits: int) -> Image:
    """Return a disc with a bright ring and some texture, shape (rows, columns[, samples])."""
    y, x = np.mgrid[:rows, :columns]
    radius = np.hypot(y - rows / 2, x - columns / 2) / max(rows, columns)
    values = np.where(radius < 0.4, 0.5, 0.02) + np.where(abs(radius - 0.25) < 0.05, 0.4, 0)
    image = (values * (2**bits - 1)).astype(np.uint16) + ((7 * y + 3 * x) % 5).astype(np.uint16)
    image = np.minimum(image, 2**bits - 1).astype(np.uint16)
    return image if samples == 1 else np.stack([image, image // 2, image], axis=-1)


@lru_cache(maxsize=256)
def encode(kind: str, rows: int, columns: int, samples: int, bits: int, option: int) -> bytes:
    """Return the codestream of a phantom.

    Parameters
    ----------
    kind : str
        A key of `ENCODERS`.
    rows, columns, samples : int
    bits : int
        Precision, 2 to 16; where the kind takes 8 only, 8 is used.
    option : int
        What else the kind has: predictor of JPEG Lossless (1 to 7), NEAR of JPEG-LS, and others.
    """
    return ENCODERS[kind](phantom_image(rows, columns, samples, bits), bits, option)


def _encode_jpeg_ls(image: Image, bits: int, option: int) -> bytes:
    import jpeg_ls

    rows, columns, samples = *image.shape[:2], image[0, 0].size
    stored = image.astype(np.uint8 if bits <= 8 else "<u2")
    mode = 0 if samples == 1 else 2
    near = min(option, 2 ** (bits - 1) - 1, 255)
    return bytes(jpeg_ls.encode_buffer(stored.tobytes(), rows, columns, samples, bits, near, mode))


def _encode_jpeg(image: Image, bits: int, option: int) -> bytes:
    from PIL import Image as Pillow

    grey = (image >> max(0, bits - 8)).astype(np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(grey).save(buffer, "jpeg", quality=80, progressive=option % 3 == 2)
    return buffer.getvalue()


def _encode_jpeg_2000(image: Image, bits: int, option: int) -> bytes:
    from PIL import Image as Pillow

    stored = image if bits > 8 and image.ndim == 2 else (image >> max(0, bits - 8)).astype(np.uint8)
    buffer = io.BytesIO()
    picture = Pillow.fromarray(stored)
    picture.save(buffer, "jpeg2000", no_jp2=True, irreversible=bool(option % 2))
    return buffer.getvalue()


def _encode_rle(image: Image, bits: int, option: int) -> bytes:
    """Return a frame of PS3.5, annex G: a header of offsets, a segment a byte of a sample."""
    stored = image.astype(">u2") if bits > 8 else image.astype(np.uint8)
    planes = stored.view(np.uint8).reshape(image.shape[0] * image.shape[1], -1).T
    segments = [_pack_bits(plane.tobytes()) for plane in planes]
    offsets = [64 + sum(map(len, segments[:i])) for i in range(len(segments))]
    header = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments)))
    return header + b"".join(segments)


def _pack_bits(content: bytes) -> bytes:
    """Return literal runs of PackBits, padded to an even length."""
    runs = [content[i : i + 128] for i in range(0, len(content), 128)]
    packed = b"".join(bytes((len(run) - 1,)) + run for run in runs)
    return packed + b"\x80" * (len(packed) % 2)


def _encode_jpeg_lossless(image: Image, bits: int, option: int) -> bytes:
    """Encode by T.81, annex H, with one Huffman table of 17 codes of five bits."""
    rows, columns = image.shape[:2]
    samples = image[0, 0].size
    predictor = 1 + option % 7
    planes = image.reshape(rows, columns, samples).astype(np.int64)
    frame = struct.pack(">BHHB", bits, rows, columns, samples)
    frame += b"".join(bytes((1 + i, 0x11, 0)) for i in range(samples))
    scan = bytes((samples, *(v for i in range(samples) for v in (1 + i, 0)), predictor, 0, 0))
    table = bytes((0, 0, 0, 0, 0, 17, *[0] * 11, *range(17)))
    return join(
        (
            Segment(0xD8),
            Segment(0xC3, frame),
            Segment(0xC4, table),
            Segment(0xDA, scan, _entropy_code(planes, predictor, bits)),
            Segment(0xD9),
        )
    )


def _entropy_code(planes: npt.NDArray[np.int64], predictor: int, bits: int) -> bytes:
    """Code the differences from their prediction, sample after sample (T.81 H.1.2)."""
    left = np.roll(planes, 1, axis=1)
    above = np.roll(planes, 1, axis=0)
    corner = np.roll(above, 1, axis=1)
    predictions = (
        left, above, corner, left + above - corner,
        left + ((above - corner) >> 1), above + ((left - corner) >> 1), (left + above) >> 1,
    )  # fmt: skip
    predicted = predictions[predictor - 1].copy()
    predicted[0, :] = left[0, :]  # the first line is predicted from the left,
    predicted[:, 0] = above[:, 0]  # the first column from above,
    predicted[0, 0] = 1 << (bits - 1)  # and the first sample from the middle of the range
    differences = ((planes - predicted + 32767) % 65536 - 32767).ravel().tolist()
    text = "".join(map(_code_difference, differences))
    text += "1" * (-len(text) % 8)
    content = int(text, 2).to_bytes(len(text) // 8, "big")
    return content.replace(b"\xff", b"\xff\x00")


def _code_difference(difference: int) -> str:
    category = abs(difference).bit_length()
    code = f"{category:05b}"
    if category in (0, 16):
        return code[-5:]
    value = difference if difference > 0 else difference + (1 << category) - 1
    return f"{code}{value:0{category}b}"


#: Encoder of each kind: image, precision and option to the bytes of one frame.
ENCODERS = {
    "jpeg": _encode_jpeg,
    "jpeg-lossless": _encode_jpeg_lossless,
    "jpeg-ls": _encode_jpeg_ls,
    "jpeg-2000": _encode_jpeg_2000,
    "rle": _encode_rle,
}


def split(codestream: bytes) -> list[Segment]:
    """Divide a valid codestream into its segments; `join` puts them together again."""
    return list(_iterate_segments(codestream))


def _iterate_segments(codestream: bytes) -> Iterator[Segment]:
    position = 0
    while position < len(codestream):
        marker = codestream[position + 1]
        position += 2
        body = None
        if marker not in _BARE_MARKERS:
            (length,) = struct.unpack_from(">H", codestream, position)
            body = codestream[position + 2 : position + length]
            position += length
        end = _find_data_end(codestream, position) if marker in _DATA_FOLLOWS else position
        yield Segment(marker, body, codestream[position:end])
        position = end


def _find_data_end(codestream: bytes, start: int) -> int:
    """Return where the next segment begins: a table or scan, a tile-part, or the end."""
    ends = [codestream.rfind(b"\xff\xd9")]
    for marker in (b"\xff\xc4", b"\xff\xda", b"\xff\x90"):
        found = codestream.find(marker, start)
        ends.append(found if found >= 0 else len(codestream))
    return min(end for end in ends if end >= start)


def join(segments: Sequence[Segment]) -> bytes:
    """Return the codestream of segments."""
    return b"".join(segment.to_bytes() for segment in segments)
