"""Packages that are hidden from an import."""

import gc
import sys

import pytest

from spinefrac.system.hidden_modules import hide_modules, lean_keras_import


def test_hidden_packages_are_not_found_and_come_back(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with hide_modules("colorsys", "json"):
        with pytest.raises(ModuleNotFoundError):
            import colorsys
        assert sys.modules["json"], "what is imported already stays"
    import colorsys

    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_they_come_back_after_an_error():
    with pytest.raises(RuntimeError), hide_modules("no_such_module"):
        raise RuntimeError
    assert "no_such_module" not in sys.modules


def test_keras_is_imported_without_a_look_for_garbage():
    frozen = gc.get_freeze_count()
    kept = [[number] for number in range(100)]
    with lean_keras_import():
        assert not gc.isenabled()
    assert gc.isenabled() and gc.get_freeze_count() >= frozen + len(kept)
    with pytest.raises(RuntimeError), lean_keras_import():
        raise RuntimeError
    assert gc.isenabled()
