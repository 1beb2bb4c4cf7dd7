"""The page Models run as Streamlit runs it, and what other pages know of models."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from spinefrac.store import manage
from spinefrac.ui.common import layout, navigation
from tests.support import app
from tests.support.odd_models import make_odd_models
from tests.ui.models.support import checked, page


def test_archived_models_are_no_choice_elsewhere(home: Path) -> None:
    options = page(name="predict").selectbox(key="model").options
    assert [option.split(" · ")[0] for option in options] == ["phantom-demo", "second"]


def test_a_session_hears_that_its_model_is_gone(home: Path) -> None:
    app = page(name="predict")
    checked(app.selectbox(key="model").select_index(1).run())
    manage.delete("second")
    checked(app.run())
    assert "second was deleted" in app.warning[0].value.replace("\\", "")
    assert "Another model is selected" in app.warning[0].value


def test_every_page_comes_up_beside_a_hundred_odd_folders(small, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    shutil.copytree(small.path, tmp_path / "models" / "whole")
    odd = make_odd_models(tmp_path / "models", small.path)
    for name in navigation.PAGES:
        run = app.page(name).run()
        assert not run.exception
        assert not [error for error in run.error if "Unexpected" in error.value], name
    folded = [box.label for box in app.run_page("metrics").expander if "damaged" in box.label]
    assert folded == [f"{len(odd)} damaged models"]
    listing = app.run_page("models")
    assert app.html(listing).count('"sf-model-row damaged"') == len(odd)
    assert len([button for button in listing.button if button.label == "Delete"]) == len(odd)


def test_an_odd_folder_is_deleted_and_restored(small, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    shutil.copytree(small.path, tmp_path / "models" / "whole")
    folder = tmp_path / "models" / os.fsdecode(b"line\nbreak-\xff")
    folder.mkdir()
    listing = app.run_page("models")
    key = f"delete-{layout.make_key(folder)}"
    checked(listing.button(key=key).click().run())
    listing.button(key=key).click()
    checked(listing.button(key="confirm-delete").click().run())
    assert not folder.exists()
    checked(next(b for b in listing.button if b.label == "Restore").click().run())
    assert folder.is_dir()
