"""All pages under the headers of `spinefrac serve`, and nobody else is asked anything."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.browser.test_app_browser import Watched, expect, playwright
from tests.cli.test_serve import Server
from tests.support.browser import FLAGS, PATIENCE, ROOT, find_chromium, settle

pytestmark = pytest.mark.browser

TRACER = ROOT / "tests" / "support" / "trace"
STREAMLIT = ("-m", "streamlit", "run", str(ROOT / "app.py"))
PAGES = ("Train", "Augmentation", "Metrics", "Models", "Help", "Upload & Predict")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the model that ships and a folder of slices."""
    from spinefrac.data import phantom

    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "models" / "phantom-demo", folder / "models" / "phantom-demo")
    phantom.write_phantom(folder / "data" / "slices", patients=6, slices=2, seed=1)
    return folder


@pytest.fixture(scope="module", params=["serve", "streamlit run"])
def server(request: pytest.FixtureRequest, home: Path) -> Iterator[Server]:
    """A server whose connections are traced."""
    trace = home / f"trace-{request.param.replace(' ', '-')}.txt"
    trace.write_text("")
    environment = {"SPINEFRAC_TRACE": str(trace), "PYTHONPATH": f"{TRACER}:{ROOT}"}
    if request.param == "serve":
        found = Server(home, **environment)
        found.wait()
    else:
        found = Server(home, command=STREAMLIT, port_option="--server.port", **environment)
        found.wait("/_stcore/health")
    found.trace, found.is_guarded = trace, request.param == "serve"
    yield found
    found.stop()


def connect_from(origin: str, server: Server) -> bytes:
    """Ask for a page connection as a page of another origin would; return the status line."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(
            (
                f"GET /_stcore/stream HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                f"Origin: {origin}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )
        return connection.recv(1000).split(b"\r\n")[0]


@contextmanager
def launched(*flags: str) -> Iterator[playwright.Browser]:
    """Launch a browser."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium is installed")
    expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=[*FLAGS, *flags])
        yield browser
        browser.close()


def test_a_link_to_a_page_asks_for_nothing_that_is_missing(server: Server) -> None:
    missing: list[str] = []
    with launched() as browser:
        watched = Watched(browser.new_page())
        watched.page.on("response", lambda one: one.ok or missing.append(one.url))
        watched.page.goto(f"{server.client.address}/models?model=phantom-demo")
        expect(watched.page.get_by_role("heading", level=1)).to_be_visible()
        settle(watched.page)
    if server.is_guarded:
        assert missing == [] and watched.errors == []
    else:  # Streamlit's own HTML does not say where the server is
        assert {url.rpartition("/_stcore/")[2] for url in missing} == {"health", "host-config"}


def test_a_name_that_is_rebound_to_this_machine_opens_nothing(server: Server) -> None:
    """A page of another site can have its own name resolve to 127.0.0.1."""
    with launched("--host-resolver-rules=MAP evil.example 127.0.0.1") as browser:
        page = browser.new_page()
        answer = page.goto(f"http://evil.example:{server.port}/models")
        if server.is_guarded:
            assert answer.status == 403
        else:  # whoever comes under another name is not at the machine itself
            expect(page.get_by_text("nobody is invited yet")).to_be_visible()
            expect(page.get_by_role("heading", name="Models")).to_have_count(0)


def test_all_pages_work_and_no_foreign_host_is_contacted(server: Server) -> None:
    with launched() as browser:
        watched = Watched(browser.new_page(viewport={"width": 1440, "height": 900}))
        use_all_pages(watched.page, server.client.address)
        assert connect_from("http://evil.example", server).split()[1] == b"403"
    assert watched.errors == []  # what a policy forbids is an error in the console
    assert watched.hosts <= {"127.0.0.1", ""}
    connected = [line for line in server.trace.read_text().splitlines() if is_foreign(line)]
    assert connected == []


def is_foreign(line: str) -> bool:
    """Return whether a traced line names more than this machine; a socket file is no host."""
    address = line.partition(" ")[2]
    return not re.search(r"127\.0\.0\.1|::1|localhost|^'/|^b'|^None", address)


def use_all_pages(page: playwright.Page, address: str) -> None:
    """Predict on a sample, and open every page from the navigation."""
    page.goto(address)
    page.get_by_role("button", name="Fracture DICOM", exact=True).first.click()
    expect(page.get_by_label("Prediction", exact=True)).to_have_count(1)
    viewer = page.locator(".st-key-viewer .viewer")
    expect(viewer).to_have_attribute("data-painted", re.compile("."))
    for title in PAGES:
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=title).click()
        expect(page.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible()
        settle(page)
        if title == "Metrics":
            expect(page.locator(".js-plotly-plot").first).to_be_visible()


def test_a_foreign_line_is_noticed() -> None:
    assert is_foreign("socket.connect ('8.8.8.8', 1)")
    assert is_foreign("socket.getaddrinfo 'checkip.amazonaws.com'")
    assert not is_foreign("socket.connect ('127.0.0.1', 8501)")
