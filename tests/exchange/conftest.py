"""The same homes and saved models as in the tests of `spinefrac.store`."""

from tests.store.conftest import home, new_model, saved_model

__all__ = ["home", "new_model", "saved_model"]
