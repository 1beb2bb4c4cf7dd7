"""What happens before a server takes work, and when it stops."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from fastapi import FastAPI

from spinefrac.errors import SpinefracError
from spinefrac.imaging import decoder_pool
from spinefrac.inference.predictor import get_predictor
from spinefrac.records import CtSlice
from spinefrac.system import memory_release, private_files
from spinefrac.training import runs

#: Seconds after which memory without use goes back to the system.
TRIM_EVERY_S = 20.0

log = logging.getLogger("spinefrac.server")


@asynccontextmanager
async def run(api: FastAPI) -> AsyncIterator[None]:
    """Warm up in the background, and say when it is done; stop taking work at the end.

    Parameters
    ----------
    api : FastAPI
        Its ``state.is_ready`` becomes true and false.
    """
    started = time.monotonic()
    warming = asyncio.create_task(asyncio.to_thread(warm_up))

    def note(done: asyncio.Task[None]) -> None:
        if not done.cancelled():
            api.state.is_ready = True
            log.info("ready after %.1f s", time.monotonic() - started)

    warming.add_done_callback(note)
    trimming = asyncio.create_task(_trim_memory())
    try:
        yield
    finally:
        trimming.cancel()
        api.state.is_ready = False
        log.info("stopped")


async def _trim_memory() -> None:
    """Return memory now and then: what many requests at once needed is not needed for ever."""
    while True:
        await asyncio.sleep(TRIM_EVERY_S)
        await asyncio.to_thread(memory_release.trim)


def warm_up() -> None:
    """Start decoders, open the default model and predict once, and go on with runs.

    A server without a model is ready all the same: one can be trained or imported there.
    """
    private_files.tighten_home()
    memory_release.limit_retention()
    decoder_pool.start()
    try:
        blank = CtSlice(np.zeros((64, 64), np.float32), calibrated=True, format="dicom")
        get_predictor().predict(blank, heatmap=False)
        runs.ensure_runner()
    except SpinefracError as error:
        log.warning("started without a warm model: %s", type(error).__name__)
