"""A run in a terminal: a line an epoch, and a row a fold."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from spinefrac.cli import progress_view
from spinefrac.errors import SpinefracError
from spinefrac.records import EpochRecord
from spinefrac.training import runs
from spinefrac.training.runner.journal import RunJournal
from spinefrac.training.runs import database
from spinefrac.training.runs.commands import record_state
from spinefrac.training.settings import TrainingSettings
from tests.support.runs import submit


@pytest.fixture
def run(home: Path, phantom_slices: Path) -> runs.Run:
    """A queued run with one epoch of its first fold."""
    queued = submit(phantom_slices, TrainingSettings(folds=2, epochs=4))
    journal = RunJournal(queued.id, 1)
    journal.record_epoch(EpochRecord(0, 1, 0.6931, 0.7, 0.75, 1e-3, 2.0), 40.0)
    return queued


def test_an_epoch_is_one_line(run: runs.Run) -> None:
    (event,) = runs.list_events(run.id, kinds=["epoch"])
    line = progress_view._format_epoch(event, run)
    assert "\n" not in line
    for part in ("fold 1/2", "epoch 1/4", "0.6931", "AUC 0.750"):
        assert part in line


def test_an_attempt_after_the_first_is_said(
    run: runs.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with database.write_transaction() as connection:
        record_state(connection, run.id, "continued", 2)
    (event,) = [event for event in runs.list_events(run.id) if event.message == "continued"]
    progress_view._print_event(event, run)
    assert capsys.readouterr().err == "resumed from checkpoint\n"


def test_every_fold_has_its_row(run: runs.Run) -> None:
    text = io.StringIO()
    console = Console(file=text, width=120)
    console.print(progress_view._render_bars(runs.get_progress(run.id)))
    rows = text.getvalue().splitlines()
    assert [row.split()[0] for row in rows] == ["fold", "fold", "all"]
    assert "epoch 1/4" in rows[0] and "AUC 0.750" in rows[0]


def test_a_run_that_was_cancelled_has_no_result(
    run: runs.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.cancel(run.id)
    with pytest.raises(SpinefracError):
        progress_view.watch_run(runs.get_run(run.id), as_json=True, on_interrupt="leave")
    out, err = capsys.readouterr()
    assert out == "" and "fold 1/2 epoch 1/4" in err
