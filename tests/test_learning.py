"""The document on learning curves, its plot and what the package brings of them are one."""

import json

import pytest

from docs import draw_learning
from docs.draw_learning import DOCUMENT, DRAWING, RESULTS, SHIPPED

MEASURED = json.loads(RESULTS.read_text("utf-8"))


def test_document_plot_and_package_say_what_was_measured() -> None:
    text, advice = DOCUMENT.read_text("utf-8"), "run `make docs` and commit what it writes"
    assert draw_learning.fill(text, MEASURED) == text, advice
    assert DRAWING.read_text("utf-8") == draw_learning.draw(MEASURED), advice
    assert SHIPPED.read_text("utf-8") == draw_learning.ship(MEASURED), advice


def test_a_cell_that_is_missing_is_said() -> None:
    first, *others = MEASURED["cells"]
    same = [
        c for c in others if (c["method"], c["patients"]) != (first["method"], first["patients"])
    ]
    table = draw_learning.fill(DOCUMENT.read_text("utf-8"), {**MEASURED, "cells": same})
    row = next(line for line in table.splitlines() if draw_learning.TITLES[first["method"]] in line)
    assert row.split(" | ")[1] == "not measured"


def test_a_point_is_the_mean_of_its_seeds_and_the_range_of_their_intervals() -> None:
    cells = [
        {"method": "lite0", "patients": 5, "auc": a, "low": a - 0.1, "high": a + 0.1}
        for a in (0.6, 0.8)
    ]
    made = {**MEASURED, "methods": ["lite0"], "patients": [5, 10], "cells": cells}
    (point,) = draw_learning.summarize(made)["lite0"]
    assert (point["auc"], point["seeds"]) == (0.7, 2)
    assert (point["low"], point["high"]) == pytest.approx((0.5, 0.9))


def test_every_cell_lies_within_its_interval() -> None:
    keys = [(c["method"], c["patients"], c["seed"]) for c in MEASURED["cells"]]
    assert len(keys) == len(set(keys))
    for cell in MEASURED["cells"]:
        assert 0 <= cell["low"] <= cell["auc"] <= cell["high"] <= 1
        assert cell["slices"] == cell["patients"] * MEASURED["slices_a_patient"]
