"""A home of its own for the tests of users and sign-in."""

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without users."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return tmp_path
