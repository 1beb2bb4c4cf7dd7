"""Runs on the page: one in full, and all in a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.train_page import simulate_run
from spinefrac.training import runs
from spinefrac.training.runs import database
from tests.ui.train.support import SETTINGS, page, press_train, text


def test_a_run_that_trains_is_shown_in_full(root: Path) -> None:
    simulate_run(root / "spines", "first", "running", [4, 2], SETTINGS)
    simulate_run(root / "spines", "second", "queued", [], SETTINGS, stage="")
    app = page()
    told = text(app)
    assert app.segmented_control[0].value == "Runs"
    for part in ("epoch 4/4", "epoch 2/4", "96 slices/s", "% ·", "left", "audit of the data: ok"):
        assert part in told.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert told.count("data:image/svg+xml") == 2  # a sparkline a fold
    assert "varies between epochs" in told  # the caveat beside the AUC of a fold
    assert app.button(key="train-cancel").label == "Cancel"
    waiting = next(run for run in runs.list_runs() if run.state == "queued")
    assert "queued, next" in text(page(run=waiting.id))


def test_cancel_and_resume(root: Path) -> None:
    simulate_run(root / "spines", "first", "running", [4, 2], SETTINGS)
    app = page()
    app.button(key="train-cancel").click().run()
    assert not app.exception
    (run,) = runs.list_runs()
    assert run.cancelling
    app.run()
    assert app.button(key="train-cancel").disabled
    with database.write_transaction() as connection:  # what the runner does within a batch
        connection.execute("UPDATE runs SET state = 'cancelled', cancel = 0, ended = started + 9")
        connection.execute("DELETE FROM lease")
    app = page(run=run.id)
    assert "cancelled" in text(app)
    app.button(key="train-resume").click().run()
    assert not app.exception
    assert runs.get_run(run.id).state == "queued"


def test_a_failed_run_says_why(root: Path) -> None:
    run = simulate_run(
        root / "spines", "first", "failed", [1, 0], SETTINGS, error="no <b>memory</b>; use less"
    )
    told = text(page(run=run.id))
    assert "No &lt;b&gt;memory&lt;/b&gt;; use less." in told
    assert "failed" in told


def test_run_again_fills_the_form(root: Path) -> None:
    own = replace(SETTINGS, weight_decay=0.5, patience=3, early_stopping=True)
    run = simulate_run(root / "spines", "first", "cancelled", [4, 1], own)
    app = page(run=run.id)
    app.button(key="train-reuse-settings").click().run()
    assert not app.exception
    assert app.segmented_control[0].value == "New run"
    assert app.number_input(key="train-epochs").value == 4
    assert app.number_input(key="train-seed").value == 7
    assert app.selectbox(key="train-augmentation").value == "from run first"
    assert "48: 24 with a fracture" in text(app)
    press_train(app)
    again = next(run for run in runs.list_runs() if run.state == "queued")
    assert again.settings == own  # also what has no field


def test_history_has_duration_and_result_with_its_interval(root: Path) -> None:
    result = {"oof": {"auc": 0.931, "ci": {"auc": [0.88, 0.964]}}}
    run = simulate_run(
        root / "spines", "first", "done", [4, 4], SETTINGS, model="first", result=result
    )
    told = text(page(train="Runs"))
    assert "0.93 (0.88 to 0.96)" in told and "10 min" in told
    assert f'href="?train=Runs&amp;run={run.id}"' in told


def test_a_run_whose_row_fails_leaves_the_others(root: Path) -> None:
    broken = simulate_run(root / "spines", "first", "failed", [1, 0], SETTINGS)
    simulate_run(root / "spines", "second", "failed", [1, 0], SETTINGS)
    with database.write_transaction() as connection:  # a time that no calendar has
        connection.execute("UPDATE runs SET started = 1e20 WHERE id = ?", (broken.id,))
    told = text(page(train="Runs"))
    assert "Unexpected error" in told and "second" in told


def test_a_dead_runner_is_said(root: Path) -> None:
    run = simulate_run(root / "spines", "first", "running", [1, 0], SETTINGS)
    with database.write_transaction() as connection:
        connection.execute("DELETE FROM lease")
    told = text(page(run=run.id))
    assert "interrupted" in told
