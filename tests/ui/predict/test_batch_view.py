"""Rows of the table of several files."""

from __future__ import annotations

from spinefrac.inference.batch import SlicePrediction
from spinefrac.records import InputCheck
from spinefrac.ui.common import layout
from spinefrac.ui.predict import batch_view


def test_a_row_has_the_prediction_and_the_input_check() -> None:
    row = batch_view._build_row(
        SlicePrediction(
            "a.png",
            threshold=0.2,
            probability=0.25,
            input_check=InputCheck(score=99.0, typical=False, reason="a colour image"),
            thumbnail=b"RIFF",
        )
    )
    assert row == {
        "Slice": "data:image/jpeg;base64,UklGRg==",
        "File": "a.png",
        "Prediction": "Fracture",
        "Probability": 25.0,
        "Distance percentile": 99.0,
        "Note": "a colour image",
    }


def test_a_row_of_an_unreadable_file_has_the_reason() -> None:
    row = batch_view._build_row(SlicePrediction("a.pdf", error="a PDF document"))
    assert (row["Prediction"], row["Note"]) == ("Unreadable", "a PDF document")
    assert row["Slice"] is None and row["Probability"] is None


def test_a_long_table_is_searched_by_words(monkeypatch) -> None:
    monkeypatch.setattr(layout.st, "text_input", lambda *_, **__: "P01 png")
    predictions = [SlicePrediction(f"fracture/p0{n}_1.PNG") for n in range(9)]
    assert batch_view._search(predictions, range(9)) == [1]
    assert batch_view._search(predictions, [0, 2]) == []
    assert batch_view._search(predictions[:8], range(8)) == range(8), "a short one needs no search"
