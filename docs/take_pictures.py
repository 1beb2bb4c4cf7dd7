"""Take the pictures of the documentation in Chromium: ``python -m docs.take_pictures``.

The app has a home of its own, with the demonstration model alone. So no picture has
a name or a path of the machine that it was taken on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.test_app_browser import read_prediction, wait_for_slice
from tests.support import browser as app

DOCS = Path(__file__).parent
#: In pixels of the page.
WIDTH, HEIGHT = 1360, 1000
#: In bytes; with fewer colours a file is smaller.
LARGEST, COLOURS = 150_000, (256, 192, 128, 96, 64, 32)


def main() -> None:
    """Take every picture."""
    expect.set_options(timeout=app.PATIENCE)
    executable = app.find_chromium()
    if executable is None:
        raise SystemExit(f"error: no browser: install one of {', '.join(app.CHROMIUM_NAMES)}")
    with tempfile.TemporaryDirectory(prefix="spinefrac-pictures-") as place:
        home = Path(place, "home")
        model = app.ROOT / "models" / "phantom-demo"
        shutil.copytree(model, home / "models" / model.name)
        os.environ.update(SPINEFRAC_HOME=str(home), SPINEFRAC_HISTORY="off")
        with app.serve(Path(place)) as address, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=executable, args=list(app.FLAGS))
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.set_default_timeout(app.PATIENCE)
            for name, show in PICTURES.items():
                show(page, address)
                take(page, DOCS / name)
            browser.close()


def take(page: Page, path: Path) -> None:
    """Write what the page shows, with as many colours as fit."""
    app.settle(page)
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000)  # for transitions of sliders and buttons
    image = Image.open(BytesIO(page.screenshot())).convert("RGB")
    for colours in COLOURS:
        image.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= LARGEST:
            return
    raise SystemExit(f"error: {path.name} has more than {LARGEST:,} bytes")


def show_prediction(page: Page, address: str) -> None:
    """Upload & Predict with a sample."""
    page.goto(address)
    page.get_by_role("button", name="Fracture DICOM", exact=True).first.click()
    read_prediction(page)
    wait_for_slice(page)
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")


def show_metrics(page: Page, address: str) -> None:
    """Metrics of the demonstration model."""
    page.goto(f"{address}/metrics")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()


def show_models(page: Page, address: str) -> None:
    """The demonstration model, as the page Models shows it."""
    page.goto(f"{address}/models?model=phantom-demo")
    expect(page.get_by_role("button", name="Share").first).to_be_visible()


PICTURES: dict[str, Callable[[Page, str], None]] = {
    "predict.png": show_prediction,
    "metrics.png": show_metrics,
    "models.png": show_models,
}


if __name__ == "__main__":
    main()
