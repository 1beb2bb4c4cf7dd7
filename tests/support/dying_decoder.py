"""A decoder that some bytes kill, for tests of what protects the others."""

from __future__ import annotations

import os
import signal
import time

from spinefrac.imaging import decoder
from spinefrac.imaging.decoder import prepare  # noqa: F401 - of a worker
from spinefrac.imaging.sources import Source
from spinefrac.records import CtSlice

CRASH, HANG = b"BM crash", b"BM hang"


def read(source: Source, slice_index: int | None, axis: int) -> CtSlice:
    if source.content.startswith(CRASH):
        os.kill(os.getpid(), signal.SIGABRT)
    if source.content.startswith(HANG):
        time.sleep(600)
    return decoder.read(source, slice_index, axis)
