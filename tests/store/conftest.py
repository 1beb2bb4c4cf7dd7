"""One real save serves the tests of this folder: TensorFlow alone takes seconds to import."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TINY = Path(__file__).with_name("tiny.py")


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module that makes a small real model, see `tiny.py`."""
    spec = importlib.util.spec_from_file_location("spinefrac_tests_tiny", TINY)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


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
    from spinefrac.store import write

    return write.save(new_model)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory):
    """A saved model of a few kilobytes that needs no TensorFlow, imported from ONNX."""
    from spinefrac.store import importing
    from tests.store.foreign_onnx_file import onnx_network

    folder = tmp_path_factory.mktemp("small")
    (folder / "small.onnx").write_bytes(onnx_network().SerializeToString())
    given = importing.Answers(scale="0..1", positive_class=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(folder / "home"))
        return importing.import_file(folder / "small.onnx", given=given)


def _left_in(models: Path) -> list[str]:
    """Return the names in a models folder, hidden ones too, but not that of the shelf's lock."""
    return sorted(path.name for path in models.iterdir() if path.name != ".lock")


@pytest.fixture(scope="session")
def left_in():
    """Look into a models folder for what should not be left there."""
    return _left_in
