"""The Train page run as Streamlit runs it: a run from the form to the queue."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from spinefrac.training import runs
from tests.support.app import html
from tests.ui.train.support import only_error, page, press_train, text


def test_train_queues_what_the_form_says(root: Path) -> None:
    app = page("data/spines")
    app.number_input(key="train-folds").set_value(3).run()
    app.number_input(key="train-size").set_value(64).run()
    app.selectbox(key="train-augmentation").set_value("off").run()
    press_train(app)
    (run,) = runs.list_runs()
    assert (run.name, run.state, run.images, run.groups) == ("spines", "queued", 48, 12)
    assert (run.settings.folds, run.settings.preprocessing.size) == (3, 64)
    assert not run.settings.augmentation.is_enabled("rotation")
    assert app.query_params["run"] in (run.id, [run.id])
    assert "queued, next" in text(app)
    # whoever opens its address sees the same
    assert "queued, next" in text(page(train="Runs", run=run.id))
    assert "queued, next" in text(page())  # and who opens the page without one


def test_a_run_that_is_not_there_is_said(root: Path) -> None:
    app = page(run="nonsense-<b>")
    assert "There is no run" in only_error(app)


def test_without_tensorflow_it_says_where_training_can_run(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # as if it were not installed
    app = page("data/spines")
    assert "spinefrac[train]" in html(app)
    assert not [button for button in app.button if button.key in ("train-start", "estimate-start")]
