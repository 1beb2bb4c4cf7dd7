"""The tests predict with a small real model, saved once as the store's tests do."""

import pytest

from tests.store.conftest import home, save_shared

__all__ = ["home", "saved_model"]


@pytest.fixture(scope="module")
def saved_model(home, tmp_path_factory):
    """A saved model with temperature 1: its probability is that of ``model.keras``."""
    return save_shared(tmp_path_factory, home, temperature=1.0)
