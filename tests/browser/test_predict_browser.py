"""Series, many files and hostile uploads on Upload & Predict, in a real Chromium."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest

from spinefrac import imaging
from spinefrac.data.phantom.dicom import to_dicom
from spinefrac.data.phantom.rendering import Series, render
from tests.browser.test_app_browser import read_prediction, url, wait_for_slice
from tests.support.browser import PATIENCE, is_no_wider_than_its_screen, settle

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

pytestmark = pytest.mark.browser

__all__ = ["url"]  # a fixture

COUNT = 8


@pytest.fixture(scope="module")
def slices() -> list[bytes]:
    """The slices of one phantom as DICOM, from head to foot."""
    series = Series(patients=2, slices=COUNT, seed=55, difficulty="standard", size=256)
    return [
        to_dicom(render(1, n, patients=2, slices=COUNT, seed=55, size=256), series, 1, n)
        for n in range(COUNT)
    ]


@pytest.fixture(scope="module")
def archive(slices: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ZIP with all slices but one, so that it has a gap."""
    path = tmp_path_factory.mktemp("zip") / "series.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for number, content in enumerate(slices):
            if number != 2:
                made.writestr(f"a/IM{(5 * number) % COUNT}", content)
    return path


def opened(browser: playwright.Browser, url: str, width: int = 1440) -> playwright.Page:
    page = browser.new_page(viewport={"width": width, "height": 900}, locale="en-GB")
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(url)
    expect(page.locator("[class*=st-key-sample-] button").first).to_be_visible()
    settle(page)
    return page


def painted(page: playwright.Page, index: int) -> None:
    expect(page.locator(".st-key-viewer .viewer")).to_have_attribute(
        "data-painted", re.compile(f"/{index}$")
    )


def test_a_series_from_zip_to_strip_and_back_to_a_slice(browser, url, archive) -> None:
    page = opened(browser, url)
    page.set_input_files("input[type=file]", archive)
    score = page.get_by_label("Series prediction")
    expect(score).to_contain_text("highest mean probability of any 3 neighbouring slices")
    expect(page.get_by_text("1 slice is missing between")).to_be_visible()
    expect(page.locator(".st-key-strip .strip")).to_have_count(1)
    expect(page.locator(".st-key-strip .strip")).to_have_attribute("data-predicted", "7")
    expect(page.locator(".st-key-highest-slices button").first).to_be_visible()
    settle(page)

    # the picture stands above the fold, and the wheel goes through its slices
    picture = page.locator(".st-key-viewer canvas").bounding_box()
    assert picture["y"] + picture["height"] / 2 < page.viewport_size["height"]
    shown = int(page.locator(".st-key-viewer .viewer").get_attribute("data-index"))
    page.locator(".st-key-viewer .stage").hover(position={"x": 60, "y": 60})
    page.mouse.wheel(0, 60)
    painted(page, shown + 1)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -60)
    page.keyboard.up("Control")
    expect(page.locator(".st-key-viewer .viewer")).not_to_have_attribute("data-zoom", "1.00")
    page.get_by_role("button", name="Reset zoom").click()

    # a click on the strip, an arrow key and the button of a slice select a slice
    plot = page.locator(".st-key-strip .plot")
    box = plot.bounding_box()
    plot.click(position={"x": box["width"] * 0.5 / 7, "y": 40})
    painted(page, 0)
    page.locator(".st-key-viewer .stage").focus()
    page.keyboard.press("ArrowUp")
    painted(page, 1)
    button = page.locator(".st-key-highest-slices button").first
    wanted = int(button.inner_text().split("·")[0]) - 1
    button.click()
    painted(page, wanted)
    expect(page.locator(".st-key-viewer .edge.left")).to_have_text("R")
    expect(page.locator(".st-key-viewer .edge.bottom")).to_have_text("P")
    expect(page.locator(".st-key-viewer .position")).to_contain_text("mm per pixel")

    # Hounsfield units under the pointer, zoom, pan and reset
    stage = page.locator(".st-key-viewer .stage")
    stage.hover(position={"x": 60, "y": 200})
    expect(page.locator(".st-key-viewer .readout")).to_have_text(
        re.compile(r"^-?\d+ HU at x \d+, y \d+$")
    )
    viewer = page.locator(".st-key-viewer .viewer")
    page.get_by_role("button", name="Zoom in").click()
    expect(viewer).to_have_attribute("data-zoom", "1.50")
    page.locator(".st-key-viewer .stage").focus()
    page.keyboard.press("Home")
    painted(page, 0)
    expect(viewer).to_have_attribute("data-zoom", "1.50")  # kept within a series
    page.get_by_role("button", name="Reset zoom").click()
    expect(viewer).to_have_attribute("data-zoom", "1.00")
    page.get_by_label("Window", exact=True).select_option("Soft tissue")
    expect(page.locator(".st-key-viewer .controls").first).to_contain_text("40 HU")
    assert page.get_by_role("alert").count() == 0
    page.close()


def test_the_value_under_the_pointer_is_that_of_the_file(browser, url, slices, tmp_path) -> None:
    (tmp_path / "IM").write_bytes(slices[0])
    page = opened(browser, url)
    page.set_input_files("input[type=file]", tmp_path / "IM")
    wait_for_slice(page)
    page.locator(".st-key-viewer .stage").hover(position={"x": 150, "y": 120})
    readout = page.locator(".st-key-viewer .readout")
    expect(readout).to_contain_text("HU at")
    value, x, y = map(int, re.findall(r"-?\d+", readout.inner_text()))
    assert round(float(imaging.read(slices[0]).pixels[y, x])) == value
    page.close()


#: Pixels below the last element of a page.
_EMPTY_BELOW = """main => {
  const blocks = main.querySelectorAll('[data-testid=stElementContainer]');
  const low = Math.max(...[...blocks].map(block => block.getBoundingClientRect().bottom));
  return main.scrollHeight - main.scrollTop - low;
}"""


def wait_for_table(page, condition: str) -> None:
    """Wait until the table is as high as its rows ask for, of 56 pixels each."""
    find = "const {height} = document.querySelector('[data-testid=stDataFrame]')"
    page.wait_for_function(f"() => {{ {find}.getBoundingClientRect(); return {condition} }}")


def test_many_files_become_a_table_and_unreadable_ones_are_named(
    browser, url, slices, tmp_path
) -> None:
    import cv2

    paths = []
    for number, content in enumerate(slices[:4]):
        grey = imaging.to_display(imaging.read(content))
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(cv2.imencode(".png", grey)[1].tobytes())
    (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.7 no slice")
    page = opened(browser, url, width=390)
    page.get_by_text("Several files", exact=True).click()
    page.set_input_files("input[type=file][multiple]", [*paths, tmp_path / "letter.pdf"])
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    expect(page.get_by_text("All · 5")).to_be_visible()
    settle(page)
    assert page.get_by_test_id("stMain").evaluate(_EMPTY_BELOW) < 200
    page.get_by_text("Unreadable · 1").click()
    wait_for_table(page, "height < 150")
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    table = Path(download.value.path()).read_text()
    assert len(table.splitlines()) == 6
    assert "a PDF document" in table
    assert is_no_wider_than_its_screen(page)

    # a click anywhere on a row opens its slice, and brings it in sight
    page.get_by_text("All · 5").click()
    wait_for_table(page, "height > 150")
    settle(page)
    page.get_by_test_id("stDataFrame").scroll_into_view_if_needed()
    table = page.get_by_test_id("stDataFrame").bounding_box()
    place = table["x"] + 150, table["y"] + 70
    page.mouse.move(*place)  # the table answers a pointer that it has seen coming
    expect(page.get_by_test_id("stElementToolbar").last).to_be_visible()
    page.mouse.move(place[0] + 1, place[1])
    page.mouse.click(*place)
    wait_for_slice(page)
    expect(page.locator(".st-key-viewer canvas")).to_be_in_viewport()
    page.close()


def hostile(slices: list[bytes]) -> dict[str, bytes]:
    """Uploads that are damaged, mislabelled or made to do harm."""

    def packed(members: dict[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
            for name, content in members.items():
                made.writestr(name, content)
        return buffer.getvalue()

    locked = bytearray(packed({"a.dcm": slices[0]}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(signature) + offset] |= 1
    huge = bytearray(b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000d49484452"))
    huge += (60_000).to_bytes(4, "big") * 2 + bytes.fromhex("0800000000") + bytes(60)
    return {
        "empty.dcm": b"",
        "holiday.jpg": b"\xff\xd8\xff\xe0 not a picture at all" * 40,
        "<img src=x onerror=alert(1)>.dcm": slices[0][:400],
        "page.png": b"<!doctype html><title>Login</title>",
        "huge.png": bytes(huge),
        "bomb.zip": packed({f"{n}.dcm": bytes(40 * 2**20) for n in range(5)}),
        "../../evil.zip": b"PK\x03\x04" + bytes(300),
        "locked.zip": bytes(locked),
        "nested.zip": packed({"inner.zip": packed({"a": b"a"})}),
    }


def test_hostile_uploads_are_one_line_and_another_session_never_notices(
    browser, url, slices, archive
) -> None:
    calm, rough = opened(browser, url), opened(browser, url)
    calm.set_input_files("input[type=file]", archive)
    expect(calm.get_by_label("Series prediction")).to_be_visible()
    dialogs: list[str] = []
    rough.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for turn, (name, content) in enumerate(hostile(slices).items()):
        rough.set_input_files("input[type=file]", {"name": name, "mimeType": "", "buffer": content})
        alert = rough.get_by_test_id("stAlertContentError")
        expect(alert).to_be_visible()
        settle(rough)
        expect(alert).to_have_count(1)
        text = alert.inner_text().replace("error", "", 1).strip()  # the icon's name
        assert len(text.splitlines()) == 1, name
        assert "Traceback" not in rough.content()
        assert rough.get_by_label("Prediction", exact=True).count() == 0
        if turn % 3 == 0:  # the other session goes on meanwhile
            calm.locator(".st-key-viewer .stage").focus()
            calm.keyboard.press("Home" if turn % 2 else "End")
            painted(calm, 0 if turn % 2 else COUNT - 2)
        rough.get_by_test_id("stFileUploader").get_by_role("button", name="Remove").first.click()
        expect(alert).to_have_count(0)
        settle(rough)
    assert dialogs == []
    rough.get_by_role("button", name="Fracture DICOM", exact=True).first.click()
    read_prediction(rough)
    assert calm.get_by_role("alert").count() == 0
    calm.close()
    rough.close()
