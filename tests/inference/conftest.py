"""The tests answer from a small real model, saved once as the store's tests do."""

import pytest

from tests.store.conftest import home

__all__ = ["home", "saved_model"]


@pytest.fixture(scope="module")
def saved_model(home, tiny):
    """A saved model with temperature 1: its probability is that of ``model.keras``."""
    from spinefrac.exchange import save_model

    return save_model.save(tiny.new_model(temperature=1.0))
