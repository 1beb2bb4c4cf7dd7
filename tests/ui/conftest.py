"""Fixtures for the tests of the pages."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

from spinefrac import settings
from spinefrac.training import runs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True, scope="session")
def packages_are_read_once() -> Iterator[None]:
    """Keep which packages bring components: each new AppTest reads the metadata of all of them."""
    with pytest.MonkeyPatch.context() as patch:
        kept = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", kept)
        yield


@pytest.fixture(autouse=True)
def no_throughput_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure no training speed in a process beside the tests: tests/training/runs does."""
    monkeypatch.setattr(runs, "start_throughput_probe", lambda settings: False)


@pytest.fixture
def from_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run pages as from app.py, whose folder Streamlit puts on the path."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def demonstration() -> Path:
    """Folder of the demonstration model."""
    folder = settings.models_dir() / "phantom-demo"
    if not folder.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    return folder


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without models."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def own_home(
    demonstration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_checkout: None
) -> Path:
    """A home with the demonstration model, and a history that is on."""
    (tmp_path / "models").symlink_to(demonstration.parent, target_is_directory=True)
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    monkeypatch.delenv("SPINEFRAC_HISTORY", raising=False)
    return tmp_path
