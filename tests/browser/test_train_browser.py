"""Train from the page in a real Chromium, with real processes: nothing but the run decides.

The page is reloaded and looked at by a second browser while a run trains, a second run is
cancelled and resumed, the server is killed with SIGKILL and started anew.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spinefrac.data import phantom
from spinefrac.store import repository
from spinefrac.training import runs
from spinefrac.training.runs import database, estimates
from spinefrac.training.settings import TrainingSettings
from tests.support.browser import find_free_port, is_no_wider_than_its_screen, start_server
from tests.support.watch import let_others_first

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX"),
]

PATIENCE = 180_000  # ms: processes start, TensorFlow loads, folds train, on a busy machine
TURN = 5_000  # ms: so long the list of folders is waited for before it is opened again


class Server:
    """The app as a user starts it, on a port of its own, that can be killed and started anew."""

    def __init__(self, log: Path) -> None:
        self.port, self.log = find_free_port(), log
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process = start_server(self.port, self.log)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose home is empty and whose data root holds a phantom of six patients."""
    place = tmp_path_factory.mktemp("train")
    phantom.write_phantom(
        place / "data" / "tiny", patients=6, slices=4, seed=3, difficulty="easy", size=256
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(place / "home"))
        patch.setenv("SPINEFRAC_DATA_ROOTS", str(place / "data"))
        with database.write_transaction() as connection:  # so that the page need not measure it
            estimates.record_rate(connection, TrainingSettings(), rate=20.0, overhead=30.0)
        server = Server(place / "log.txt")
        try:
            yield server
        finally:
            server.kill()
            stop_runs()
    assert "Traceback" not in server.log.read_text()


def stop_runs() -> None:
    """End what trains in the home of the test."""
    for run in runs.list_runs():
        if run.is_open:
            runs.cancel(run.id)
    runner = runs.get_runner_state()
    if runner is not None:
        os.kill(runner.pid, signal.SIGTERM)


def opened(browser: playwright.Browser, address: str) -> playwright.Page:
    """Open an address in a browser of its own, as another person does."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page = context.new_page()
    page.goto(address)
    return page


def button(page: playwright.Page, key: str) -> playwright.Locator:
    """Return a button by its key; one with help stands there twice, for mouse and for finger."""
    return page.locator(f".st-key-{key} button").first


def train(page: playwright.Page, epochs: int) -> str:
    """Fill the form, press Train, and return the run's id from the address."""
    page.get_by_role("radio", name="New run", exact=True).click()
    choose_folder(page, "tiny")
    expect(page.get_by_text("24: ")).to_be_visible()
    start = button(page, "train-start")
    page.get_by_text("Advanced settings", exact=True).click()
    for label, value in (
        ("Folds (k)", 2),
        ("Image size, pixels", 48),
        ("Pretraining on synthetic lines, batches", 0),
        ("Epochs", epochs),
    ):
        field = page.get_by_label(label, exact=True)
        field.fill(str(value))
        field.press("Enter")
    # Where the page knows the last field, it knows those before.
    expect(page.get_by_text(re.compile(rf"^2 networks.* {epochs} epochs"))).to_be_visible()
    expect(start).to_be_enabled()
    assert page.locator(".sf-examples img").count() == 10
    start.click()
    page.wait_for_url(re.compile("run="))
    return re.search(r"run=([\w-]+)", page.url)[1]


def choose_folder(page: playwright.Page, name: str) -> None:
    """Choose a folder from the list, which closes where the page is drawn meanwhile."""
    option = page.get_by_role("option", name=re.compile(name)).first
    for _ in range(PATIENCE // TURN):
        page.get_by_role("combobox", name=re.compile("Folder")).click()
        try:
            option.click(timeout=TURN)
            return
        except playwright.TimeoutError:
            page.keyboard.press("Escape")
    pytest.fail(f"the list of folders never stayed open long enough to choose {name}")


def epoch(page: playwright.Page, fold: int = 0) -> int:
    return int(re.search(r"epoch (\d+)/", page.locator(".fold .epoch").nth(fold).inner_text())[1])


def at_work(page: playwright.Page) -> None:
    """Wait until an epoch is done and the run still goes on."""
    expect(page.locator(".fold .epoch").first).to_have_text(re.compile(r"epoch [1-9]"))
    expect(page.locator(".sf-run .sparkline[src]").first).to_be_visible()


def test_a_run_lives_outside_browser_and_server(
    server: Server, browser: playwright.Browser
) -> None:
    page = opened(browser, f"{server.url}/train")
    expect(button(page, "way-folder")).to_be_visible()
    first = train(page, epochs=400)
    at_work(page)
    let_others_first(runs.get_runner_state().pid)  # that it goes on is enough

    # reloaded, and on a colleague's machine, it shows the same
    page.reload()
    at_work(page)
    colleague = opened(browser, f"{server.url}/train")
    at_work(colleague)
    assert is_no_wider_than_its_screen(colleague)
    seen = epoch(page)

    # a second run waits; the first is cancelled and the second takes its place
    second = train(colleague, epochs=3)
    assert second != first
    expect(colleague.locator(".sf-run .head")).to_contain_text("queued, next")
    button(page, "train-cancel").click()
    expect(page.locator(".sf-run .head")).to_contain_text("cancelled")
    assert runs.get_run(first).state == "cancelled"

    # the server is killed while the second run trains: the run goes on, and is shown again
    expect(colleague.locator(".sf-run .head")).to_contain_text(
        re.compile("preparing|training|done")
    )
    runner = runs.get_runner_state()
    server.kill()
    assert runner is not None and runs.get_runner_state() is not None
    assert runs.get_runner_state().pid == runner.pid
    server.start()
    again = opened(browser, f"{server.url}/train?train=Runs&run={second}")
    expect(again.locator(".sf-run .head")).to_contain_text("done")
    assert runs.get_run(second).attempts == 1

    # the first goes on where it was stopped; a cancelled run can be cancelled again
    again.get_by_role("link", name=runs.get_run(first).name, exact=True).click()
    again.wait_for_url(re.compile(first))
    button(again, "train-resume").click()
    expect(button(again, "train-cancel")).to_be_visible()
    expect(again.locator(".sf-run .head")).to_contain_text("training")
    assert epoch(again) >= seen
    button(again, "train-cancel").click()
    expect(again.locator(".sf-run .head")).to_contain_text("cancelled")

    # from the finished run to its model's metrics
    again.get_by_role("link", name=runs.get_run(second).name, exact=True).click()
    again.get_by_role("link", name=re.compile("Metrics of")).click()
    expect(again.get_by_role("heading", name="Metrics", exact=True, level=1)).to_be_visible()
    expect(again.get_by_text(runs.get_run(second).model, exact=True).first).to_be_visible()
    assert [model.id for model in repository.list_models()] == [runs.get_run(second).model]
    repository.load(runs.get_run(second).model)  # it verifies every hash
