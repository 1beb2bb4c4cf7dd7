"""From folder to saved model, as a run, in real processes."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from spinefrac import settings as places
from spinefrac.errors import Cancelled, DatasetError, ModelError, TrainingError
from spinefrac.records import Preprocessing
from spinefrac.store import repository
from spinefrac.system import processes
from spinefrac.training import checkpoint, runs
from spinefrac.training.runner.cross_validation import load_trained_model, train
from spinefrac.training.runs import RunRequest, database
from spinefrac.training.settings import TrainingSettings
from tests.support.watch import fold_processes, wait_until

pytestmark = pytest.mark.slow


def test_a_folder_becomes_a_model(folder, quick):
    before = _submitted_by_one_who_is_killed(folder)
    places.models_dir().write_text("in the way")
    lines, epochs = [], []

    def on_epoch(record):
        places.models_dir().unlink(missing_ok=True)  # the run before could not be saved
        epochs.append(record)

    model = train(RunRequest(folder, "first", quick), on_log=lines.append, on_epoch=on_epoch)
    card = repository.load("first").card
    assert card.id == model.id == "first"
    assert card.metrics.n == 48 and card.metrics.groups == 12
    assert card.data.group_rule in lines[0]
    oof = model.load_out_of_fold()
    for patient in np.unique(oof.groups):
        assert len(set(oof.folds[oof.groups == patient])) == 1
    assert len(epochs) == 4 and card.keras_onnx_max_difference < 1e-3
    run = runs.get_run("first")
    assert (run.state, run.model, run.attempts) == ("done", "first", 1)
    assert run.result["oof"] == card.metrics.to_dict() and run.result["run"] == run.id
    # What was only needed while training is gone; curves and settings stay.
    left = {path.name for path in runs.run_folder(run.id).iterdir()}
    assert left == {"plan.json", "run.json", "tensorboard"}
    with pytest.raises(ModelError, match="in use"):
        train(RunRequest(folder, "first", quick))
    _tensorboard_reads(run)
    # The run before it outlived who submitted it; one runner did both; the seed gives the same.
    with database.read_transaction() as connection:
        pids = [row["pid"] for row in connection.execute("SELECT pid FROM attempts")]
    assert len(pids) == 2 and len(set(pids)) == 1
    _a_save_that_fails_loses_nothing(before)
    assert np.array_equal(
        load_trained_model(runs.get_run(before)).load_out_of_fold().logits,
        model.load_out_of_fold().logits,
    )


def _submitted_by_one_who_is_killed(folder):
    code = (
        "import sys\nfrom spinefrac.training import runs\n"
        "from tests.training.conftest import quick_settings\n"
        f"run = runs.submit(runs.RunRequest({str(folder)!r}, 'before', quick_settings()))\n"
        "print(run.id, flush=True)\nsys.stdin.read()"
    )
    submitter = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    run = submitter.stdout.readline().strip()
    submitter.kill()
    submitter.wait()
    return run


def _a_save_that_fails_loses_nothing(run):
    """The models' folder was a file when the folds were trained; it has been mended."""
    with pytest.raises(ModelError, match="cannot be written"):
        load_trained_model(runs.get_run(run))
    assert runs.get_run(run).stage == "saving"
    runs.resume(run)
    wait_until(lambda: not runs.get_run(run).is_open)
    assert load_trained_model(runs.get_run(run)).card.metrics.n == 48
    assert runs.get_run(run).attempts == 2
    assert len(runs.list_events(run, kinds=["epoch"])) == 4  # nothing was trained twice


def _tensorboard_reads(run):
    """Beside the run, one folder a fold, as ``tensorboard --logdir runs`` finds them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    history = {record.fold: record for record in _last_epochs(run)}
    for fold in (0, 1):
        logs = EventAccumulator(str(runs.run_folder(run.id) / "tensorboard" / f"fold-{fold}"))
        logs.Reload()
        points = logs.Tensors("loss")
        assert [point.step for point in points] == [1, 2]
        last = make_ndarray(points[-1].tensor_proto)
        assert last == pytest.approx(history[fold].loss, rel=1e-5)
        assert logs.summary_metadata["loss"].plugin_data.plugin_name == "scalars"
        assert {"val_loss", "val_auc", "learning_rate"} <= set(logs.Tags()["tensors"])


def _last_epochs(run):
    return [fold.history[-1] for fold in runs.get_progress(run.id).folds]


def test_real_slices_by_series(shared_data):
    folder = shared_data / "kaggle-csfdv1" / "originals"
    settings = TrainingSettings(folds=2, epochs=1, preprocessing=Preprocessing(size=64))
    model = train(RunRequest(folder, "kaggle", settings))
    assert model.card.metrics.n == 92 and model.card.metrics.groups == 2
    with pytest.raises(DatasetError, match="Use 2 folds"):
        train(RunRequest(folder, "three", replace(settings, folds=3)))


def test_a_failed_run_resumes_and_feels_a_cancel_while_training(folder, quick):
    settings = replace(quick, epochs=400, workers=2)
    run = _a_fold_that_always_dies_fails_the_run(RunRequest(folder, "first", settings))
    runs.resume(run.id)
    wait_until(lambda: all(fold.epoch >= 2 for fold in runs.get_progress(run.id).folds))
    _nobody_else_can_reach(runs.get_runner_state().pid)
    runs.cancel(run.id)
    stood = _epochs_of_checkpoints(run)
    wait_until(lambda: not runs.get_run(run.id).is_open)
    assert runs.get_run(run.id).state == "cancelled"
    wait_until(lambda: runs.get_runner_state() is None)
    # Every batch asks first: only an epoch whose last batch had begun still ends.
    ends = zip(_epochs_of_checkpoints(run), stood, strict=True)
    assert all(end <= epoch + 1 for end, epoch in ends)
    reached = [fold.epoch for fold in runs.get_progress(run.id).folds]
    with pytest.raises(Cancelled, match="runs resume"):
        load_trained_model(runs.get_run(run.id))
    runs.resume(run.id)
    wait_until(lambda: all(f.epoch > e for f, e in zip(folds(run), reached, strict=True)))
    epochs = [event for event in runs.list_events(run.id, kinds=["epoch"]) if event.fold == 0]
    assert [event.epoch for event in epochs] == list(range(1, len(epochs) + 1))
    _folds_end_with_their_runner(run)


def _a_fold_that_always_dies_fails_the_run(request):
    """Its interpreter finds a module that ends it, as a crash in a library would."""
    broken = Path(request.folder).parent / "broken/cv2"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(
        "import os, sys\n"
        "if 'spinefrac.training.runner.worker' in ' '.join(sys.orig_argv):\n"
        "    print('out of something', file=sys.stderr, flush=True)\n"
        "    os.abort()\n"
        f"sys.path.remove({str(broken.parent)!r})\n"
        "del sys.modules['cv2']\n"
        "import cv2\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(broken.parent))
        with pytest.raises(
            TrainingError, match=r"killed by signal 6; its last output: .*out of some"
        ):
            train(request)
        run = runs.get_run("first")
        assert run.state == "failed" and run.is_resumable
        wait_until(lambda: runs.get_runner_state() is None)
    return run


def _epochs_of_checkpoints(run):
    paths = [runs.run_folder(run.id) / f"fold-{fold}.checkpoint" for fold in range(2)]
    return [checkpoint.read(path).epoch for path in paths]


def _nobody_else_can_reach(runner):
    """Where folds train on this machine, nothing listens beyond it."""
    ours = [psutil.Process(runner), *fold_processes(runner)]
    heard = [c.laddr.ip for p in ours for c in p.net_connections() if c.status == "LISTEN"]
    assert set(heard) <= {"127.0.0.1"}


def _folds_end_with_their_runner(run):
    runner = runs.get_runner_state().pid
    trained_by = fold_processes(runner)
    assert trained_by
    psutil.Process(runner).kill()
    wait_until(lambda: not any(processes.is_alive(process.pid) for process in trained_by))
    assert runs.get_run(run.id).interrupted
    assert runs.cancel(run.id).state == "cancelled"  # no runner is needed for that


def folds(run):
    return runs.get_progress(run.id).folds
