"""What is said beside the button Train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.train_page import simulate_run
from spinefrac.training import runs
from spinefrac.training.expectation import find_curve
from spinefrac.training.runner import run_names
from spinefrac.training.runs import DurationEstimate, database
from spinefrac.training.settings import TrainingSettings
from spinefrac.ui.train import start
from tests.ui.train.support import SETTINGS, only_error, page, press_train, text


def test_the_work_is_counted_over_folds_and_epochs():
    settings = TrainingSettings(network="compact", folds=5, epochs=10)
    assert start.describe_work(settings, 100) == (
        "5 networks, each trained on about 80 of 100 slices for 10 epochs: 4,000 slices in total."
    )
    said = start.describe_work(replace(settings, network="compact_lite0"), 100)
    assert "share the features of 100 slices in 10 epochs: 1,000 slices in total." in said


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(10, 50, "less than a minute"), (20, 200, "60 s to 3 min"), (600, 610, "10 min")],
)
def test_estimates_are_ranges(low, high, expected):
    estimate = DurationEstimate(seconds=(low + high) / 2, low=low, high=high, basis="")
    assert start.format_estimate(estimate) == expected


def test_what_so_many_patients_reached_on_phantoms_is_said_where_it_was_measured() -> None:
    curve = find_curve(TrainingSettings())
    assert curve is not None
    (fewest, least), (most, _) = curve.points[0], curve.points[-1]
    settings = replace(TrainingSettings(), folds=2)  # half of the groups train
    said = start.describe_expectation(settings, 2 * fewest)
    assert f"trained on about {fewest} patients" in said and "taught with" in said
    reached = f"an AUC of {least.auc:.3f} ({least.low:.3f} to {least.high:.3f})"
    assert f"{reached} in {curve.epochs} epochs" in said
    twice = curve.expect(2 * fewest)
    assert twice is not None and f"{twice.auc:.3f} with twice as many" in said
    assert "twice" not in start.describe_expectation(settings, 2 * most)
    assert start.describe_expectation(settings, 2 * most + 2) == ""
    assert start.describe_expectation(replace(settings, network="resnet50"), 2 * fewest) == ""


def test_the_expectation_follows_the_chosen_network_and_folds(root: Path) -> None:
    app = page("data/spines")
    assert "Each network is trained on about 10 patients: on phantoms of the kind" in text(app)
    app.number_input(key="train-folds").set_value(2).run()
    assert "Each network is trained on about 6 patients" in text(app)
    app.selectbox(key="train-network").set_value("lite0").run()
    assert "about 6 patients: on phantoms, that led" in text(app)
    app.selectbox(key="train-network").set_value("resnet50").run()
    assert "Each network is trained on" not in text(app)


def test_too_many_folds_are_refused_in_one_line(root: Path) -> None:
    app = page("data/spines")
    app.number_input(key="train-folds").set_value(13).run()
    assert "Use 12 folds, the most that works" in only_error(app)
    assert app.button(key="train-start").disabled
    app.number_input(key="train-folds").set_value(3).run()
    assert not app.error and not app.button(key="train-start").disabled


@pytest.mark.parametrize(
    ("name", "said"),
    [("taken", "in use by a saved model"), ("Not A Name", "lower-case letters"), ("../x", "name")],
)
def test_a_name_that_cannot_be_is_refused_in_one_line(root: Path, name: str, said: str) -> None:
    (root.parent / "home" / "models" / "taken").mkdir(parents=True)
    app = page("data/spines")
    app.text_input(key="train-name").set_value(name).run()
    assert said in only_error(app)
    assert app.button(key="train-start").disabled


def test_the_database_of_runs_locked_by_another_program_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_run(root / "spines", "first", "done", [4, 4], SETTINGS)
    app = page("data/spines", train="New run")
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(database.write_transaction.__wrapped__, "__defaults__", (0.1,))
    with database.write_transaction():
        press_train(app)
    assert "has been locked by another program" in only_error(app)
    press_train(app)
    assert not app.error and len(runs.list_runs()) == 2


def test_two_people_who_press_train_get_two_runs(root: Path) -> None:
    first, second = (page("data/spines") for _ in range(2))
    press_train(first)
    press_train(second)
    assert {run.name for run in runs.list_runs()} == {"spines", "spines-2"}
    assert {run.state for run in runs.list_runs()} == {"queued"}


def test_the_same_moment_gives_each_a_name(root: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    request = runs.RunRequest(root / "spines", "", SETTINGS)
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: run_names.submit_with_free_name(request), range(6)))
    assert len({run.id for run in made}) == 6
    names = {"spines", *(f"spines-{number}" for number in range(2, 7))}
    assert {run.name for run in runs.list_runs() if run.state == "queued"} == names


def test_a_double_click_is_one_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "DOUBLE_CLICK_S", 600.0)  # a busy machine is slow to click twice
    app = page("data/spines")
    app.button(key="train-start").click().run()
    app.session_state["train"] = "New run"
    app.run()
    press_train(app)  # the second click of a double click, handled after the first
    assert len(runs.list_runs()) == 1
