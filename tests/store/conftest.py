"""One real save serves the tests of this folder: TensorFlow alone takes seconds to import."""

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of its own for the module's tests, in force while they run."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def new_model(tiny):
    return tiny.new_model()


@pytest.fixture(scope="module")
def saved_model(home, new_model):
    from spinefrac.exchange import save_model

    return save_model.save(new_model)
