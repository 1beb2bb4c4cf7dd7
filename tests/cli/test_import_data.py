"""`spinefrac import`: one JSON object, and the same as the function."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.rsna import write_rsna_download


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def rsna(tmp_path_factory) -> Path:
    """Six phantom patients as the download of RSNA 2022."""
    return write_rsna_download(tmp_path_factory.mktemp("rsna"))


def test_the_command_prints_one_object(rsna, tmp_path):
    arguments = ["import", "rsna", str(rsna), str(tmp_path / "out"), "--per-study", "2", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "spinefrac", *arguments], capture_output=True, text=True, check=True
    )
    result = json.loads(done.stdout)
    assert result["kind"] == "rsna" and result["slices"] == result["fracture"] + result["normal"]
