"""A run as HTML: states, times, folds and their sparklines."""

from __future__ import annotations

import base64
from dataclasses import fields, replace

import pytest

from spinefrac.records import EpochRecord
from spinefrac.training.runs import FoldProgress
from spinefrac.training.runs.records import Run, RunProgress
from spinefrac.ui.train import run_progress


def make_fold(*losses: float, state: str = "training", share: float = 0.5) -> FoldProgress:
    history = tuple(
        EpochRecord(0, epoch, loss, loss, loss, 1e-3, 1.0)
        for epoch, loss in enumerate(losses, start=1)
    )
    return FoldProgress(0, state, len(losses), 4, share, None, "", history)


def make_run(state: str, **values: object) -> Run:
    """Return a run of which nothing else is known."""
    empty = dict.fromkeys(field.name for field in fields(Run))
    plain = {"id": "r1", "name": "first", "stage": "", "interrupted": False, "cancelling": False}
    return Run(**{**empty, **plain, "state": state, **values})


def make_progress(run: Run) -> RunProgress:
    return RunProgress(run, (), 0.0, None, None, (), (), None, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_undefined_numbers_are_drawn_without_error(value: float) -> None:
    fold = make_fold(value)
    (row,) = run_progress.make_fold_rows([fold])
    assert row.sparkline is not None
    svg = base64.b64decode(row.sparkline.source.split(",")[1]).decode()
    assert svg.startswith("<svg") and "nan" not in svg.lower() and "inf" not in svg.lower()
    assert "nan" not in row.auc


def test_a_sparkline_has_a_line_for_training_and_one_for_validation() -> None:
    sparkline = run_progress.draw_sparkline(make_fold(1.0, 0.5, 0.25), 1.0)
    assert sparkline is not None
    svg = base64.b64decode(sparkline.source.split(",")[1]).decode()
    assert svg.count("<polyline") == 2 and svg.count("stroke-dasharray") == 1
    assert sparkline.label == "training loss 0.250, validation loss 0.250"
    assert run_progress.draw_sparkline(make_fold(), 1.0) is None


def test_a_fold_before_its_first_epoch_says_what_it_does() -> None:
    (waiting,) = run_progress.make_fold_rows([make_fold(share=0.0)])
    (fast,) = run_progress.make_fold_rows([replace(make_fold(), images_per_second=96.4)])
    (lost,) = run_progress.make_fold_rows([make_fold(state="lost")])
    assert waiting.state == "building the network" and waiting.tone == "busy"
    (practising,) = run_progress.make_fold_rows([replace(make_fold(share=0.0), practised=0.4)])
    assert practising.epoch == "practice" and practising.share == 0.4
    assert practising.state == "practising on drawn lines"
    assert fast.state == "training, 96 slices/s"
    assert lost.state == "worker lost; resumed from checkpoint"


@pytest.mark.parametrize(
    ("position", "expected"),
    [(1, "queued, next"), (2, "queued, 1 run ahead"), (4, "queued, 3 runs ahead")],
)
def test_a_queued_run_says_how_many_are_ahead(position: int, expected: str) -> None:
    progress = replace(make_progress(make_run("queued")), position=position)
    assert run_progress.describe_state(progress) == (expected, "open")


def test_states_are_adjectives_and_the_stage_of_a_running_one() -> None:
    running = make_progress(make_run("running", stage="saving"))
    assert run_progress.describe_state(running)[0].startswith("saving: ")
    for state, values in (("cancelling", {"cancelling": True}), ("done", {})):
        run = make_run("running" if values else "done", **values)
        assert run_progress.describe_state(make_progress(run))[0] == state


def test_names_and_errors_are_escaped() -> None:
    run = make_run("failed", name="<b>x</b>", error="no <memory>", started=0.0, ended=60.0)
    html = run_progress.render_run(make_progress(run))
    assert "<b>x" not in html and "&lt;b&gt;x" in html
    assert "No &lt;memory&gt;." in html and "duration 60 s" in html
