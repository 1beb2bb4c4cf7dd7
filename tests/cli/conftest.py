"""Commands on saved models, run in this process in a home of the test's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from spinefrac import settings
from spinefrac.cli import main
from spinefrac.data.phantom import write_phantom
from spinefrac.data.phantom.dicom import to_dicom
from spinefrac.data.phantom.rendering import Series, render


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


@pytest.fixture(scope="session")
def phantom_slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic slices of six patients, as PNG."""
    folder = tmp_path_factory.mktemp("phantom") / "slices"
    write_phantom(folder, patients=6, slices=4, seed=3, size=256)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def run_json(capsys: pytest.CaptureFixture[str]):
    """Run a command with ``--json``; return its status and the value on stdout."""

    def command(*arguments: object):
        status = main([*map(str, arguments), "--json"])
        out = capsys.readouterr().out
        return status, json.loads(out) if out else None

    return command


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six slices of one phantom as DICOM, named against their order, and a text beside them."""
    if not (settings.models_dir() / "phantom-demo").is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    folder = tmp_path_factory.mktemp("scan") / "study"
    folder.mkdir()
    series = Series(patients=2, slices=6, seed=77, difficulty="standard", size=256)
    for number in range(6):
        image = render(1, number, patients=2, slices=6, seed=77, size=256)
        (folder / f"im{number}").write_bytes(to_dicom(image, series, 1, number))
    (folder / "notes.txt").write_text("no slice")
    return folder
