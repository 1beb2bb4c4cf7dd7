"""From folder to saved model, in real processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from spinefrac import settings as places
from spinefrac.errors import DatasetError, ModelError, TrainingError
from spinefrac.records import Preprocessing
from spinefrac.store import saved
from spinefrac.training.cross_validation import train
from spinefrac.training.settings import TrainingSettings
from spinefrac.training.workers import train_folds

pytestmark = pytest.mark.slow


def workers_of(parent: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return [
        int(pid)
        for pid, ppid, command in rows
        if int(ppid) == parent and "spinefrac.training.worker" in command
    ]


def test_a_folder_becomes_a_model(folder, quick):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    abandoned = places.runs_dir() / f"20260101-000000-killed-{gone.pid}"
    abandoned.mkdir(parents=True)
    lines, epochs = [], []
    model = train(folder, "first", quick, log=lines.append, on_epoch=epochs.append)
    card = saved.load("first").card
    assert card.id == model.id == "first"
    assert card.metrics.n == 48 and card.metrics.groups == 12
    assert card.data.group_rule in lines[0]
    oof = model.oof()
    for patient in np.unique(oof.groups):
        assert len(set(oof.folds[oof.groups == patient])) == 1
    assert len(epochs) == 4 and card.keras_onnx_max_difference < 1e-3
    assert {path.name for path in places.runs_dir().iterdir()} <= {"cache", "audits"}
    with pytest.raises(ModelError, match="in use"):
        train(folder, "first", quick)


def test_seed_and_workers_reproduce_the_answers(folder, quick):
    first = train(folder, "first", quick).oof()
    second = train(folder, "second", quick).oof()
    assert np.array_equal(first.logits, second.logits)


def test_real_slices_by_series(shared_data):
    folder = shared_data / "kaggle-csfdv1" / "originals"
    settings = TrainingSettings(folds=2, epochs=1, preprocessing=Preprocessing(size=64))
    model = train(folder, "kaggle", settings)
    assert model.card.metrics.n == 92 and model.card.metrics.groups == 2
    with pytest.raises(DatasetError, match="Use 2 folds"):
        train(folder, "three", replace(settings, folds=3))


def test_a_killed_worker_fails_the_run_and_says_so(plan):
    plan = replace(plan, settings=replace(plan.settings, epochs=500))
    plan.write()

    def kill() -> None:
        while not workers_of(os.getpid()):
            time.sleep(0.05)
        os.kill(workers_of(os.getpid())[0], signal.SIGKILL)

    threading.Thread(target=kill).start()
    with pytest.raises(TrainingError, match="was killed by signal 9"):
        train_folds(plan, 2)
    assert not workers_of(os.getpid())


def test_workers_end_with_their_parent(plan):
    plan = replace(plan, settings=replace(plan.settings, epochs=5000))
    plan.write()
    script = (
        "from pathlib import Path\n"
        "from spinefrac.training.plan import Plan\n"
        "from spinefrac.training.workers import train_folds\n"
        f"plan = Plan.read(Path({str(plan.folder)!r}))\n"
        "train_folds(plan, 1, lambda record: print('epoch', flush=True))"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "epoch\n"
    worker = workers_of(parent.pid)[0]
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the worker goes on without its parent")


def test_a_worker_passes_its_error_on(plan):
    settings = replace(plan.settings, weights="no-such.weights.h5")
    plan = replace(plan, settings=settings)
    plan.write()
    with pytest.raises(TrainingError, match=r"no weights file no-such\.weights\.h5"):
        train_folds(plan, 1)
