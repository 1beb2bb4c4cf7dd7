"""The page Models in a real Chromium, beside a second session that uses the same models."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spinefrac import settings
from spinefrac.store import manage, repository, trash
from tests.support.browser import PATIENCE, is_no_wider_than_its_screen, serve, settle

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

pytestmark = pytest.mark.browser

#: The app as a user starts it, but what a session deleted is freed a second after its end.
START = (
    "import sys; sys.path.insert(0, '.')\n"
    "from spinefrac.ui.models import undo; undo.RECONNECT_GRACE_S = 1.0\n"
    "from streamlit.web.cli import main; main(sys.argv[1:])\n"
)
COMMAND = ("-c", START, "run", "app.py", "--server.headless", "true", "--server.port")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the demonstration and a copy of it."""
    source = settings.models_dir() / "phantom-demo"
    if not source.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    shutil.copytree(source, tmp_path / "models/phantom-demo")
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    manage.duplicate("phantom-demo", "second")
    return tmp_path


@pytest.fixture
def url(home: Path, tmp_path: Path) -> Iterator[str]:
    with serve(tmp_path, COMMAND) as address:
        yield address


def test_two_sessions_at_one_shelf(browser: playwright.Browser, url: str, home: Path) -> None:
    expect.set_options(timeout=PATIENCE)
    contexts = [browser.new_context(viewport={"width": 390, "height": 844}) for _ in range(2)]
    manager, user = (context.new_page() for context in contexts)
    for page in (manager, user):
        page.set_default_timeout(PATIENCE)
    manager.goto(f"{url}/models")
    expect(manager.locator(".sf-model-row")).to_have_count(2)
    settle(manager)
    assert is_no_wider_than_its_screen(manager)

    # the other session predicts with the model that is about to be renamed and deleted
    user.goto(url)
    user.get_by_role("combobox", name=re.compile("Model")).click()
    user.get_by_role("option", name=re.compile("second")).click()
    user.get_by_role("button", name="Fracture DICOM", exact=True).first.click()
    expect(user.get_by_label("Prediction", exact=True)).to_be_visible()

    manager.locator(".st-key-open-second button:visible").click()
    expect(manager.locator(".st-key-model-card")).to_be_visible()
    manager.get_by_role("button", name="Rename").click()
    dialog = manager.get_by_role("dialog")
    dialog.get_by_role("textbox", name="New name").fill("third")
    dialog.get_by_role("button", name="Rename").click()
    manager.wait_for_url(re.compile("model=third"))
    assert is_no_wider_than_its_screen(manager)

    user.get_by_role("button", name="No fracture PNG", exact=True).first.click()
    expect(user.get_by_role("alert").first).to_contain_text("second is now named third")

    # deleting asks once and can be undone; the space is freed when the session has ended
    for last in (False, True):
        manager.get_by_role("button", name="Delete").click()
        manager.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(manager.get_by_text("was deleted. You can restore it")).to_be_visible()
        assert [entry.id for entry in trash.list_restorable()] == ["third"]
        if not last:
            manager.get_by_role("button", name="Restore").click()
            manager.locator(".st-key-open-third button:visible").click()
            expect(manager.locator(".st-key-model-card")).to_be_visible()
            settle(manager)
            assert repository.load("third")
    contexts[0].close()
    deadline = time.monotonic() + PATIENCE / 1000
    while trash.list_restorable() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert trash.list_restorable() == []
    contexts[1].close()


def test_ticked_models_are_compared_on_the_metrics_page(
    browser: playwright.Browser, url: str, home: Path
) -> None:
    expect.set_options(timeout=PATIENCE)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(f"{url}/models")
    for name in ("phantom-demo", "second"):
        page.locator(f".st-key-select-model-{name} label").click()
        settle(page)
    page.get_by_role("button", name="Compare 2").click()
    expect(page.get_by_role("heading", name="Metrics", exact=True, level=1)).to_be_visible()
    expect(page.get_by_text("Disagreement").first).to_be_visible()
    page.close()
