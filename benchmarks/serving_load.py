"""What `spinefrac serve` bears: REST by 16 clients, 50 sessions that watch a run, 50 that predict.

    python -m benchmarks serving_load

Server and clients share the cores of this machine, on loopback. The clients of REST send requests
that were made before, so that they take little of them; sessions of pages are those of
`benchmarks._page_session`. A run is simulated: its folds get an epoch now and then.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks._page_session import PageSession

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "spinefrac/ui/samples/fracture-1.dcm"
CLIENTS, REQUESTS = 16, 1000
WATCHERS, WATCH_S = 50, 15
SESSIONS, ANSWERS = 100, 10
SETTLE_S = 30
BUTTON = "Fracture DICOM"
OTHER_BUTTON = "No fracture DICOM"

_MB = 1e6
_BOUNDARY = "spinefrac-benchmark"


def measure() -> list[tuple[str, str, str]]:
    """Measure, and return (what, value, target) for each."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        shutil.copytree(ROOT / "models/phantom-demo", home / "models/phantom-demo")
        run = _simulate_run(home)
        with _serve(home) as (address, server, ready_s):
            found = [("`spinefrac serve`, cold: ready after", f"{ready_s:.1f} s", "3 s")]
            found.append(_row("memory of the server, idle with one model", server, "200 MB"))
            asyncio.run(_predict_on_page(address, 1, 1))
            found.append(_row("the same after one answer on the page", server, "300 MB"))
            found += asyncio.run(_measure_rest(address))
            found += asyncio.run(_measure_watching(address, run))
            found += asyncio.run(_measure_at_once(address))
            asyncio.run(_predict_on_page(address, SESSIONS, ANSWERS))
            time.sleep(SETTLE_S)
            what = f"memory after {SESSIONS * ANSWERS:,} answers by {SESSIONS} closed sessions"
            found.append(_row(what, server, "450 MB"))
    return found


def _simulate_run(home: Path) -> str:
    """Record a run that trains; return its id."""
    from benchmarks.train_page import simulate_run
    from spinefrac.data import phantom

    before = os.environ.get("SPINEFRAC_HOME")
    os.environ["SPINEFRAC_HOME"] = str(home)
    try:
        phantom.write_phantom(home / "data/slices", patients=12, slices=2, seed=3)
        return simulate_run(home / "data/slices", "watched", "running", (12, 11, 4, 0)).id
    finally:
        if before is None:
            del os.environ["SPINEFRAC_HOME"]
        else:
            os.environ["SPINEFRAC_HOME"] = before


@contextmanager
def _serve(home: Path) -> Iterator[tuple[str, Any, float]]:
    """Start the server; yield its address, its process and the seconds until it was ready."""
    import psutil

    port = find_free_port()
    environment = {**os.environ, "SPINEFRAC_HOME": str(home), "SPINEFRAC_HISTORY": "off"}
    command = [sys.executable, "-m", "spinefrac", "serve", "--port", str(port)]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{address}/api/v1/health/ready"):
                break
            time.sleep(0.05)
        yield address, psutil.Process(process.pid), time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(20)


def find_free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _row(what: str, server: Any, target: str) -> tuple[str, str, str]:
    return what, f"{server.memory_info().rss / _MB:.0f} MB", target


def _percentile(times: Sequence[float], share: float = 0.95) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


# --- REST --------------------------------------------------------------------------------------


def _make_png(number: int = 0) -> bytes:
    """Return a slice of 512×512 as PNG; another one for each number."""
    import cv2
    import numpy as np

    from spinefrac import imaging

    picture = cv2.resize(imaging.to_display(imaging.read(SAMPLE)), (512, 512))
    moved = np.roll(picture, number, axis=1)
    return cv2.imencode(".png", moved)[1].tobytes()


def _make_request(address: str) -> bytes:
    """Return a request to predict on a slice, as it goes over the wire."""
    png = _make_png()
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    body = head.encode() + png + f"\r\n--{_BOUNDARY}--\r\n".encode()
    lines = (
        "POST /api/v1/predict HTTP/1.1",
        f"Host: {address.removeprefix('http://')}",
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


async def _measure_rest(address: str) -> list[tuple[str, str, str]]:
    request, times = _make_request(address), []
    left = iter(range(REQUESTS))
    host, _, port = address.removeprefix("http://").partition(":")

    async def send_requests() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in left:
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - started)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(send_requests() for _ in range(CLIENTS)))
    rate = len(times) / (time.perf_counter() - started)
    what = f"REST predictions of a PNG 512×512, {CLIENTS} clients, {os.cpu_count()} cores"
    return [
        (what, f"{rate:.0f} a second", "120 a second"),
        ("the same, p95", f"{1000 * _percentile(times):.0f} ms", "150 ms"),
    ]


# --- pages -------------------------------------------------------------------------------------


async def _measure_watching(address: str, run: str) -> list[tuple[str, str, str]]:
    """Have sessions watch a run once a second while one of them predicts."""
    query = f"train=Runs&run={run}"
    watchers = [await PageSession.open(address, "train", query) for _ in range(WATCHERS)]
    predicting = await PageSession.open(address, "predict")
    end = time.perf_counter() + WATCH_S
    refreshes: list[float] = []
    answers: list[float] = []

    async def watch(session: PageSession) -> None:
        fragment = min(session.fragments, key=lambda one: session.fragments[one])
        await asyncio.sleep(random.random())
        while time.perf_counter() < end:
            seconds = await session.refresh(fragment)
            refreshes.append(seconds)
            await asyncio.sleep(max(0.0, 1.0 - seconds))

    async def predict() -> None:
        number = 0
        while time.perf_counter() < end:
            answers.append(await predicting.click((BUTTON, OTHER_BUTTON)[number % 2]))
            number += 1
            await asyncio.sleep(0.5)

    await asyncio.gather(*(watch(session) for session in watchers), predict())
    await asyncio.gather(*(session.close() for session in (*watchers, predicting)))
    what = f"{WATCHERS} sessions that watch a run once a second, one predicts"
    return [
        (f"{what}: p95 of a refresh", f"{1000 * _percentile(refreshes):.0f} ms", "300 ms"),
        (f"{what}: p95 of a prediction", f"{_percentile(answers):.2f} s", "1 s"),
        ("median of a refresh then", f"{1000 * statistics.median(refreshes):.0f} ms", "reported"),
    ]


async def _measure_at_once(address: str) -> list[tuple[str, str, str]]:
    """Have sessions predict at the same moment: the same sample, then a slice of their own each."""
    sessions = [await PageSession.open(address, "predict") for _ in range(WATCHERS)]
    same = await asyncio.gather(*(session.click(BUTTON) for session in sessions))
    files = [
        await session.upload(f"{number}.png", _make_png(number))
        for number, session in enumerate(sessions)
    ]
    own = await asyncio.gather(
        *(session.choose(file) for session, file in zip(sessions, files, strict=True))
    )
    await asyncio.gather(*(session.close() for session in sessions))
    what = f"{WATCHERS} predictions on the page at the same moment"
    return [
        (f"{what}, of one sample: the last one", f"{max(same):.1f} s", "5 s"),
        (f"{what}, of slices that were uploaded: the last one", f"{max(own):.1f} s", "5 s"),
    ]


async def _predict_on_page(address: str, sessions: int, answers: int) -> None:
    """Have sessions predict one after the other, and leave."""
    for _ in range(sessions):
        session = await PageSession.open(address, "predict")
        for number in range(answers):
            await session.click((BUTTON, OTHER_BUTTON)[number % 2])
        await session.close()
