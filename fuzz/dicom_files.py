"""DICOM files of every transfer syntax: valid ones, then header and codestream varied together.

Most of what is drawn is right, so that what is wrong gets as far as a decoder. A varied codestream
is followed by the header in most draws: a contradiction of the two would be refused at once.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as st

from fuzz.codestreams import Segment, encode, join, phantom_image, split

_UID = "1.2.840.10008.1.2"

#: Transfer syntaxes that are read, and the kind of their codestreams (empty: uncompressed).
SYNTAXES = {
    _UID: "",  # Implicit VR Little Endian
    f"{_UID}.1": "",  # Explicit VR Little Endian
    f"{_UID}.1.99": "",  # Deflated Explicit VR Little Endian
    f"{_UID}.2": "",  # Explicit VR Big Endian
    f"{_UID}.5": "rle",
    f"{_UID}.4.50": "jpeg",
    f"{_UID}.4.51": "jpeg",
    f"{_UID}.4.57": "jpeg-lossless",
    f"{_UID}.4.70": "jpeg-lossless",
    f"{_UID}.4.80": "jpeg-ls",
    f"{_UID}.4.81": "jpeg-ls",
    f"{_UID}.4.90": "jpeg-2000",
    f"{_UID}.4.91": "jpeg-2000",
}
_DEFLATED, _BIG_ENDIAN = f"{_UID}.1.99", f"{_UID}.2"

#: Values at the edges of fields of one, two and four bytes.
_BYTES = st.sampled_from([0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 64, 127, 128, 254, 255])
_WORDS = st.sampled_from(
    [0, 1, 2, 3, 7, 8, 15, 16, 63, 64, 65, 127, 128, 255, 256, 4095, 4096, 32767, 32768, 65535]
) | st.integers(0, 65535)
_LONGS = st.sampled_from([0, 1, 2, 255, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1])

#: Marker segments that a decoder meets seldom: LSE, DNL, DRI, DHP, comments, ones of no meaning.
_RARE_MARKERS = (0xF8, 0xDC, 0xDD, 0xDE, 0xFE, 0xE0, 0xEE, 0xC4, 0xDB, 0xCC, 0xF0, 0x52, 0x5C, 0x55)


@dataclass(frozen=True, slots=True)
class Header:
    """The elements of a data set that pixels depend on, and how they are written."""

    syntax: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    frames: int = 1
    signed: int = 0
    photometric: str = "MONOCHROME2"
    planar: int = 0
    more: tuple[tuple[int, bytes, bytes], ...] = field(default=())


@st.composite
def dicom_files(draw: st.DrawFn, syntax: str | None = None) -> bytes:
    """Draw a DICOM file of a transfer syntax, by default of any."""
    header = draw(_headers(syntax or draw(st.sampled_from(sorted(SYNTAXES)))))
    kind = SYNTAXES[header.syntax]
    if not kind:
        pixels = _native_pixels(header)
        return write(draw(_varied(header)), draw(_cut(pixels)))
    option = draw(st.integers(0, 6))
    frame = encode(kind, header.rows, header.columns, header.samples, header.bits_stored, option)
    wanted = header
    if draw(st.integers(0, 9)):
        frame, wanted = draw(_varied_frames(kind, frame, header))
    return write(draw(_varied(wanted)), *draw(_encapsulations(frame, wanted)))


def valid_file(syntax: str, rows: int = 12, columns: int = 10, bits: int = 12) -> bytes:
    """Return a file with nothing wrong, for the test that these are read."""
    kind = SYNTAXES[syntax]
    bits = 8 if kind == "jpeg" else bits
    allocated = 8 if bits <= 8 else 16
    header = Header(syntax, rows, columns, 1, allocated, bits)
    if not kind:
        return write(header, _native_pixels(header))
    return write(header, encapsulate([encode(kind, rows, columns, 1, bits, 0)]))


# --- header ------------------------------------------------------------------------------------


@st.composite
def _headers(draw: st.DrawFn, syntax: str) -> Header:
    """Draw a header that is right."""
    kind = SYNTAXES[syntax]
    samples = draw(st.sampled_from([1, 1, 1, 3]))
    bits = 8 if kind == "jpeg" else draw(st.sampled_from([8, 12, 16, 2, 5, 7, 9, 10, 15]))
    if kind == "jpeg-2000":
        bits = 8 if samples == 3 or bits <= 8 else 16
    # CharLS has no room for what it writes of the smallest.
    sides = st.sampled_from([8, 16, 17, 24] if kind == "jpeg-ls" else [1, 2, 3, 8, 16, 17, 24])
    return Header(
        syntax=syntax,
        rows=draw(sides),
        columns=draw(sides),
        samples=samples,
        bits_allocated=8 if bits <= 8 else 16,
        bits_stored=bits,
        frames=draw(st.sampled_from([1, 1, 1, 2, 3])),
        signed=draw(st.sampled_from([0, 0, 1])),
        photometric="MONOCHROME2" if samples == 1 else draw(st.sampled_from(["RGB", "YBR_FULL"])),
    )


@st.composite
def _varied(draw: st.DrawFn, header: Header) -> Header:
    """Draw a header with some elements changed; two in three times with none."""
    if draw(st.integers(0, 2)):
        return header
    changes = st.fixed_dictionaries(
        {},
        optional={
            "rows": _WORDS,
            "columns": _WORDS,
            "samples": st.sampled_from([0, 1, 2, 3, 4]),
            "bits_allocated": st.sampled_from([0, 1, 8, 12, 16, 32, 64]),
            "bits_stored": _BYTES,
            "frames": st.sampled_from([0, 1, 2, 3, 9, 65535, 10**9, -1]),
            "signed": st.sampled_from([0, 1, 2]),
            "planar": st.sampled_from([0, 1, 2]),
            "photometric": st.sampled_from(
                ["MONOCHROME1", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT",
                 "YBR_PARTIAL_420", "PALETTE COLOR", "ARGB", "CMYK", ""]
            ),
        },
    )  # fmt: skip
    changed = draw(changes)
    kept = sorted(changed)[: draw(st.integers(1, 2))]
    return replace(header, **{name: changed[name] for name in kept}, more=draw(_extra_elements()))


def _extra_elements() -> st.SearchStrategy[tuple[tuple[int, bytes, bytes], ...]]:
    """Draw further elements: palettes, padding, windows, functional groups, offset tables."""
    words = st.lists(_WORDS, max_size=4).map(
        lambda values: struct.pack(f"<{len(values)}H", *values)
    )
    text = st.text(st.sampled_from("0123456789.-+eE\\ ,nai"), max_size=12).map(str.encode)
    element = st.one_of(
        st.tuples(st.sampled_from([0x00281101, 0x00280120, 0x00280121]), st.just(b"US"), words),
        st.tuples(st.sampled_from([0x00281201, 0x00281202, 0x00281203]), st.just(b"OW"), words),
        st.tuples(
            st.sampled_from([0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00280030]),
            st.just(b"DS"),
            text,
        ),
        st.tuples(st.sampled_from([0x52009229, 0x52009230]), st.just(b"SQ"), _items()),
    )
    return st.lists(element, max_size=2).map(tuple)


def _items() -> st.SearchStrategy[bytes]:
    """Draw the items of a sequence, nested up to 200 deep."""

    def nest(depth: int) -> bytes:
        content = b""
        for _ in range(depth):
            inner = _element(0x52009229, b"SQ", content, "<", implicit=False)
            content = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
        return content

    return st.sampled_from([0, 1, 3, 200]).map(nest) | st.binary(max_size=24)


# --- pixels ------------------------------------------------------------------------------------


def _native_pixels(header: Header) -> bytes:
    image = phantom_image(header.rows, header.columns, header.samples, header.bits_stored)
    order = ">" if header.syntax == _BIG_ENDIAN else "<"
    stored = image.astype(np.uint8 if header.bits_allocated == 8 else f"{order}u2")
    return stored.tobytes() * header.frames


@st.composite
def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw the content, whole as a rule, else without its end or with more."""
    if draw(st.integers(0, 4)):
        return content
    return content[: draw(st.integers(0, len(content)))] + draw(st.binary(max_size=8))


@st.composite
def _varied_frames(
    draw: st.DrawFn, kind: str, frame: bytes, header: Header
) -> tuple[bytes, Header]:
    """Draw a varied codestream, and the header that follows it (or, seldom, does not)."""
    if kind == "rle":
        return patch(frame, draw(draw_patches(64 + 8))), header
    segments = split(frame)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        segments = draw(_varied_segments(segments))
    wanted = _follow(segments, header) if draw(st.integers(0, 5)) else header
    return join(segments), wanted


@st.composite
def _varied_segments(draw: st.DrawFn, segments: list[Segment]) -> list[Segment]:
    """Draw one change of a list of segments."""
    place = draw(st.integers(0, len(segments) - 1))
    one = segments[place]
    change = draw(st.sampled_from(["field", "field", "field", "data", "data", "insert", "order"]))
    if change == "insert":
        new = Segment(draw(st.sampled_from(_RARE_MARKERS)), draw(_rare_bodies()))
        return [*segments[:place], new, *segments[place:]]
    if change == "order":
        other = draw(st.integers(0, len(segments)))
        return (
            [*segments[:place], *segments[place + 1 :]][:other]
            + draw(st.sampled_from([[], [one], [one, one]]))
            + [*segments[:place], *segments[place + 1 :]][other:]
        )
    if change == "data" and any(entry.data for entry in segments):
        place = next(i for i, entry in enumerate(segments) if entry.data)
        return _replace(segments, place, data=draw(_varied_data(segments[place].data)))
    if one.body is None:
        return segments
    return _replace(segments, place, body=patch(one.body, draw(draw_patches(len(one.body)))))


def _replace(segments: list[Segment], place: int, **changes: bytes) -> list[Segment]:
    changed = replace(segments[place], **changes)  # type: ignore[arg-type]
    return [*segments[:place], changed, *segments[place + 1 :]]


@st.composite
def _rare_bodies(draw: st.DrawFn) -> bytes:
    """Draw the body of a rare segment: preset parameters of JPEG-LS in one of two draws."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=20))
    values = [draw(_WORDS) for _ in range(5)]
    if draw(st.booleans()):  # MAXVAL, three rising thresholds, RESET (T.87 C.2.4.1.1)
        values[1:4] = sorted(values[1:4])
    return bytes((draw(st.sampled_from([1, 1, 1, 2, 3, 4, 0, 255])),)) + struct.pack(">5H", *values)


@st.composite
def draw_patches(draw: st.DrawFn, length: int) -> list[tuple[int, bytes]]:
    """Draw changes of bytes, words and longs in the first `length` bytes."""
    values = st.one_of(
        _BYTES.map(lambda value: struct.pack(">B", value)),
        _WORDS.map(lambda value: struct.pack(">H", value)),
        _LONGS.map(lambda value: struct.pack(">I", value)),
        _LONGS.map(lambda value: struct.pack("<I", value)),
    )
    place = st.integers(0, max(0, length - 1))
    return draw(st.lists(st.tuples(place, values), min_size=1, max_size=3))


def patch(content: bytes, patches: list[tuple[int, bytes]]) -> bytes:
    changed = bytearray(content)
    for place, value in patches:
        end = min(len(changed), place + len(value))
        changed[place:end] = value[: end - place]
    return bytes(changed)


@st.composite
def _varied_data(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw entropy-coded data: without its end, changed, random, or with markers within."""
    how = draw(st.sampled_from(["cut", "patch", "random", "fill", "marker"]))
    if how == "cut":
        return data[: draw(st.integers(0, len(data)))]
    if how == "random":
        return draw(st.binary(max_size=2 * len(data)))
    if how == "fill":
        return bytes((draw(st.sampled_from([0x00, 0x7F, 0x80, 0xFE])),)) * len(data)
    place = draw(st.integers(0, len(data)))
    if how == "marker":
        marker = draw(st.sampled_from([0xD0, 0xD7, 0xD9, 0xDA, 0x7F, 0x80, 0x00, 0xFF, 0xC4]))
        return data[:place] + bytes((0xFF, marker)) + data[place:]
    return patch(data, draw(draw_patches(len(data))))


def _follow(segments: list[Segment], header: Header) -> Header:
    """Return the header that agrees with the frame header (SOF, SIZ) of varied segments."""
    for segment in segments:
        body = segment.body or b""
        if segment.marker in (0xC0, 0xC1, 0xC2, 0xC3, 0xF7) and len(body) >= 6:
            bits, rows, columns, samples = struct.unpack(">BHHB", body[:6])
        elif segment.marker == 0x51 and len(body) >= 38:
            right, bottom, left, top = struct.unpack(">4I", body[2:18])
            rows, columns = (bottom - top) & 0xFFFF, (right - left) & 0xFFFF
            samples, bits = body[35], (body[36] & 0x7F) + 1
        else:
            continue
        return replace(
            header,
            rows=rows,
            columns=columns,
            samples=samples,
            bits_stored=bits,
            bits_allocated=8 if bits <= 8 else 16,
        )
    return header


# --- encapsulation (PS3.5, A.4) ----------------------------------------------------------------


@st.composite
def _encapsulations(draw: st.DrawFn, frame: bytes, header: Header) -> tuple[bytes, bytes, bytes]:
    """Draw the pixel data of one or several frames, with the tables of an extended offset table.

    Returns
    -------
    pixels, extended_offsets, extended_lengths : bytes
        The tables empty in most draws.
    """
    frames = [frame] * max(1, min(3, header.frames))
    fragments = draw(st.sampled_from([1, 1, 1, 2, 3]))
    tables = draw(st.sampled_from(["none"] * 4 + ["basic", "basic wrong", "extended", "ext wrong"]))
    offsets, items = _offsets(frames, fragments)
    basic = offsets if tables.startswith("basic") else []
    if tables == "basic wrong":
        basic = draw(st.lists(_LONGS | st.integers(0, len(frame)), max_size=4))
    extended, lengths = b"", b""
    if tables.startswith("ext"):
        extended = struct.pack(f"<{len(offsets)}Q", *offsets)
        lengths = struct.pack(f"<{len(offsets)}Q", *[len(one) + len(one) % 2 for one in frames])
    if tables == "ext wrong":
        extended = patch(extended, draw(draw_patches(len(extended))))
        lengths = patch(lengths, draw(draw_patches(len(lengths))))
    table = struct.pack("<HHI", 0xFFFE, 0xE000, 4 * len(basic)) + struct.pack(
        f"<{len(basic)}I", *basic
    )
    end = draw(st.sampled_from([_SEQUENCE_END] * 9 + [b""]))
    content = table + b"".join(items) + end
    if not draw(st.integers(0, 9)):
        content = patch(content, draw(draw_patches(16)))
    return content, extended, lengths


_SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def encapsulate(frames: list[bytes]) -> bytes:
    """Return frames as items behind an empty basic offset table."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, 0) + b"".join(_offsets(frames, 1)[1]) + _SEQUENCE_END


def _offsets(frames: list[bytes], fragments: int) -> tuple[list[int], list[bytes]]:
    """Return where each frame begins, and the items: `fragments` a frame."""
    offsets, items = [], list[bytes]()
    for frame in frames:
        offsets.append(sum(map(len, items)))
        padded = frame + b"\x00" * (len(frame) % 2)
        step = max(2, -(-len(padded) // fragments) + 1 & ~1)
        for start in range(0, max(1, len(padded)), step):
            piece = padded[start : start + step]
            items.append(struct.pack("<HHI", 0xFFFE, 0xE000, len(piece)) + piece)
    return offsets, items


# --- file --------------------------------------------------------------------------------------


def write(header: Header, pixels: bytes, offsets: bytes = b"", lengths: bytes = b"") -> bytes:
    """Return the bytes of a file: PS3.10, 7.1, in the header's own transfer syntax."""
    order = ">" if header.syntax == _BIG_ENDIAN else "<"
    implicit = header.syntax == _UID

    def us(value: int) -> bytes:
        return struct.pack(f"{order}H", value & 0xFFFF)

    elements: list[tuple[int, bytes, bytes]] = [
        (0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
        (0x00080060, b"CS", b"CT"),
        (0x00280002, b"US", us(header.samples)),
        (0x00280004, b"CS", header.photometric.encode()),
        (0x00280006, b"US", us(header.planar)),
        (0x00280008, b"IS", str(header.frames).encode()),
        (0x00280010, b"US", us(header.rows)),
        (0x00280011, b"US", us(header.columns)),
        (0x00280100, b"US", us(header.bits_allocated)),
        (0x00280101, b"US", us(header.bits_stored)),
        (0x00280102, b"US", us(header.bits_stored - 1)),
        (0x00280103, b"US", us(header.signed)),
        (0x00281052, b"DS", b"-1024"),
        (0x00281053, b"DS", b"1"),
        *header.more,
    ]
    if offsets:
        elements += [(0x7FE00001, b"OV", offsets), (0x7FE00002, b"OV", lengths)]
    body = b"".join(
        _element(tag, vr, value, order, implicit=implicit)
        for tag, vr, value in sorted(elements, key=lambda element: element[0])
    )
    body += _pixel_element(header, pixels, order, implicit=implicit)
    if header.syntax == _DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        body = deflater.compress(body) + deflater.flush()
    meta = _element(0x00020010, b"UI", header.syntax.encode(), "<", implicit=False)
    length = _element(0x00020000, b"UL", struct.pack("<I", len(meta)), "<", implicit=False)
    return bytes(128) + b"DICM" + length + meta + body


_LONG_VRS = frozenset({b"OB", b"OW", b"OV", b"SQ", b"UN"})


def _element(tag: int, vr: bytes, value: bytes, order: str, *, implicit: bool) -> bytes:
    """Return one element, PS3.5, 7.1."""
    value += (b"\0" if vr in (b"UI", b"OB", b"OW") else b" ") * (len(value) % 2)
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return head + struct.pack(f"{order}I", len(value)) + value
    if vr in _LONG_VRS:
        return head + vr + b"\0\0" + struct.pack(f"{order}I", len(value)) + value
    return head + vr + struct.pack(f"{order}H", len(value)) + value


def _pixel_element(header: Header, pixels: bytes, order: str, *, implicit: bool) -> bytes:
    if not SYNTAXES[header.syntax]:
        vr = b"OW" if header.bits_allocated > 8 else b"OB"
        return _element(0x7FE00010, vr, pixels, order, implicit=implicit)
    return struct.pack("<HH", 0x7FE0, 0x0010) + b"OB\0\0" + b"\xff\xff\xff\xff" + pixels
