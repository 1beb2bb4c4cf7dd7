"""The view on what a model was asked about."""

from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from spinefrac.inference import history
from spinefrac.records import CtSlice, InputCheck, ModelInput, Prediction, Square
from spinefrac.store import repository


def save(count: int, grade: str, seed: int) -> None:
    """Save predictions of slices that differ."""
    model = repository.load("phantom-demo")
    rng = np.random.default_rng(seed)
    for _ in range(count):
        pixels = rng.uniform(0, 255, (8, 8)).astype(np.float32)
        check = InputCheck(99.0, grade == "like", "" if grade == "like" else "noisier", grade)
        prediction = Prediction(
            model.id, 0.9, 0.5, (0.9,), None,
            ModelInput(np.zeros((8, 8), np.uint8), Square(0, 0, 8)), check, 1.0,
        )  # fmt: skip
        ct = CtSlice(pixels, calibrated=False, format="png")
        history.save_prediction(ct, prediction, model.card_hash)


SCRIPT = """
from spinefrac.store import repository
from spinefrac.ui.metrics.asked_slices import show_asked_slices

show_asked_slices(repository.load("phantom-demo"))
"""


def show() -> str:
    shown = AppTest.from_string(SCRIPT, default_timeout=60).run()
    assert not shown.exception
    entries = [*shown.warning, *shown.info, *shown.get("html")]
    return " ".join(str(getattr(entry, "value", entry.proto)) for entry in entries)


def test_it_warns_once_the_slices_are_of_another_kind(own_home: Path) -> None:
    assert "No prediction of this model" in show()
    save(25, "like", seed=0)
    shown = show()
    assert "another population" not in shown and "0" in shown
    save(25, "unlike", seed=1)
    assert "another population" in show()
