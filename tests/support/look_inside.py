"""Everything that can be read in a file: what containers pack, compress or encode is opened."""

import base64
import io
import json
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote_to_bytes

_BASE64 = re.compile(rb"base64,([A-Za-z0-9+/=\s]{24,})")


def look_inside(content: bytes, name: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield (where, bytes) of a file and of all that is packed in it."""
    yield name, content
    for opens, unpack in _CONTAINERS:
        if opens(content):
            for inner, inside in unpack(content):
                yield from look_inside(inside, f"{name}!{inner}")
    for number, found in enumerate(_BASE64.findall(content)):
        yield from look_inside(base64.b64decode(found + b"=="), f"{name}!base64-{number}")


def find_names(names: list[str], content: bytes, where: str) -> list[tuple[str, str]]:
    """Return (name, where) of every name that stands in a file, however it is written."""
    return [
        (name, place)
        for place, inside in look_inside(content, where)
        for name in names
        for text in [inside.lower(), unquote_to_bytes(inside).lower()]
        if any(spelling in text for spelling in _spell(name))
    ]


def read_tree(folder: Path, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return path and bytes of every file below a folder; paths are searched as well."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in without
    }


def _spell(name: str) -> set[bytes]:
    """Return a name as bytes in the encodings of files, in small letters."""
    spellings = set()
    for form in ("NFC", "NFD"):
        small = normalize(form, name).lower()
        spellings |= {small.encode(), small.encode("utf-16-le"), small.encode("utf-16-be")}
        spellings.add(json.dumps(normalize(form, name)).strip('"').lower().encode())
        spellings.add(small.encode("ascii", "xmlcharrefreplace"))
        spellings.add(small.replace("'", "&#x27;").replace(" ", "_").encode())
        spellings.add(small.replace(" ", "").encode())
    return spellings


def _unzip(content: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            yield name, name.encode() + b"\n" + archive.read(name)
        yield "comment", archive.comment


def _read_pdf(content: bytes) -> Iterator[tuple[str, bytes]]:
    import pypdf

    pdf = pypdf.PdfReader(io.BytesIO(content))
    yield "metadata", str(pdf.metadata).encode()
    for number, page in enumerate(pdf.pages):
        yield f"page {number}", re.sub(r"\s*\n\s*", " ", page.extract_text()).encode()
    for found in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        try:
            yield "stream", zlib.decompress(base64.a85decode(found.strip(), adobe=False))
        except (ValueError, zlib.error):
            continue


def _read_dicom(content: bytes) -> Iterator[tuple[str, bytes]]:
    import pydicom

    dataset = pydicom.dcmread(io.BytesIO(content))
    yield "elements", "\n".join(str(element) for element in dataset.iterall()).encode()


def _read_sqlite(content: bytes) -> Iterator[tuple[str, bytes]]:
    database = sqlite3.connect(":memory:")
    # Bytes 18 and 19 ask for a write-ahead log, which a database in memory cannot have.
    database.deserialize(content[:18] + b"\1\1" + content[20:])
    yield "rows", "\n".join(database.iterdump()).encode("utf-8", "surrogateescape")


def _read_picture(content: bytes) -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        yield "metadata", repr((image.info, dict(image.getexif()))).encode()


_CONTAINERS = (
    (lambda content: content[:4] == b"PK\3\4", _unzip),
    (lambda content: content[:5] == b"%PDF-", _read_pdf),
    (lambda content: content[128:132] == b"DICM", _read_dicom),
    (lambda content: content[:16] == b"SQLite format 3\0", _read_sqlite),
    (lambda content: content[:8] == b"\x89PNG\r\n\x1a\n", _read_picture),
    (lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP", _read_picture),
)
