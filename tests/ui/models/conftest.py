"""A home with saved models for the page Models."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from spinefrac import settings
from spinefrac.store import manage

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with the demonstration, a tagged copy and an archived one."""
    source = settings.models_dir() / "phantom-demo"
    if not source.is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    shutil.copytree(source, tmp_path / "models" / "phantom-demo")
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)
    manage.duplicate("phantom-demo", "second")
    manage.annotate("second", note="A <b>note</b>", tags=["paper"])
    manage.duplicate("phantom-demo", "old")
    manage.annotate("old", archived=True)
    yield tmp_path
