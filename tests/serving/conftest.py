"""The serving tests answer from a small real model, saved once as the store's tests do."""

import importlib.util
import sys
from pathlib import Path

import pytest

TINY = Path(__file__).resolve().parents[1] / "store" / "tiny.py"


@pytest.fixture(scope="session")
def tiny():
    spec = importlib.util.spec_from_file_location("spinefrac_tests_tiny", TINY)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def saved_model(home, tiny):
    """A saved model with temperature 1: its probability is that of ``model.keras``."""
    from spinefrac.store import write

    return write.save(tiny.new_model(temperature=1.0))
