"""The app in a real Chromium: from first start to the answer, at desk and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from spinefrac import settings
from spinefrac.data.phantom.dicom import to_dicom
from spinefrac.data.phantom.rendering import Series, render
from tests.support.browser import PATIENCE, is_no_wider_than_its_screen, serve, settle

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

pytestmark = pytest.mark.browser

SCREENS = {"desk": (1440, 900), "phone": (390, 844)}
PHONE = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Mobile Safari/537.36"
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the app as a user does, on a free port; give its address."""
    require_demonstration()
    with serve(tmp_path_factory.mktemp("server")) as address:
        yield address


def require_demonstration() -> None:
    """Skip the test where there is no model to predict with."""
    if not (settings.models_dir() / "phantom-demo").is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")


@dataclass
class Watched:
    """A page, and what it complained of or asked for while it was driven."""

    page: playwright.Page
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on(
            "websocket", lambda socket: self.hosts.add(urlsplit(socket.url).hostname or "")
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "request", lambda request: self.hosts.add(urlsplit(request.url).hostname or "")
        )

    def _console(self, message: playwright.ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)


@pytest.fixture(params=SCREENS)
def watched(
    request: pytest.FixtureRequest, browser: playwright.Browser, url: str
) -> Iterator[Watched]:
    width, height = SCREENS[request.param]
    phone = {"is_mobile": True, "has_touch": True, "user_agent": PHONE} if width < 700 else {}
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark", locale="en-GB", **phone
    )
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    watched = Watched(context.new_page())
    watched.page.goto(url)
    yield watched
    context.close()
    assert watched.errors == []
    assert watched.hosts <= {"127.0.0.1", ""}  # data: and blob: have no host


@pytest.fixture(scope="module")
def dicom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fractured slice of a phantom that no model has seen, as DICOM without an extension."""
    series = Series(patients=4, slices=3, seed=99, difficulty="easy", size=256)
    image = render(1, 1, patients=4, slices=3, seed=99, difficulty="easy", size=256, fractured=True)
    path = tmp_path_factory.mktemp("upload") / "IM<b>0001"
    path.write_bytes(to_dicom(image, series, 1, 1))
    return path


def wait_for_slice(page: playwright.Page) -> str:
    """Return what the viewer has painted, once it has: which slice set, and which slice of it."""
    viewer = page.locator(".st-key-viewer .viewer")
    expect(viewer).to_have_attribute("data-painted", re.compile("."))
    assert page.locator(".st-key-viewer canvas").bounding_box()["height"] > 100
    return viewer.get_attribute("data-painted") or ""


def pixels(page: playwright.Page) -> str:
    """Return the canvas as it is drawn now."""
    canvas = page.locator(".st-key-viewer canvas")
    return canvas.evaluate("canvas => canvas.toDataURL()")


def read_prediction(page: playwright.Page) -> str:
    """Return the text of the prediction card: it has a probability and the threshold."""
    card = page.get_by_label("Prediction", exact=True)
    expect(card).to_have_count(1)  # an old one may stand until the page is whole
    expect(card.last).to_be_visible()
    text = card.inner_text()
    assert re.search(r"\b\d{1,2}\s%", text)
    assert "threshold" in text
    return text


def test_from_first_start_to_the_answer(watched: Watched, dicom: Path, tmp_path: Path) -> None:
    page = watched.page
    expect(page.get_by_text("Not a medical device")).to_be_visible()
    expect(page.locator("[class*=st-key-sample-] button")).to_have_count(6)

    # a sample
    page.get_by_role("button", name="Fracture DICOM", exact=True).first.click()
    sample_answer = read_prediction(page)
    assert "Label of this synthetic slice: fracture" in sample_answer
    sample_picture = wait_for_slice(page)
    page.get_by_text("Performance of the model", exact=True).click()
    record = page.get_by_label("Performance of the model")
    for word in ("Sensitivity", "Specificity", "Out-of-fold", "Grouping:"):
        expect(record).to_contain_text(word)
    expect(page.get_by_label("Input check")).to_be_visible()
    assert is_no_wider_than_its_screen(page)

    # the slider redraws the picture, asks the server nothing, and leaves the answer
    settle(page)
    before = pixels(page)
    handle = page.get_by_role("slider", name="Opacity of the heat map")
    if page.viewport_size["width"] < 700:
        expect(handle).to_be_hidden()  # the answer stands right below the picture
        picture = page.locator(".st-key-viewer canvas").bounding_box()
        answer = page.get_by_label("Prediction", exact=True).bounding_box()
        assert answer["y"] - (picture["y"] + picture["height"]) < 200
        page.get_by_text("Window and heat map", exact=True).click()
    handle.focus()
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "([canvas, before]) => canvas.toDataURL() !== before",
        arg=[page.locator(".st-key-viewer canvas").element_handle(), before],
    )
    assert read_prediction(page) == sample_answer
    assert wait_for_slice(page) == sample_picture

    # a DICOM of one's own, without an extension, under a name that is no name
    page.set_input_files("input[type=file]", dicom)
    expect(page.get_by_label("Prediction", exact=True)).not_to_contain_text(
        "Label of this synthetic slice"
    )
    assert "Label of this synthetic slice" not in read_prediction(page)
    expect(page.locator(".st-key-viewer .viewer")).not_to_have_attribute(
        "data-painted", sample_picture
    )
    model_input = page.get_by_text("Model input (after preprocessing)")
    expect(model_input).to_have_count(1)  # one of before stays until the page is drawn
    model_input.click()
    expect(page.get_by_text("From 256 × 256 pixels of DICOM")).to_be_visible()
    assert is_no_wider_than_its_screen(page)

    # something that is no picture
    garbage = tmp_path / "holiday.jpg"
    garbage.write_bytes(b"\xff\xd8\xff\xe0 not a picture at all" * 40)
    page.set_input_files("input[type=file]", garbage)
    alert = page.get_by_role("alert")
    expect(alert).to_be_visible()
    text = alert.inner_text().replace("error", "", 1).strip()
    assert len(text.splitlines()) == 1
    assert "Traceback" not in page.content()
    assert page.get_by_label("Prediction", exact=True).count() == 0

    # and back to a sample
    page.get_by_role("button", name="No fracture PNG", exact=True).first.click()
    assert "Label of this synthetic slice: no fracture" in read_prediction(page)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_every_page_opens_from_the_navigation(watched: Watched) -> None:
    page = watched.page
    phone = page.viewport_size["width"] < 700
    for title in ("Train", "Augmentation", "Metrics", "Models", "Help", "Upload & Predict"):
        if phone:
            page.get_by_test_id("stExpandSidebarButton").click()
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=title).click()
        expect(page.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible()
        settle(page)
        assert page.get_by_role("alert").count() == 0
        assert is_no_wider_than_its_screen(page)


@pytest.mark.parametrize(
    ("address", "title"), [("predict", "Upload & Predict"), ("metrics?view=Slices", "Metrics")]
)
def test_a_link_to_a_page_opens_it_on_a_fresh_server(
    browser: playwright.Browser, tmp_path: Path, address: str, title: str
) -> None:
    require_demonstration()
    with serve(tmp_path) as fresh:
        page = browser.new_page()
        page.goto(f"{fresh}/{address}")
        heading = page.get_by_role("heading", name=title, exact=True, level=1)
        expect(heading).to_be_visible(timeout=PATIENCE)
        settle(page)
        assert page.get_by_role("dialog").count() == 0
        page.close()


def test_metrics_from_a_moved_threshold_to_the_slices_behind_a_number(watched: Watched) -> None:
    page = watched.page
    settle(page)
    if page.viewport_size["width"] < 700:
        page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Metrics", exact=True).click()
    expect(page.get_by_role("heading", name="Metrics", exact=True, level=1)).to_be_visible()
    expect(page.locator(".sf-alert")).to_have_count(2)
    expect(page.locator(".js-plotly-plot")).to_have_count(3)
    settle(page)
    assert is_no_wider_than_its_screen(page)

    # the threshold moves the matrix and is in the address
    missed = page.locator(".st-key-confusion-cell-false-negatives button")
    before = missed.inner_text()
    handle = page.get_by_role("slider")
    handle.focus()
    page.keyboard.press("End")
    expect(missed).not_to_have_text(before)
    expect(page.locator(".st-key-confusion-cell-true-positives button")).to_contain_text(
        "True positives"
    )
    page.wait_for_url(re.compile(r"[?&]t=1"))

    # a cell opens its slices, and the link to them leads there again
    missed.click()
    expect(page.get_by_text("slices: false negatives (missed fractures).")).to_be_visible()
    expect(page.locator("[class*=st-key-slice-]").first).to_be_visible()
    settle(page)
    assert is_no_wider_than_its_screen(page)
    for view in ("Calibration", "Training curves", "Subgroups", "External evaluation"):
        page.get_by_role("radio", name=view, exact=True).click()
        page.wait_for_url(re.compile("view="))
        settle(page)
        assert page.get_by_test_id("stAlertContentError").count() == 0
        assert is_no_wider_than_its_screen(page)


#: Collects what is added, removed or rewritten outside the view, the warnings and the sliders.
_WATCH_OUTSIDE = """() => {
  window.outside = [];
  const inside = '.st-key-augmentation-view, .st-key-augmentation-warnings, '
    + '[class*=st-key-transform-], [data-testid=stStatusWidget], header';
  new MutationObserver(records => records.forEach(record => {
    const element = record.target.closest ? record.target : record.target.parentElement;
    // On a phone Streamlit remounts its toggles by itself; what the server sends is looked at too.
    const toggle = element && element.querySelector('[data-testid=stCheckbox], .stCheckbox');
    if (element && element.closest('.stMain') && !element.closest(inside) && !toggle)
      window.outside.push([record.type, element.className, element.textContent.slice(0, 80),
        ...[...record.addedNodes, ...record.removedNodes].map(node => node.nodeName)].join(' | '));
  })).observe(document.body, {childList: true, characterData: true, subtree: true});
}"""


def test_a_slider_of_the_augmentation_redraws_only_the_grid(watched: Watched) -> None:
    page = watched.page
    settle(page)
    received: list[bytes] = []

    def listen(socket: playwright.WebSocket) -> None:
        socket.on(
            "framereceived",
            lambda frame: received.append(frame if isinstance(frame, bytes) else frame.encode()),
        )

    page.on("websocket", listen)
    page.reload()  # so that the connection is one that is listened to
    if page.viewport_size["width"] < 700:
        page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Augmentation").click()
    copies = page.locator(".sf-augmented-grid figure:not(.original) img")
    expect(copies).to_have_count(24)
    expect(page.get_by_role("status").filter(has_text="No transform removes")).to_be_visible()
    settle(page)
    lead = b"In every epoch, training slices"
    assert any(lead in frame for frame in received)

    before = copies.first.get_attribute("src")
    page.evaluate(_WATCH_OUTSIDE)
    received.clear()
    page.locator(".st-key-transform-rotation").get_by_role("slider").first.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    expect(copies.first).not_to_have_attribute("src", before or "")
    settle(page)
    assert page.evaluate("() => window.outside") == []
    # The server ran the fragment: it sent pictures, and nothing of the page around it.
    assert any(b"Copy in epoch 24" in frame for frame in received)
    assert not any(lead in frame or b"Image size" in frame for frame in received)
    assert is_no_wider_than_its_screen(page)

    for view in ("Transforms", "Animation", "Histogram", "Diagnostics", "Apply and export", "Grid"):
        page.get_by_role("radio", name=view, exact=True).click()
        settle(page)
        assert page.get_by_test_id("stAlertContentError").count() == 0
        assert is_no_wider_than_its_screen(page)
    page.get_by_role("button", name="Next seed").click()
    expect(page.get_by_text("Seed 1, slice 1, epochs 1 to 24")).to_be_visible()
