"""The demonstration model in a new HOME; tests/test_packaging.py has it come from a wheel."""

import pytest

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.store import repository, shipped

DEMO = repository.DEMO_MODEL_ID


@pytest.fixture(autouse=True)
def installed(monkeypatch, tmp_path):
    """An installed package, with the models of this checkout, and a new HOME."""
    if not (settings.shipped_models_dir() / DEMO).is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    source = tmp_path / "shipped"
    source.mkdir()
    (source / DEMO).symlink_to(settings.shipped_models_dir() / DEMO)
    monkeypatch.setattr(settings, "is_checkout", lambda: False)
    monkeypatch.setattr(settings, "shipped_models_dir", lambda: source)
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))


def test_a_new_home_gets_it_once():
    shipped.provide_models()
    model = repository.load(DEMO)
    assert not model.path.is_symlink()
    for path in model.path.iterdir():
        path.unlink()
    model.path.rmdir()
    shipped.provide_models()
    assert not model.path.exists(), "whoever deleted it does not get it back"


def test_a_checkout_is_left_alone(monkeypatch):
    monkeypatch.setattr(settings, "is_checkout", lambda: True)
    shipped.provide_models()
    assert not settings.models_dir().exists()


def test_a_home_that_cannot_be_written_is_an_error_with_advice(tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(ModelError, match="SPINEFRAC_HOME"):
        shipped.provide_models()
