"""A decoder that some bytes kill, for tests of what protects the others."""

from __future__ import annotations

import os
import signal
import time

from spinefrac.imaging import decoder
from spinefrac.imaging.decoder import (  # noqa: F401 - called in a worker
    inspect,
    list_members,
    prepare,
    read_bytes,
    unpack,
)
from spinefrac.imaging.sources import Source, open_source
from spinefrac.records import CtSlice

CRASH, HANG = b"BM crash", b"BM hang"


def read(source: Source, slice_index: int | None, axis: int) -> CtSlice:
    _die_of(source)
    return decoder.read(source, slice_index, axis)


def read_with_header(source: Source) -> decoder.SliceWithHeader:
    _die_of(source)
    return decoder.read_with_header(source)


def read_values(source: Source, keywords: tuple[str, ...]) -> decoder.HeaderValues:
    _die_of(source)
    return decoder.read_values(source, keywords)


def _die_of(source: Source) -> None:
    with open_source(source) as file:
        content = file.read()
    if content.startswith(CRASH):
        os.kill(os.getpid(), signal.SIGABRT)
    if content.startswith(HANG):
        time.sleep(600)
