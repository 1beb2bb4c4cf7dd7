"""What foreign files cost the server: time of others, memory, and what closed sessions leave.

    python -m benchmarks isolation

On the real app with its own pool of decoders, driven by a real Chromium: a file that kills its
decoder while another session predicts, sessions that upload a slice and close, and ZIPs that
unpack to gigabytes. Memory is resident memory of the server and all its child processes together.
"""

from __future__ import annotations

import gzip
import io
import statistics
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.predict_page import _SLICE_READY_JS, _launch_browser, _serve_app, _time_upload

SAMPLE = Path(__file__).resolve().parents[1] / "spinefrac/ui/samples/fracture-1.dcm"
SESSIONS, ZIPS, KILLS = 200, 50, 12
#: Seconds after the last session until the memory is read.
SETTLE_S = 60
_REFUSED_JS = "() => document.body.innerText.includes('None of the files can be read')"
CALLS = 40

_MB = 1e6


def measure() -> list[tuple[str, str, str]]:
    """Measure, and return (what, value, target) for each."""
    found = [_measure_overhead(), *_measure_deaths()]
    with _serve_app() as address, _launch_browser() as browser:
        server = _find_server(address)
        found.append(_measure_one_answer(browser, address, server))
        found.append(_measure_sessions(browser, address, server))
        found.append(_measure_zips(browser, address, server))
    return found


def _measure_overhead() -> tuple[str, str, str]:
    """Compare the time of a warm slice in a decoder with that in this process."""
    from spinefrac import imaging
    from spinefrac.imaging import decoder_pool

    content = SAMPLE.read_bytes()
    differences = []
    for _ in range(CALLS):
        start = time.perf_counter()
        imaging.read(content)
        middle = time.perf_counter()
        decoder_pool.read(content)
        differences.append(time.perf_counter() - middle - (middle - start))
    return (
        "512×512 DICOM, warm: a decoder process against this process, median",
        f"{1000 * statistics.median(differences[5:]):.1f} ms more",
        "at most 5 ms",
    )


def _measure_deaths() -> list[tuple[str, str, str]]:
    """Have workers die and hang, and time what another session waits for its next slice."""
    from spinefrac.imaging import decoder_pool
    from spinefrac.system.worker_pool import WorkerPool
    from tests.support import dying_decoder

    pool = WorkerPool(
        dying_decoder.__name__,
        decoder_pool.LIMITS,
        decoder_pool.describe_failure,
        workers=4,
        idle_workers=2,
        max_calls=1000,
        calls_per_owner=2,
    )
    _time_call(pool, SAMPLE.read_bytes(), "other")
    time.sleep(2.0)
    waits = []
    for number in range(KILLS):
        _time_call(pool, dying_decoder.CRASH + bytes([number]), "one")
        waits.append(_time_call(pool, SAMPLE.read_bytes(), "other"))
        time.sleep(2.0)
    with ThreadPoolExecutor(3) as sessions:
        contents = [dying_decoder.HANG + bytes([number]) for number in range(3)]
        hanging = [sessions.submit(_time_call, pool, content, "one") for content in contents]
        time.sleep(0.3)
        waits.append(_time_call(pool, SAMPLE.read_bytes(), "other"))
        shortest = min(one.result() for one in hanging)
    pool.close()
    return [
        (
            f"{KILLS} files that kill their decoder, 3 that hang: next slice of another session, "
            "longest",
            f"{1000 * max(waits):.0f} ms",
            "under 300 ms",
        ),
        ("a file that does not end: time until its decoder is", f"{shortest:.1f} s", "5.2 s"),
    ]


def _time_call(pool: Any, content: bytes, owner: str) -> float:
    """Return the seconds until a file is decoded or refused."""
    from spinefrac.errors import ImageError
    from spinefrac.imaging import decoder_pool
    from tests.support import dying_decoder

    start = time.perf_counter()
    with suppress(ImageError):
        pool.call(dying_decoder.read, decoder_pool.locate(content), None, 2, owner=owner)
    return time.perf_counter() - start


def _find_server(address: str) -> Any:
    import psutil

    port = address.rpartition(":")[2]
    for process in psutil.process_iter(["cmdline"]):
        if "streamlit" in (process.info["cmdline"] or []) and port in process.info["cmdline"]:
            return process
    raise RuntimeError("the server is not running")


def _resident_mb(server: Any, *, with_children: bool = True) -> float:
    import psutil

    total = server.memory_info().rss
    for child in server.children(recursive=True) if with_children else ():
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return float(total / _MB)


def _measure_one_answer(browser: Any, address: str, server: Any) -> tuple[str, str, str]:
    _predict_once(browser, address, SAMPLE, _SLICE_READY_JS, stay_s=10)
    value = _resident_mb(server, with_children=False)
    return "memory of the server after one DICOM in the browser", f"{value:.0f} MB", "under 300 MB"


def _measure_sessions(browser: Any, address: str, server: Any) -> tuple[str, str, str]:
    for _ in range(SESSIONS):
        _predict_once(browser, address, SAMPLE, _SLICE_READY_JS)
    time.sleep(SETTLE_S)
    return (
        f"memory of server and decoders, {SETTLE_S} s after {SESSIONS} sessions with a DICOM",
        f"{_resident_mb(server):.0f} MB",
        "under 500 MB",
    )


def _measure_zips(browser: Any, address: str, server: Any) -> tuple[str, str, str]:
    archive = SAMPLE.parents[3] / "build" / "isolation.zip"
    archive.parent.mkdir(exist_ok=True)
    archive.write_bytes(_pack_volumes())
    for _ in range(ZIPS):
        _predict_once(browser, address, archive, _REFUSED_JS)
    time.sleep(SETTLE_S)
    size = archive.stat().st_size
    archive.unlink()
    return (
        f"the same, after {ZIPS} openings of a ZIP of {size / 1000:.1f} KB that unpacks to 2 GB",
        f"{_resident_mb(server):.0f} MB",
        "under 600 MB",
    )


def _pack_volumes() -> bytes:
    """Return a ZIP of four volumes of 512 MB, packed twice."""
    import nibabel
    import numpy as np

    header = nibabel.Nifti1Header()
    header.set_data_shape((512, 512, 1000))
    header.set_data_dtype(np.int16)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    header.set_sform(np.eye(4), code=1)
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream:
        stream.write(header.binaryblock + bytes(4))
        for _ in range(500):
            stream.write(bytes(1 << 20))
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.nii.gz", packed.getvalue())
    return found.getvalue()


def _predict_once(
    browser: Any, address: str, path: Path, condition: str, *, stay_s: float = 0.0
) -> None:
    """Open the page in a session of its own, give it a file, wait for the result, and close."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(address)
    page.locator("[class*=st-key-sample-] button").first.wait_for()
    _time_upload(page, path, condition)
    time.sleep(stay_s)
    context.close()
