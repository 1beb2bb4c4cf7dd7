"""An audit in a process of its own: how far it is, and how it ends."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from spinefrac.audit import background, cache
from spinefrac.data import phantom

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture(scope="module")
def slices(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("background") / "phantom"
    phantom.write_phantom(folder, patients=8, slices=3, seed=5, difficulty="easy", size=256)
    return folder


def wait_for(happened, seconds=120):
    end = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


def result_of(folder):
    return cache.find_by_listing(cache.hash_listing(folder, "auto"))


def test_a_result_is_found_and_the_process_ends(slices):
    assert background.read_progress(slices) is None
    background.start_audit(slices)
    assert background.read_progress(slices).running
    wait_for(lambda: not background.read_progress(slices).running)
    assert background.read_progress(slices).error == ""
    assert result_of(slices).images == 24


def test_an_error_is_kept_as_a_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    background.start_audit(tmp_path / "empty")
    wait_for(lambda: not background.read_progress(tmp_path / "empty").running)
    assert "folder is empty" in background.read_progress(tmp_path / "empty").error


def find_worker(folder):
    """Return the process that audits a folder, or None while it has no command line yet."""
    for child in psutil.Process().children():
        try:
            arguments = child.cmdline()
        except psutil.Error:  # another child, which has just ended
            continue
        if "spinefrac.audit.worker" in arguments and str(folder) in arguments:
            return child
    return None


def test_a_killed_audit_is_said_and_can_be_started_again(slices, tmp_path):
    shutil.copytree(slices, tmp_path / "copy")
    folder = tmp_path / "copy"
    background.start_audit(folder)
    wait_for(lambda: find_worker(folder)).kill()  # its command line appears shortly after its start
    wait_for(lambda: not background.read_progress(folder).running)
    assert "stopped before it was done" in background.read_progress(folder).error
    assert result_of(folder) is None
    background.start_audit(folder)
    wait_for(lambda: result_of(folder))


def test_asking_for_progress_loads_nothing_that_an_audit_needs():
    code = (
        "import sys, spinefrac.audit.background\n"
        "print(sorted({'numpy', 'cv2', 'sklearn', 'spinefrac.audit.run'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
