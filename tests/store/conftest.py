"""One real save serves all tests of saved models: TensorFlow alone takes seconds to import."""

import shutil
from pathlib import Path

import pytest

from spinefrac.store import repository
from tests.support.sharing import share


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


def save_shared(
    tmp_path_factory: pytest.TempPathFactory, home: Path, temperature: float
) -> repository.SavedModel:
    """Copy the model that `tiny_model` makes into a home; it is trained and saved once a run."""

    def make(folder: Path) -> None:
        from spinefrac.exchange import save_model
        from tests.support import tiny_model

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPINEFRAC_HOME", str(folder))
            save_model.save(tiny_model.new_model(temperature=temperature))

    source = share(tmp_path_factory, f"tiny-{temperature}", make)
    shutil.copytree(source, home, dirs_exist_ok=True)
    return repository.load("tiny")


@pytest.fixture(scope="module")
def saved_model(home, tmp_path_factory):
    return save_shared(tmp_path_factory, home, temperature=1.5)
