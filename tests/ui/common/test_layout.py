"""Parts of every page: choice of the model, errors, text that is shown letter by letter."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spinefrac.errors import ImageError
from spinefrac.imaging.series_grouping import SeriesSlice
from spinefrac.ui.common import layout
from tests.support.app import click_sample, html, page, run_page

pytestmark = pytest.mark.usefixtures("from_checkout")


def test_markdown_is_shown_letter_by_letter() -> None:
    assert layout.escape_markdown("a_b *c* <d>") == r"a\_b \*c\* \<d\>"


def test_a_link_chooses_a_model_and_the_address_keeps_the_choice(
    empty_home: Path, demonstration: Path
) -> None:
    for name in ("phantom-demo", "another"):
        shutil.copytree(demonstration, empty_home / "models" / name)
    app = page("predict")
    app.query_params["model"] = "another"
    app.run()
    assert app.selectbox(key="model").value.id == "another"
    app.selectbox(key="model").select_index(0).run()
    assert app.selectbox(key="model").value.id == "phantom-demo"
    assert "model" not in app.query_params
    app.selectbox(key="model").select_index(1).run()
    assert app.query_params["model"] in ("another", ["another"])


def test_the_other_saved_model_can_be_chosen(empty_home: Path, demonstration: Path) -> None:
    for name in ("phantom-demo", "another"):
        shutil.copytree(demonstration, empty_home / "models" / name)
    app = run_page("predict")
    assert [option.split(" · ")[0] for option in app.selectbox(key="model").options] == [
        "phantom-demo",
        "another",
    ]
    app.selectbox(key="model").select_index(1).run()
    assert "About another" in html(app)


def test_an_error_is_one_line_and_letter_by_letter(
    demonstration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ImageError("expected a slice, got <b>*this*</b>; choose another")

    app = run_page("predict")
    monkeypatch.setattr(SeriesSlice, "read", fail)
    click_sample(app, 3)
    (error,) = app.error
    assert "\n" not in error.value
    assert error.value == (r"Expected a slice\, got \<b\>\*this\*\<\/b\>\; choose another" + r"\.")


def test_what_nobody_foresaw_is_logged_without_its_message(
    demonstration: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    patient = "^".join(["Doe", "Jane"])  # not a line of source that a traceback would quote

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError(patient)

    app = run_page("predict")
    monkeypatch.setattr(SeriesSlice, "read", fail)
    with caplog.at_level(logging.ERROR):
        click_sample(app, 4)
    assert "Unexpected error" in app.error[0].value
    assert "unexpected RuntimeError" in caplog.text
    assert patient not in caplog.text + app.error[0].value


def test_a_model_that_is_removed_meanwhile_is_named_until_another_is_chosen(
    empty_home: Path, demonstration: Path
) -> None:
    for name in ("phantom-demo", "another"):
        shutil.copytree(demonstration, empty_home / "models" / name)
    app = run_page("predict")
    before = app.selectbox(key="model").value.id
    shutil.rmtree(empty_home / "models" / before)
    app.run()
    (warning,) = app.warning
    text = warning.value.replace("\\", "")
    assert before in text and "Another model is selected" in text
    app.run()
    assert len(app.warning) == 1


def _draw_rows() -> None:
    import streamlit as st

    from spinefrac.errors import ModelError
    from spinefrac.ui.common import layout

    def show(number: int) -> None:
        if number == 1:
            raise ModelError("second.zip is damaged")
        if number == 2:
            raise RuntimeError
        st.text(f"row {number}")

    layout.show_rows(range(4), show)


def test_a_row_that_fails_is_an_error_in_its_place() -> None:
    app = AppTest.from_function(_draw_rows, default_timeout=120).run()
    assert not app.exception
    assert [text.value for text in app.text] == ["row 0", "row 3"]
    assert [error.value.replace("\\", "") for error in app.error] == [
        "second.zip is damaged.",
        "Unexpected error. See the server log for details, or try another file.",
    ]


def test_a_row_of_a_table_that_cannot_be_built_says_so() -> None:
    rows = layout.build_rows(
        [2, 0, 1], lambda number: {"share": 1 / number}, lambda reason: {"note": reason}
    )
    assert rows[0] == {"share": 0.5} and rows[2] == {"share": 1.0}
    assert rows[1].keys() == {"note"} and "Unexpected error" in rows[1]["note"]
