"""A model measured on new slices, asked for on the Metrics page in a real Chromium."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from spinefrac import settings
from spinefrac.data import phantom
from tests.support.browser import PATIENCE, serve

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

pytestmark = pytest.mark.browser


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the demonstration, and slices that it has not seen."""
    source = settings.models_dir() / "phantom-demo"
    if not source.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    shutil.copytree(source, tmp_path / "home/models/phantom-demo")
    phantom.write_phantom(
        tmp_path / "home/data/new-slices", patients=8, slices=3, seed=77, size=256
    )
    return tmp_path / "home"


@pytest.fixture
def url(home: Path, tmp_path: Path) -> Iterator[str]:
    with serve(tmp_path, environment={"SPINEFRAC_HOME": str(home)}) as address:
        yield address


def test_measure_on_a_folder_and_find_it_beside_the_out_of_fold_numbers(
    browser: playwright.Browser, url: str, home: Path
) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(f"{url}/metrics?view=New+slices")  # a link of an earlier version
    page.wait_for_url(re.compile("view=External"))
    field = page.get_by_role("textbox", name="Folder of labelled slices")
    field.fill("nowhere")
    page.get_by_role("button", name="Evaluate").click()
    expect(page.get_by_text("Expected a folder within")).to_be_visible()

    field.fill("new-slices")
    page.get_by_role("button", name="Evaluate").click()
    expect(page.get_by_role("heading", name="new-slices")).to_be_visible(timeout=120_000)
    table = page.locator(".sf-table", has_text="Out-of-fold").last
    expect(table).to_be_visible()
    expect(table.locator("tr", has_text="Sensitivity")).to_contain_text(re.compile("significant|–"))
    (kept,) = (home / "evaluations").rglob("*.json")
    auc = json.loads(kept.read_text())["metrics"]["auc"]
    expect(table.locator("tr", has_text="AUC").first).to_contain_text(f"{auc:.3f}")
    expect(page.get_by_text("24 slices (")).to_be_visible()

    # From now on every view can be had of these slices, with their pictures.
    page.goto(f"{url}/metrics?view=Slices&on=External:+new-slices&show=Near+the+threshold")
    expect(page.get_by_text("24 slices: near the threshold.")).to_be_visible()
    expect(page.locator(".sf-slice img").first).to_be_visible()
    page.close()
