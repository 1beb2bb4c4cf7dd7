"""The Train page run as Streamlit runs it: folder, form, queue, and what is shown of runs.

What a runner would have noted is written into the runs' database by `imitate`; real runs are in
tests/browser and tests/training.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from benchmarks.train_page import simulate_run
from spinefrac.audit import audit_folder, background
from spinefrac.training import runs
from spinefrac.training.runner import run_names
from spinefrac.training.runs import database, lease
from tests.support import app as pages
from tests.support.listings import count_listings
from tests.training.conftest import quick_settings, write_slices

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = replace(quick_settings(), epochs=4, seed=7, learning_rate=1e-3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with one folder of slices, and a home in which it has been audited."""
    place = tmp_path_factory.mktemp("train-page")
    write_slices(place / "data" / "spines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(place / "home"))
        audit_folder(place / "data" / "spines")
    return place


@pytest.fixture
def root(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data root; runs and models are none, and no runner is started."""
    for name in ("spinefrac.db", "spinefrac.db-wal", "spinefrac.db-shm"):
        (data / "home" / "runs" / name).unlink(missing_ok=True)
    shutil.rmtree(data / "home" / "models", ignore_errors=True)
    monkeypatch.setenv("SPINEFRAC_HOME", str(data / "home"))
    monkeypatch.setenv("SPINEFRAC_DATA_ROOTS", str(data / "data"))
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(lease, "_start_runner", lambda token: pytest.fail("a process was started"))
    monkeypatch.setattr(runs, "ensure_runner", lambda: False)
    monkeypatch.setattr(runs.commands.lease, "ensure_runner", lambda: False)
    monkeypatch.setattr(runs, "start_throughput_probe", lambda settings: False)
    st.cache_data.clear()
    yield data / "data"


def page(folder: str | None = None, **query: str) -> AppTest:
    """Open the page, with a folder chosen or typed."""
    app = pages.page("train")
    for name, value in query.items():
        app.query_params[name] = value
    if folder is not None:
        app.session_state["train-folder"] = folder
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    parts = [element.proto.body for element in app.get("html")]
    told = [*parts, *(c.value for c in app.caption), *(i.value for i in app.info)]
    return "\n".join([*told, *(block.value for block in app.code)])


def only_error(app: AppTest) -> str:
    (error,) = app.error
    assert "\n" not in error.value
    return error.value.replace("\\", "")


def press_train(app: AppTest) -> AppTest:
    app.button(key="train-start").click().run()
    assert not app.exception
    return app


# --- folder ----------------------------------------------------------------------------------


def test_folders_within_the_roots_can_be_chosen(root: Path) -> None:
    app = page()
    assert app.selectbox(key="train-folder").options == ["data/spines"]
    assert "spinefrac phantom" in text(app)  # how to generate one
    app.selectbox(key="train-folder").set_value("data/spines").run()
    told = text(app)
    assert "48: 24 with a fracture, 24 without" in told
    assert "12; each group stays in one fold" in told
    assert told.count("data:image/webp") == 10
    assert not app.error
    assert any(box.label.startswith("**Audit: ") for box in app.expander)


def test_a_folder_is_listed_once_an_interaction(root: Path) -> None:
    classes = root / "spines" / "fracture"
    with count_listings(classes) as opened:
        app = page("data/spines")
    with count_listings(classes) as redrawn:
        app.run()
    with count_listings(classes) as submitted:
        press_train(app)
    assert len(runs.list_runs()) == 1
    assert [len(opened), len(redrawn), len(submitted)] == [1, 1, 1]


@pytest.mark.parametrize("typed", ["absent", "/etc", "../secret", "leads-out", "\0"])
def test_what_is_not_within_the_roots_is_refused(root: Path, tmp_path: Path, typed: str) -> None:
    write_slices(tmp_path / "secret")
    (root / "leads-out").symlink_to(tmp_path / "secret")
    try:
        app = page(typed)
    finally:
        (root / "leads-out").unlink()
    assert only_error(app).startswith("Expected a folder within ")
    assert not app.get("button")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("empty", "The folder is empty"),
        ("one class", "Expected two classes"),
        ("no classes", "No class folder recognised"),
        ("unreadable", "Of 8 files, no slice of the class"),
    ],
)
def test_a_folder_that_cannot_be_trained_on_says_why(root: Path, what: str, said: str) -> None:
    folder = root / "bad"
    folder.mkdir()
    try:
        if what != "empty":
            names = {"one class": ["fracture"], "no classes": ["left", "right"]}
            for name in names.get(what, ["fracture", "normal"]):
                (folder / name).mkdir()
                for number in range(4):
                    source = root / "spines" / "fracture" / f"P{number:02}_0.png"
                    shutil.copyfile(source, folder / name / source.name)
                    if what == "unreadable":
                        (folder / name / source.name).write_bytes(b"not a picture")
        app = page("data/bad")
        if what == "unreadable":  # the process that reads every slice says so
            for _ in range(600):
                found = background.read_progress(folder)
                if found is None or not found.running:
                    break
                time.sleep(0.1)
            app = page("data/bad")
        assert said in only_error(app)
    finally:
        background.clear_progress(folder)
        shutil.rmtree(folder)


def test_some_unreadable_files_are_named(root: Path) -> None:
    folder = root / "some"
    try:
        shutil.copytree(root / "spines", folder)
        (folder / "normal" / "P01_1.png").write_bytes(b"not a picture")
        audit_folder(folder)
        told = text(page("data/some"))
        assert "1 file, skipped. normal/P01_1.png" in told
        assert "47: 24 with a fracture, 23 without" in told
    finally:
        shutil.rmtree(folder)


def test_a_large_folder_is_not_read_unasked(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spinefrac.ui.train import folder as folder_view

    started: list[Path] = []
    monkeypatch.setattr(background, "start_audit", lambda folder, **_: started.append(folder))
    monkeypatch.setenv("SPINEFRAC_HOME", str(data / "other-home"))  # where it was never audited
    monkeypatch.setattr(folder_view, "AUTO_AUDIT_MAX_FILES", 47)
    app = page("data/spines")
    assert not started
    assert app.button(key="audit-start").label == "Audit this folder"
    assert "48: 24 with a fracture" in text(app)
    assert "The audit is not complete" in text(app)
    monkeypatch.setattr(folder_view, "AUTO_AUDIT_MAX_FILES", 48)
    app.run()
    assert started == [root / "spines"]


# --- form ------------------------------------------------------------------------------------


def test_every_setting_has_its_default_and_a_sentence_of_help(root: Path) -> None:
    from spinefrac.training.settings import TrainingSettings

    app = page("data/spines")
    defaults = TrainingSettings()
    assert app.number_input(key="train-folds").value == defaults.folds
    assert app.number_input(key="train-epochs").value == defaults.epochs
    assert app.number_input(key="train-size").value == defaults.preprocessing.size
    assert app.number_input(key="train-batch-size").value == defaults.batch_size
    assert app.number_input(key="train-learning-rate").value == defaults.learning_rate
    assert app.number_input(key="train-seed").value == defaults.seed
    assert app.toggle(key="train-bone-crop").value == defaults.preprocessing.bone_crop
    assert app.toggle(key="train-early-stopping").value == defaults.early_stopping
    assert app.selectbox(key="train-network").value == defaults.network
    assert app.selectbox(key="train-weights").value == "random"
    assert app.selectbox(key="train-augmentation").value == "standard"
    assert app.selectbox(key="train-grouping").value == "auto"
    fields = [f for f in (*app.number_input, *app.toggle, *app.selectbox, *app.text_input) if f.key]
    assert len(fields) >= 14
    assert [
        f.key for f in fields if f.key.startswith("train-") and not f.proto.help.endswith(".")
    ] == []
    assert "5 networks, each trained on about 38 of 48 slices for 25 epochs: 4,750 slices" in text(
        app
    )


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


def test_a_weights_file_lies_within_the_roots(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.weights.h5").write_bytes(b"x")
    app = page("data/spines")
    app.selectbox(key="train-weights").set_value("file").run()
    app.text_input(key="train-weights-file").set_value(str(tmp_path / "secret.weights.h5")).run()
    assert "Expected a file within" in only_error(app)
    assert "imagenet" not in app.selectbox(key="train-weights").options


def test_the_database_of_runs_locked_by_another_program_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_run(root / "spines", "first", "done", [4, 4], SETTINGS)
    app = page("data/spines", train="New run")
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(database.write_transaction.__wrapped__, "__defaults__", (0.1,))
    with database.write_transaction():
        press_train(app)
    assert "has been kept by another program" in only_error(app)
    press_train(app)
    assert not app.error and len(runs.list_runs()) == 2


# --- queue -----------------------------------------------------------------------------------


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


def test_a_double_click_is_one_run(root: Path) -> None:
    app = page("data/spines")
    app.button(key="train-start").click().run()
    app.session_state["train"] = "New run"
    app.run()
    press_train(app)  # the second click of a double click, handled after the first
    assert len(runs.list_runs()) == 1


# --- runs ------------------------------------------------------------------------------------


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


def test_a_run_that_is_not_there_is_said(root: Path) -> None:
    app = page(run="nonsense-<b>")
    assert "There is no run" in only_error(app)


def test_a_dead_runner_is_said(root: Path) -> None:
    run = simulate_run(root / "spines", "first", "running", [1, 0], SETTINGS)
    with database.write_transaction() as connection:
        connection.execute("DELETE FROM lease")
    told = text(page(run=run.id))
    assert "interrupted" in told
