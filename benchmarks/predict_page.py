"""How long the page Upload & Predict takes: one upload, a series in a ZIP, a thousand images.

    python -m benchmarks predict_page

The first two are taken in a real Chromium on the real app, from the moment a file is given to
the page until the canvas shows its slice with heat map beside the prediction, or until the chart
of the series has every slice. The third is the work behind the table of many files, from bytes to
predictions with thumbnails, on all cores.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
UPLOADS = 15
SERIES = 300
IMAGES = 1000
SEED = 41

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def measure() -> list[tuple[str, str, str]]:
    """Measure, and return (what, value, target) for each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slices, images = _render_phantoms(folder)
        found = [_measure_batch(images)]
        with _serve_app() as address, _launch_browser() as browser:
            found = [*_measure_page(browser, address, slices, _zip_series(folder, slices)), *found]
    return found


def _render_phantoms(folder: Path) -> tuple[list[Path], list[bytes]]:
    """Render slices as DICOM, and the same as PNG of 512×512."""
    import cv2

    from spinefrac import imaging
    from spinefrac.data import phantom

    phantom.write_phantom(folder / "dicom", patients=4, slices=24, seed=SEED, format="dicom")
    slices = sorted((folder / "dicom").rglob("*.dcm"))
    images = []
    for path in slices:
        _, content = cv2.imencode(".png", imaging.to_display(imaging.read(path)))
        images.append(content.tobytes())
    return slices, images


def _zip_series(folder: Path, slices: list[Path]) -> Path:
    """Pack `SERIES` slices as one series, each with a position of its own."""
    import pydicom

    path = folder / "series.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(SERIES):
            header = pydicom.dcmread(slices[number % len(slices)])
            header.SOPInstanceUID = f"2.25.{SEED}.{number}"
            header.StudyInstanceUID, header.SeriesInstanceUID = "2.25.41", "2.25.42"
            header.PixelSpacing = [0.4, 0.4]
            header.ImagePositionPatient = [-100, -100, 0.6 * number]
            buffer = io.BytesIO()
            header.save_as(buffer)
            archive.writestr(f"IM{(number * 7) % SERIES:04}", buffer.getvalue())
    return path


def _measure_batch(images: list[bytes]) -> tuple[str, str, str]:
    from spinefrac.imaging import collect
    from spinefrac.imaging import series_grouping as series
    from spinefrac.inference import batch
    from spinefrac.inference.predictor import get_predictor

    predictor = get_predictor()
    files = [
        collect.file_from_bytes(f"{number:04}.png", images[number % len(images)])
        for number in range(IMAGES)
    ]
    list(batch.predict_slices(predictor, series.group_into_series(files[:50]).single_slices))
    start = time.perf_counter()
    parts = series.group_into_series(collect.collect_files(files).files).single_slices
    predictions = list(batch.predict_slices(predictor, parts, with_thumbnails=True))
    seconds = time.perf_counter() - start
    assert len(predictions) == IMAGES and not any(one.error for one in predictions)
    what = f"batch of {IMAGES:,} PNG 512×512, {os.cpu_count()} cores, predictions and thumbnails"
    return what, f"{IMAGES / seconds:.0f} per second", "100 per second"


def _measure_page(
    browser: Any, address: str, slices: list[Path], series: Path
) -> list[tuple[str, ...]]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(120_000)
    page.goto(address)
    page.locator("[class*=st-key-sample-] button").first.wait_for()
    times = []
    for path in slices[: UPLOADS + 2]:
        times.append(_time_upload(page, path, _SLICE_READY_JS))
    strips = []
    for _ in range(3):
        strips.append(_time_upload(page, series, _STRIP_READY_JS))
        _time_upload(page, slices[0], _SLICE_READY_JS)
    page.close()
    return [
        (
            "Upload & Predict, warm: 512×512 DICOM to result with heat map, in the browser, median",
            f"{1000 * statistics.median(times[2:]):.0f} ms",
            "400 ms",
        ),
        (
            f"{SERIES}-slice series, from ZIP ({series.stat().st_size / 1e6:.0f} MB) to the "
            f"chart, in the browser, {os.cpu_count()} cores",
            f"{statistics.median(strips):.1f} s",
            "6 s",
        ),
    ]


_VIEWER = """
  const find = (node) => { for (const one of node.querySelectorAll('*')) {
    if (one.matches('.viewer')) return one;
    const inner = one.shadowRoot && find(one.shadowRoot); if (inner) return inner; } return null; };
  const viewer = find(document);
"""
_PAINTED = f"() => {{ {_VIEWER} return viewer?.dataset.painted ?? '' }}"
# Conditions to wait for: a new slice painted beside a prediction; the whole chart of a series.
_SLICE_READY_JS = f"""(before) => {{ {_VIEWER}
  return viewer?.dataset.painted && viewer.dataset.painted !== before
    && !viewer.classList.contains('no-heat-map')
    && document.querySelector('[aria-label="Prediction"]') }}"""
_STRIP_READY_JS = """() => document.querySelector('[aria-label="Series prediction"]')"""


def _time_upload(page: Any, path: Path, condition: str) -> float:
    """Give a file to the page and return the seconds until `condition` holds."""
    page.wait_for_function(
        "() => document.querySelector('[data-test-script-state]')"
        "?.getAttribute('data-test-script-state') === 'notRunning'"
    )
    before = page.evaluate(_PAINTED)
    start = time.perf_counter()
    page.set_input_files("input[type=file]", path)
    page.wait_for_function(condition, arg=before, polling="raf")
    return time.perf_counter() - start


@contextmanager
def _serve_app() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    options = ["--server.port", address.rpartition(":")[2], "--server.headless", "true"]
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "SPINEFRAC_HISTORY": "off"},
    )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://{address}/_stcore/health", timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait(timeout=20)


@contextmanager
def _launch_browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    executable = next((path for name in _CHROMIUM if (path := shutil.which(name))), None)
    if executable is None:
        raise RuntimeError("no Chromium is installed")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=executable, args=["--headless=new", "--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()
