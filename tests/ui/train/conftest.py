"""A data root and a home for the Train page; what a runner notes is written by `simulate_run`.

Real runs are in tests/browser and tests/training.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from spinefrac.audit import audit_folder
from spinefrac.training import runs
from spinefrac.training.runs import lease, live
from tests.training.conftest import write_slices

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with one folder of slices, and a home in which it has been audited."""
    place = tmp_path_factory.mktemp("train-page")
    write_slices(place / "data" / "spines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(place / "home"))
        audit_folder(place / "data" / "spines")
    return place


@pytest.fixture
def root(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data root; runs and models are none, and no runner is started."""
    for name in ("spinefrac.db", "spinefrac.db-wal", "spinefrac.db-shm"):
        (data / "home" / "runs" / name).unlink(missing_ok=True)
    shutil.rmtree(data / "home" / "models", ignore_errors=True)
    monkeypatch.setenv("SPINEFRAC_HOME", str(data / "home"))
    monkeypatch.setenv("SPINEFRAC_DATA_ROOTS", str(data / "data"))
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(lease, "_start_runner", lambda token: pytest.fail("a process was started"))
    monkeypatch.setattr(runs, "ensure_runner", lambda: False)
    monkeypatch.setattr(runs.commands.lease, "ensure_runner", lambda: False)
    for reader in (live._progress, live._runs):  # no test waits a second for what it has written
        monkeypatch.setattr(reader, "_interval_s", 0.0)
    st.cache_data.clear()
    yield data / "data"
