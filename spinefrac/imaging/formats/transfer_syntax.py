"""How a DICOM file is encoded: what its transfer syntax says, and what its bytes say.

The two disagree in files that were converted by hand or anonymised badly. Where the bytes leave
no doubt, they count. Section numbers are those of the DICOM standard, PS3.5.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from spinefrac.errors import ImageError

# Transfer syntaxes (10 and A).
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
NATIVE = frozenset({IMPLICIT, EXPLICIT, BIG_ENDIAN})

RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"

#: JPEG Lossless (both): GDCM is the only decoder with a licence that fits, and can crash.
JPEG_LOSSLESS = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (57, 70))
#: JPEG-LS (both): CharLS reads more of them than GDCM, faster, and never ends the process.
JPEG_LS = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (80, 81))
_JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91))
#: Pillow reads both alike.
_JPEG_LOSSY = frozenset({JPEG_BASELINE, JPEG_EXTENDED})

#: Decoder of each compressed syntax. Pillow where it can: damaged files do not crash it.
DECODERS = {
    RLE: "pydicom",
    **dict.fromkeys(_JPEG_LOSSY | _JPEG_2000, "pillow"),
    **dict.fromkeys(JPEG_LOSSLESS, "gdcm"),
    **dict.fromkeys(JPEG_LS, "pyjpegls"),
}

#: Syntaxes by the marker of a JPEG's frame header (ITU-T T.81, B.1.1.3; T.87).
_FRAME_HEADERS = {
    0xC0: _JPEG_LOSSY, 0xC1: _JPEG_LOSSY, 0xC2: _JPEG_LOSSY, 0xC3: JPEG_LOSSLESS, 0xF7: JPEG_LS,
}  # fmt: skip

_VRS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR "
    b"US UT UV".split()
)
#: VRs whose elements have a length of 32 bits after two reserved bytes (7.1.2).
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())

_UNDEFINED_LENGTH = 0xFFFFFFFF
_ITEM = b"\xfe\xff\x00\xe0"
#: Where the frame header of a JPEG has to be found, in bytes: comments may precede it.
_MAX_PREFIX_BYTES = 128 * 1024


def detect_encoding(file: BinaryIO) -> str:
    """Detect how data elements are encoded by the first one, and leave the file at it.

    Returns
    -------
    str
        `IMPLICIT`, `EXPLICIT` or `BIG_ENDIAN`.

    Raises
    ------
    ImageError
        If the file ends here.
    """
    start = file.tell()
    head = file.read(8)
    file.seek(start)
    if len(head) < 8:
        raise ImageError("expected a DICOM data set, the file ends early; export it again")
    if head[4:6] not in _VRS:
        return IMPLICIT
    # Groups that begin a data set are small numbers.
    return EXPLICIT if struct.unpack("<H", head[:2])[0] < 0x0100 else BIG_ENDIAN


def skip_pixel_data_header(file: BinaryIO, *, little_endian: bool) -> tuple[int, str, int]:
    """Step over tag, VR and length of the pixel data element (7.1.2, 7.1.3).

    Returns
    -------
    tag : int
    vr : str
        ``OW`` where the element does not state it.
    length : int
        2³² - 1 where it is undefined, because the pixels are encapsulated.

    Raises
    ------
    ImageError
        If the file ends here.
    """
    endian = "<" if little_endian else ">"
    head = file.read(8)
    if len(head) < 8:
        raise ImageError("expected DICOM pixels, the file ends before them; export it again")
    group, element = struct.unpack(f"{endian}HH", head[:4])
    vr, length = "OW", head[4:]
    # No length of an implicit element reads as one of these VRs: it would be odd (7.1.1).
    if head[4:6] in _LONG_VRS:
        vr, length = head[4:6].decode("ascii"), file.read(4)
    if len(length) < 4:
        raise ImageError("expected DICOM pixels, the file ends before them; export it again")
    return group << 16 | element, vr, struct.unpack(f"{endian}I", length)[0]


def resolve_syntax(file: BinaryIO, stated: str, length: int, expected_bytes: int) -> str:
    """Return the transfer syntax that the pixels really have; leave the file where it is.

    Parameters
    ----------
    file : binary file
        At the value of the pixel data element.
    stated : str
        By the file meta information, corrected by `detect_encoding` where it is not compressed.
    length : int
        Of the element, as `skip_pixel_data_header` returns it.
    expected_bytes : int
        Of all frames by the header, uncompressed.

    Raises
    ------
    ImageError
        If the pixels are neither what is stated nor anything else that is certain.
    """
    if length != _UNDEFINED_LENGTH:
        if stated in NATIVE:
            return stated
        if expected_bytes <= length <= expected_bytes + 1:
            return EXPLICIT
        raise ImageError(
            "expected compressed pixels in fragments, as the transfer syntax says, got pixels that "
            "are neither that nor uncompressed; export it again"
        )
    start = file.tell()
    found = _detect_codestream(_read_fragment_start(file))
    file.seek(start)
    if not found:
        if stated not in NATIVE:
            return stated  # its decoder says what is wrong
        raise ImageError(
            "expected uncompressed pixels, as the transfer syntax says, got compressed ones of a "
            "kind that is not known; export it again"
        )
    return stated if stated in found else min(found)


def _read_fragment_start(file: BinaryIO) -> bytes:
    """Return the beginning of the first fragment, after the offset table (A.4)."""
    for _ in range(2):
        head = file.read(8)
        if head[:4] != _ITEM or len(head) < 8:
            return b""
        (length,) = struct.unpack("<I", head[4:])
        content = file.read(min(length, _MAX_PREFIX_BYTES))
        file.seek(length - len(content), 1)
    return content


def _detect_codestream(content: bytes) -> frozenset[str]:
    """Return the syntaxes of codestreams with these first bytes; none where they tell nothing."""
    if content.startswith((b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")):
        return _JPEG_2000
    if content.startswith(b"\xff\xd8"):
        return _detect_jpeg(content)
    if len(content) >= 64:  # G.5: number of segments, offset of the first
        segments, first = struct.unpack("<II", content[:8])
        if 1 <= segments <= 15 and first == 64:
            return frozenset({RLE})
    return frozenset()


def _detect_jpeg(content: bytes) -> frozenset[str]:
    """Return the syntaxes of a JPEG by the marker of its frame header (ITU-T T.81, B.2)."""
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker in _FRAME_HEADERS:
            return _FRAME_HEADERS[marker]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        position += 2 + struct.unpack(">H", content[position + 2 : position + 4])[0]
    return frozenset()
