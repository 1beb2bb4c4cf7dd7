"""A real Chromium and real servers, for the tests that drive the pages."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30_000  # ms: an upper bound on a busy machine, not a measure of speed

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_APPS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: The app as a user starts it; the port follows.
STREAMLIT = ("-m", "streamlit", "run", "app.py", "--server.headless", "true", "--server.port")


def find_chromium() -> str | None:
    """Return the system's Chromium or Chrome."""
    found = (shutil.which(name) for name in CHROMIUM_NAMES)
    apps = (path for path in MAC_APPS if Path(path).exists())
    return next((path for path in (*found, *apps) if path), None)


def find_free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_server(
    port: int,
    log: Path,
    command: Sequence[str] = STREAMLIT,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server in a process of its own; return it once it answers.

    Parameters
    ----------
    port : int
    log : Path
        What it prints is added there.
    command : sequence of str
        Arguments of the interpreter; the port is added.
    environment : mapping, optional
        Variables beside those of this process.
    """
    with log.open("a") as file:
        server = subprocess.Popen(
            [sys.executable, *command, str(port)],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
    # Without the proxies that another test may have had: urllib keeps those of its first request.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        if server.poll() is not None:
            break
        try:
            with direct.open(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return server
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    server.kill()
    server.wait()
    pytest.fail(f"the app did not start:\n{log.read_text()}")


@contextmanager
def serve(
    folder: Path,
    command: Sequence[str] = STREAMLIT,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
) -> Iterator[str]:
    """Run a server, its log in `folder`; give its address. A traceback in the log fails.

    Parameters
    ----------
    folder : Path
    command, environment
        As for `start_server`.
    port : int, optional
        A free one where none is given.
    """
    port, log = port or find_free_port(), folder / "log.txt"
    server = start_server(port, log, command, environment)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)
    assert "Traceback" not in log.read_text()


def settle(page: Page) -> None:
    """Wait until the server has finished this rerun.

    Not on a page with a fragment that is drawn again every second: on a busy machine such a page
    hardly ever rests.
    """
    page.wait_for_function(
        "() => document.querySelector('[data-test-script-state]')"
        "?.getAttribute('data-test-script-state') === 'notRunning'"
    )


def is_no_wider_than_its_screen(page: Page) -> bool:
    """Return whether nothing of a page has to be scrolled to sideways."""
    return page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
