"""Actions on a model, each in its dialog."""

from __future__ import annotations

from pathlib import Path

from spinefrac.store import repository
from tests.ui.models.support import checked, confirm, dialog, page


def test_rename_and_duplicate(home: Path) -> None:
    app = page("second")
    dialog(app, "Rename")
    app.text_input(key="rename-name").set_value("third")
    confirm(app, "Rename", "confirm-rename")
    assert repository.load("third").note == "A <b>note</b>"
    assert app.query_params["model"] == "third"


def test_a_name_in_use_is_said_in_the_dialog(home: Path) -> None:
    app = page("second")
    dialog(app, "Duplicate")
    app.text_input(key="duplicate-name").set_value("phantom-demo")
    confirm(app, "Duplicate", "confirm-duplicate")
    assert "in use" in app.error[0].value


def test_deleting_asks_once_and_can_be_undone(home: Path) -> None:
    app = page("second")
    dialog(app, "Delete")
    assert repository.load("second")
    confirm(app, "Delete", "confirm-delete")
    assert "second" not in [model.id for model in repository.list_models()]
    assert "model" not in app.query_params
    checked(next(b for b in app.button if b.label == "Restore").click().run())
    assert repository.load("second").tags == ("paper",)
