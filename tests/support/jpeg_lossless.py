"""A small encoder of JPEG Lossless (ITU-T T.81, annex H), with the liberties that scanners take."""

import struct

import numpy as np


def encode(
    values: np.ndarray,
    *,
    precision: int = 16,
    interval_rows: int = 0,
    end: int = 0,
    high: int = 0,
    shift: int = 0,
) -> bytes:
    """Return unsigned values (H, W) as JPEG Lossless, first-order prediction.

    `interval_rows` is the restart interval in rows, 0 for none; `end` and `high` are Se and Ah of
    the scan header, which mean nothing here and should be 0; `shift` is the point transform: so
    many low bits are left out.
    """
    rows, columns = values.shape
    # Codes of five bits for all 17 categories.
    table = bytes([0x00, 0, 0, 0, 0, 17, *([0] * 11), *range(17)])
    frame_header = struct.pack(">BHHB", precision, rows, columns, 1) + bytes([1, 0x11, 0])
    parts = [b"\xff\xd8", _segment(0xC4, table), _segment(0xC3, frame_header)]
    if interval_rows:
        parts.append(_segment(0xDD, struct.pack(">H", interval_rows * columns)))
    parts.append(_segment(0xDA, bytes([1, 1, 0x00, 1, end, high << 4 | shift])))
    step = interval_rows or rows
    for number, start in enumerate(range(0, rows, step)):
        if number:
            parts.append(bytes([0xFF, 0xD0 + (number - 1) % 8]))
        parts.append(
            _encode_rows(values[start : start + step].astype(np.int64) >> shift, precision - shift)
        )
    return b"".join([*parts, b"\xff\xd9"])


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _encode_rows(block: np.ndarray, precision: int) -> bytes:
    """Return the differences of rows that begin anew, coded, stuffed and padded (H.1.2, F.1)."""
    predicted = np.empty_like(block)
    predicted[:, 1:] = block[:, :-1]
    predicted[1:, 0] = block[:-1, 0]
    predicted[0, 0] = 1 << (precision - 1)
    bits = []
    for difference in (block - predicted).ravel().tolist():
        difference = (difference + 32768) % 65536 - 32768
        category = abs(difference).bit_length()
        bits.append(f"{category:05b}")
        if 0 < category < 16:
            extra = difference if difference > 0 else difference + (1 << category) - 1
            bits.append(f"{extra:0{category}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
