"""Check a compressed DICOM frame before a native decoder sees it.

GDCM writes past its buffers, or ends the process, and CharLS takes minutes, when the codestream's
header disagrees with the DICOM header or with itself. A few comparisons here turn that into an
error.
Markers and limits are those of ITU-T T.81 (JPEG, ISO/IEC 10918-1) and T.87 (JPEG-LS,
ISO/IEC 14495-1).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from io import BytesIO

from spinefrac.errors import ImageError

_SOF_LOSSLESS, _SOF_LS = 0xC3, 0xF7
_DHT, _EOI, _SOS, _DRI, _LSE = 0xC4, 0xD9, 0xDA, 0xDD, 0xF8
#: Those before a scan; APPn and COM are skipped by every decoder.
_KNOWN_MARKERS = frozenset(
    {_SOF_LOSSLESS, _SOF_LS, _DHT, _SOS, _DRI, _LSE, *range(0xE0, 0xF0), 0xFE}
)

#: The body of an LSE segment of type 1 with defaults only.
_DEFAULT_PARAMETERS = b"\x01" + bytes(10)

#: Markers inside entropy-coded data other than stuffing and restarts: JPEG stuffs FF00,
#: JPEG-LS any FF followed by a zero bit.
_MARKER_JPEG = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_MARKER_LS = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """Size and depth of a frame by its DICOM header."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int


def check_lossless_frame(frame: bytes, frame_info: FrameInfo) -> bytes:
    """Refuse a JPEG Lossless or JPEG-LS frame that contradicts its DICOM header or itself.

    Scanners write numbers that mean nothing into the scan header of JPEG Lossless; in what is
    returned they are 0, as decoders expect.

    Parameters
    ----------
    frame : bytes
        One encapsulated frame, fragments joined.
    frame_info : FrameInfo

    Returns
    -------
    bytes
        The frame for its decoder.

    Raises
    ------
    ImageError
        If anything but the entropy-coded data itself is not as it has to be.
    """
    segments, data_start = _read_segments(frame)
    bodies: dict[int, list[bytes]] = {}
    for marker, body in segments:
        _require(marker in _KNOWN_MARKERS)
        bodies.setdefault(marker, []).append(body)
    frame_headers = [marker for marker, _ in segments if marker in (_SOF_LOSSLESS, _SOF_LS)]
    _require(len(frame_headers) == 1)
    (sof,) = frame_headers
    _check_frame_header(bodies[sof][0], frame_info)
    (scan,) = bodies[_SOS]
    restarts = set(bodies.get(_DRI, ())) - {b"\x00\x00"}
    if sof == _SOF_LS:
        _require(not restarts)
        _require(_DHT not in bodies)
        precision, near = bodies[sof][0][0], _check_jpeg_ls_scan(scan, frame_info)
        for body in bodies.get(_LSE, [_DEFAULT_PARAMETERS]):
            _check_preset_parameters(body, precision, near)
        end = _MARKER_LS.search(frame, data_start)
    else:
        _require(_LSE not in bodies)
        tables = set[int]().union(*map(_check_huffman, bodies.get(_DHT, ())))
        _check_lossless_scan(scan, bodies[sof][0][0], frame_info, tables)
        end = _MARKER_JPEG.search(frame, data_start)
        _check_restarts(frame, data_start, end, restarts, frame_info)
        frame = frame[: data_start - 2] + bytes([0, scan[-1] & 0x0F]) + frame[data_start:]
    _require(end is not None and frame[end.start() + 1] == _EOI)
    return frame


def _read_segments(frame: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Return marker and body of each segment up to the scan header, and where its data begins."""
    _require(frame[:2] == b"\xff\xd8")
    position, segments = 2, list[tuple[int, bytes]]()
    while not segments or segments[-1][0] != _SOS:
        _require(position + 4 <= len(frame) and frame[position] == 0xFF)
        marker = frame[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        (length,) = struct.unpack(">H", frame[position + 2 : position + 4])
        body = frame[position + 4 : position + 2 + length]
        _require(length >= 2 and len(body) == length - 2)
        position += 2 + length
        segments.append((marker, body))
    return segments, position


def check_frame_size(frame: bytes, frame_info: FrameInfo) -> None:
    """Refuse a JPEG or JPEG 2000 frame of another size than its DICOM header declares.

    The limits were checked on the header; a decoder would use the codestream.

    Parameters
    ----------
    frame : bytes
        One encapsulated frame, fragments joined.
    frame_info : FrameInfo

    Raises
    ------
    ImageError
        If the sizes differ. Damage raises whatever Pillow raises.
    """
    from PIL import Jpeg2KImagePlugin, JpegImagePlugin

    if frame.startswith(b"\xff\xd8"):
        reader: type[JpegImagePlugin.JpegImageFile | Jpeg2KImagePlugin.Jpeg2KImageFile]
        reader = JpegImagePlugin.JpegImageFile
    else:
        reader = Jpeg2KImagePlugin.Jpeg2KImageFile
    with reader(BytesIO(frame)) as image:
        _require(image.size == (frame_info.columns, frame_info.rows))
        _require(len(image.getbands()) == frame_info.samples)


def _check_frame_header(body: bytes, frame_info: FrameInfo) -> None:
    """SOF: precision, lines, samples a line, components with id, sampling, table (T.81 B.2.2)."""
    _require(len(body) == 6 + 3 * frame_info.samples)
    precision, rows, columns, components = struct.unpack(">BHHB", body[:6])
    _require((rows, columns) == (frame_info.rows, frame_info.columns))
    _require(components == frame_info.samples)
    _require(2 <= precision <= 16 and (8 if precision <= 8 else 16) == frame_info.bits_allocated)
    _require(1 <= frame_info.bits_stored <= frame_info.bits_allocated)
    _require(all(body[7 + 3 * i] == 0x11 for i in range(components)))
    _require(len({body[6 + 3 * i] for i in range(components)}) == components)


def _check_huffman(body: bytes) -> set[int]:
    """DHT: class and place, 16 counts, symbols; a lossless symbol is a bit count up to 16."""
    found = set[int]()
    while body:
        _require(len(body) >= 17 and body[0] < 4)
        counts = body[1:17]
        symbols = body[17 : 17 + sum(counts)]
        _require(0 < sum(counts) == len(symbols) <= 17 and max(symbols) <= 16)
        # A prefix code of these lengths has to exist (Kraft).
        _require(sum(n << (15 - i) for i, n in enumerate(counts)) <= 1 << 16)
        found.add(body[0])
        body = body[17 + len(symbols) :]
    return found


def _check_lossless_scan(
    body: bytes, precision: int, frame_info: FrameInfo, tables: set[int]
) -> None:
    """SOS: one interleaved scan of all components, their tables, and the predictor (T.81 H.1).

    Se and Ah, the last but one and the upper half of the last byte, belong to other processes.
    """
    count = frame_info.samples
    _require(len(body) == 4 + 2 * count and body[0] == count)
    predictor, point_transform = body[-3], body[-1] & 0x0F
    _require(1 <= predictor <= 7 and point_transform < precision)
    _require(all(body[2 + 2 * i] >> 4 in tables for i in range(count)))


def _check_restarts(
    frame: bytes,
    start: int,
    end: re.Match[bytes] | None,
    intervals: set[bytes],
    frame_info: FrameInfo,
) -> None:
    """DRI, RST: whole rows, and a marker after each interval but the last (T.81 E.1.4, H.1)."""
    data = frame[start : end.start() if end else len(frame)]
    expected = 0
    if intervals:
        _require(len(intervals) == 1)
        (body,) = intervals
        _require(len(body) == 2)
        (interval,) = struct.unpack(">H", body)
        _require(interval % frame_info.columns == 0)
        expected = -(-frame_info.rows * frame_info.columns // interval) - 1
    found = [marker[1] for marker in _RESTART.findall(data)]
    _require(found == [0xD0 + number % 8 for number in range(expected)])


def _check_jpeg_ls_scan(body: bytes, frame_info: FrameInfo) -> int:
    """SOS: one scan of all components, interleaved where there are several; return NEAR (C.2.3)."""
    count = frame_info.samples
    _require(len(body) == 4 + 2 * count and body[0] == count)
    near, interleave_mode, point_transform = body[-3:]
    _require(interleave_mode in ((0,) if count == 1 else (1, 2)) and point_transform == 0)
    _require(not any(body[2 + 2 * i] for i in range(count)))  # no mapping table
    return near


def _check_preset_parameters(body: bytes, precision: int, near: int) -> None:
    """LSE: MAXVAL, T1 to T3 and RESET within their limits (T.87 C.2.4.1.1); 0 is the default."""
    _require(len(body) == 11 and body[0] == 1)  # the others are mapping tables and large sizes
    largest, *thresholds, reset = struct.unpack(">5H", body[1:])
    largest = largest or (1 << precision) - 1
    _require(largest < 1 << precision and near <= min(255, largest // 2))
    lowest = near + 1
    for threshold in thresholds:
        _require(threshold == 0 or lowest <= threshold <= largest)
        lowest = max(lowest, threshold)
    _require(reset == 0 or 3 <= reset <= max(255, largest))


def _require(holds: bool) -> None:
    if not holds:
        raise ImageError(
            "expected a DICOM file whose compressed pixels agree with its header, got a damaged "
            "or unusual one; export it again, uncompressed if possible"
        )
