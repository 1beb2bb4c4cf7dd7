"""Commands on saved models, run in this process in a home of the test's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from spinefrac import settings
from spinefrac.cli import main


@pytest.fixture
def demo_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the demonstration model alone."""
    source = settings.models_dir() / "phantom-demo"
    if not source.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    shutil.copytree(source, tmp_path / "models" / "phantom-demo")
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def run_models(capsys: pytest.CaptureFixture[str]):
    """Run `spinefrac models …`; return status, JSON or text on stdout, and stderr."""

    def command(*arguments: str):
        status = main(["models", *arguments])
        out, err = capsys.readouterr()
        return status, json.loads(out) if "--json" in arguments else out, err

    return command
