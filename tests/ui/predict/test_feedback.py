"""Feedback on a prediction and the history, as Streamlit runs them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.inference import history
from tests.support.app import html, run_prediction_parts

PARTS = """
from spinefrac.ui.predict import feedback
st.html("<p>above</p>")
feedback.show_feedback(model, ct, prediction)
feedback.show_history()
"""


def run() -> AppTest:
    return run_prediction_parts(PARTS)


def test_feedback_is_saved_once(own_home: Path) -> None:
    app = run()
    (entry,) = history.list_entries()
    app.button_group(key=f"feedback-{entry.id}").set_value("disagree").run()
    app.text_input(key=f"feedback-note-{entry.id}").set_value("a rib").run()
    assert not app.exception
    (entry,) = history.list_entries()
    assert (entry.verdict, entry.note, entry.times) == ("disagree", "a rib", 1)
    assert "1 prediction, 1 with feedback: 0 agree, 1 disagree" in html(app)


#: Two slices of one shape and place, for which the network returns one probability.
TWO_EMPTY_SLICES = """
import numpy as np
from spinefrac.ui.predict import feedback
number = st.radio("Slice", [0, 1])
pixels = np.zeros_like(ct.pixels)
pixels[0, 0] = number
feedback.show_feedback(model, replace(ct, pixels=pixels), prediction)
"""


def test_slices_of_one_probability_shape_and_place_have_feedback_of_their_own(
    own_home: Path,
) -> None:
    app = run_prediction_parts(TWO_EMPTY_SLICES)
    (first,) = history.list_entries()
    app.button_group(key=f"feedback-{first.id}").set_value("disagree").run()
    app.radio[0].set_value(1).run()
    assert not app.exception
    second, kept = history.list_entries()
    assert (kept.id, kept.verdict, second.verdict) == (first.id, "disagree", "")
    assert app.button_group(key=f"feedback-{second.id}").value is None


def test_a_damaged_history_leaves_the_rest_of_the_page(own_home: Path) -> None:
    (own_home / history.DATABASE_NAME).write_bytes(b"no database" * 500)
    app = run()
    assert any("damaged" in warning.value for warning in app.warning)
    assert "above" in html(app)


def test_a_locked_history_leaves_the_rest_of_the_page(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_BUSY_TIMEOUT_S", 0.1)
    assert history.list_entries() == ()
    holder = sqlite3.connect(own_home / history.DATABASE_NAME, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    app = run()
    assert any("in use by another program" in warning.value for warning in app.warning)
    assert "above" in html(app)
    holder.close()


def test_without_a_history_nobody_is_asked(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINEFRAC_HISTORY", "off")
    app = run()
    assert not (own_home / history.DATABASE_NAME).exists()
    assert not app.button_group
    assert "History is off on this server (SPINEFRAC_HISTORY)" in html(app)


def test_the_history_shows_a_small_picture_where_pictures_are_kept(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (table,) = run().dataframe
    assert "slice" not in table.value.columns
    history.clear()
    monkeypatch.setenv("SPINEFRAC_HISTORY_PICTURES", "on")
    (table,) = run().dataframe
    assert table.value["slice"][0].startswith("data:image/webp;base64,")
