"""A session has so many runs in the queue, and no more than the queue takes."""

from pathlib import Path

import pytest

from spinefrac.system import budgets
from spinefrac.training import runs
from tests.ui.train.conftest import data, root  # noqa: F401
from tests.ui.train.support import only_error, page, press_train


def test_runs_over_the_share_are_refused_until_one_has_ended(
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budgets.RUNS, "share", 1)
    app = page("data/spines", train="New run")
    press_train(app)
    (run,) = runs.list_runs()
    app.session_state["train"] = "New run"
    app.run()
    app.text_input(key="train-name").set_value("another").run()
    press_train(app)
    assert "at most 1 queued runs in one session" in only_error(app)
    runs.cancel(run.id)
    press_train(app)
    assert not app.error and {run.name for run in runs.list_runs()} >= {"another"}
