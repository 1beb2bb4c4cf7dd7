"""The page Models run as Streamlit runs it, and what other pages know of models."""

from __future__ import annotations

from pathlib import Path

from spinefrac.store import manage
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
