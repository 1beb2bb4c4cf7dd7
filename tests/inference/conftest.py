"""The tests predict with a small real model, saved once as the store's tests do."""

import pytest

from tests.store.conftest import home, save_shared
from tests.support.separable import save_separable_model

__all__ = ["home", "saved_model"]


@pytest.fixture(scope="module")
def saved_model(home, tmp_path_factory):
    """A saved model with temperature 1: its probability is that of ``model.keras``."""
    return save_shared(tmp_path_factory, home, temperature=1.0)


@pytest.fixture
def separable(tmp_path, monkeypatch):
    """A model that a band of abstention can be promised for."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    return save_separable_model(tmp_path)
