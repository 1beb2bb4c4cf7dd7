"""`spinefrac app`: what Streamlit is asked to run; tests/test_packaging.py starts it."""

import runpy
import sys

import pytest

from spinefrac import settings
from spinefrac.cli import main


@pytest.fixture
def started(monkeypatch):
    """The arguments with which Streamlit was started."""
    calls = []
    monkeypatch.setattr(sys, "argv", ["spinefrac"])
    monkeypatch.setattr(runpy, "run_module", lambda name, run_name: calls.append((name, sys.argv)))
    return calls


def test_the_pages_are_for_this_machine_only(started):
    assert main(["app"]) == 0
    ((module, arguments),) = started
    assert module == "streamlit" and arguments[:3] == [
        "streamlit",
        "run",
        str(settings.app_script()),
    ]
    assert "--server.address=127.0.0.1" in arguments and "--server.headless=false" in arguments


def test_port_and_browser_are_choices(started):
    assert main(["app", "--port", "8600", "--no-browser"]) == 0
    assert {"--server.port=8600", "--server.headless=true"} <= set(started[0][1])
    assert main(["app", "--port", "0"]) == 2
