"""The threshold of the overview and the cells of its confusion matrix."""

from __future__ import annotations

from pathlib import Path

from spinefrac.evaluation.metrics import compute_metrics
from spinefrac.store import repository
from spinefrac.ui.metrics import overview, slices
from spinefrac.wording import CONFUSION_CELLS, format_count
from tests.ui.metrics.support import checked, page, text


def test_threshold_moves_the_numbers_and_warns(home: Path) -> None:
    app = page(models=["good"])
    own = repository.load("good").metrics.confusion_matrix
    assert f"{own[1][1]:,}" in app.button(key="confusion-cell-true-positives").label
    app.slider(key="t").set_value(0.0).run()
    checked(app)
    assert app.button(key="confusion-cell-false-negatives").label.startswith("**0**")
    assert "the metrics below are too optimistic" in text(app)


def test_a_cell_of_the_matrix_opens_its_slices(home: Path) -> None:
    app = page(models=["good"])
    (_, alarms), _ = repository.load("good").metrics.confusion_matrix
    app.button(key="confusion-cell-false-positives").click().run()
    checked(app)
    app.run()
    assert f"{format_count(alarms, 'slice')}: false positives (false alarms)" in text(app)
    assert "listed without images" in text(app)  # the data set is not here


def test_titles_are_those_of_scikit_learn() -> None:
    metrics = compute_metrics([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.8], list("abcd"), 0.5)
    html = overview.render_metrics(metrics) + overview.render_other_metrics(metrics)
    for title in ("ROC AUC", "Sensitivity (recall)", "PPV (precision)", "Brier score", "(MCC)"):
        assert title in html


def test_cells_of_the_confusion_matrix_open_the_slices_they_count() -> None:
    """A cell's name and the slices that its option selects are the same."""
    for row in overview.CONFUSION_CELLS:
        for option, cell in row:
            assert slices.FILTER_TITLES[option] == CONFUSION_CELLS[cell][1]
