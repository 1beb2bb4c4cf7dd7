"""The audit of a folder on the Train page: offered, waited for, shown."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.audit import cache
from spinefrac.data import phantom

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture(scope="module")
def slices(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("audit-panel") / "phantom"
    phantom.write_phantom(folder, patients=8, slices=3, seed=5, difficulty="easy", size=256)
    return folder


def find_result(folder):
    return cache.find_by_listing(cache.hash_listing(folder, "auto"))


def panel(folder: str) -> None:
    from pathlib import Path

    from spinefrac.audit import cache
    from spinefrac.ui.train import audit

    result = cache.find_by_listing(cache.hash_listing(folder, "auto"))
    audit.show_audit_panel(Path(folder), result)


def test_the_panel_offers_waits_and_shows(slices):
    app = AppTest.from_function(panel, kwargs={"folder": str(slices)}, default_timeout=60).run()
    app.button(key="audit-start").click().run()
    end = time.monotonic() + 120
    while find_result(slices) is None:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    app.run()
    assert not app.exception
    shown = "\n".join(element.proto.body for element in app.get("html"))
    assert find_result(slices).verdict.capitalize() in shown
    tables = [table.value for table in app.dataframe]
    assert {"fracture", "normal", "property", "value"} <= set(tables[0].columns)
    assert len(tables[-1]) == 8
