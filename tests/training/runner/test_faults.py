"""kill -9 at random moments: of the runner, of a fold's process, of the server.

Afterwards every model loads and verifies, the run ends with the out-of-fold answers of an
undisturbed one, and nothing half-written is left. ``SPINEFRAC_FAULTS=20`` kills each so often;
``SPINEFRAC_FAULTS_SEED`` repeats the moments of an earlier time.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinefrac import settings as places
from spinefrac.store import repository
from spinefrac.training import runs
from spinefrac.training.runner.cross_validation import load_trained_model, train
from spinefrac.training.runs import RunRequest
from tests.support.watch import fill, fold_processes, wait_until
from tests.training.conftest import quick_settings, write_slices

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX"),
]

KILLS = int(os.environ.get("SPINEFRAC_FAULTS", "2"))
SEED = int(os.environ.get("SPINEFRAC_FAULTS_SEED", str(random.SystemRandom().randrange(10**6))))
#: Events of a whole run, in which the moments lie.
EVENTS = 22
MOST_A_RUN = 7

SETTINGS = replace(quick_settings(), epochs=4, workers=2)


@pytest.fixture
def chance():
    print(f"SPINEFRAC_FAULTS_SEED={SEED}")  # pytest shows it where the test fails
    return random.Random(SEED)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The out-of-fold answers that every run must end with, and their AUC."""
    place = tmp_path_factory.mktemp("undisturbed")
    write_slices(place / "slices")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(place / "home"))
        model = train(RunRequest(place / "slices", "undisturbed", SETTINGS))
        return model.load_out_of_fold().logits, model.card.metrics.auc


def check(run: str, undisturbed) -> None:
    """See that a run ended as an undisturbed one and left nothing half-written."""
    logits, auc = undisturbed
    model = load_trained_model(runs.get_run(run))
    assert abs(model.card.metrics.auc - auc) <= 0.02
    assert np.array_equal(
        model.load_out_of_fold().logits, logits
    )  # more than what is asked: to the bit
    for entry in repository.list_models():
        assert isinstance(entry, repository.SavedModel), entry
        repository.load(entry.id)
    wait_until(lambda: runs.get_runner_state() is None)
    home = places.home()
    assert not [path for path in home.rglob("*") if ".tmp" in path.name]
    left = {path.name for path in runs.run_folder(run).iterdir()}
    assert left == {"plan.json", "run.json", "tensorboard"}
    for fold in runs.get_progress(run).folds:
        assert [record.epoch for record in fold.history] == list(range(1, SETTINGS.epochs + 1))
        assert fold.state == "done"


def after(run: str, events: int) -> bool:
    """Wait until a run has so many events more, or has ended; return whether it goes on."""
    seen = runs.get_progress(run).last_event
    wait_until(
        lambda: runs.get_progress(run).last_event >= seen + events or not runs.get_run(run).is_open
    )
    return runs.get_run(run).is_open


def test_the_runner_is_killed(folder, undisturbed, chance):
    killed = number = 0
    while killed < KILLS:
        number += 1
        run = runs.submit(RunRequest(folder, f"killed-{number}", SETTINGS)).id
        stood = []
        for _ in range(MOST_A_RUN):
            if killed >= KILLS or not after(run, chance.randrange(EVENTS // 3)):
                break
            time.sleep(chance.random())
            if (runner := runs.get_runner_state()) is None:
                continue
            os.kill(runner.pid, signal.SIGKILL)
            killed += 1
            stood.append(_noticed_and_continued(run))
        for _ in runs.follow(run):
            pass
        check(run, undisturbed)
        _no_epoch_is_trained_again(run, stood)


def _noticed_and_continued(run: str) -> tuple[int, list[int]]:
    """See that a dead runner is seen in time, start the next one; return where the run stood."""
    dead = time.monotonic()
    wait_until(lambda: runs.get_runner_state() is None)
    assert time.monotonic() - dead < 15
    found = runs.get_run(run)
    assert found.interrupted or found.state != "running"  # it may not have taken the run yet
    stood = runs.get_run(run).attempts, [fold.epoch for fold in runs.get_progress(run).folds]
    runs.ensure_runner()
    wait_until(lambda: runs.get_runner_state() is not None or not runs.get_run(run).is_open)
    return stood


def _no_epoch_is_trained_again(run: str, stood: list[tuple[int, list[int]]]) -> None:
    """See that no epoch that was told of before a kill was trained after it."""
    for event in runs.list_events(run, kinds=["epoch"]):
        for attempt, epochs in stood:
            if event.attempt > attempt:
                assert event.epoch > epochs[event.fold]


def test_the_disk_is_full_while_folds_train(folder, undisturbed, small_disk, monkeypatch):
    """The run fails and says so; with room again it goes on from what was kept."""
    monkeypatch.setenv("SPINEFRAC_HOME", str(small_disk / "home"))
    monkeypatch.setattr("spinefrac.training.runs.validation.RESERVED_BYTES", 0)
    run = runs.submit(RunRequest(folder, "first", SETTINGS)).id
    wait_until(lambda: any(fold.epoch for fold in runs.get_progress(run).folds))
    runner = runs.get_runner_state()
    fill(small_disk)
    wait_until(lambda: runner is None or not fold_processes(runner.pid))
    (small_disk / "fill").unlink()
    wait_until(lambda: not runs.get_run(run).is_open)
    if runs.get_run(run).state != "done":  # the folds may have been quicker than the disk
        assert "make room" in runs.get_run(run).error
        runs.resume(run)
        wait_until(lambda: not runs.get_run(run).is_open)
    check(run, undisturbed)


SERVER = """
import json, os
import streamlit as st
from spinefrac.training import runs
from spinefrac.training.settings import TrainingSettings

if not runs.list_runs() or not any(run.name == os.environ["RUN_NAME"] for run in runs.list_runs()):
    settings = TrainingSettings.from_dict(json.loads(os.environ["RUN_SETTINGS"]))
    request = runs.RunRequest(os.environ["RUN_FOLDER"], os.environ["RUN_NAME"], settings)
    runs.submit(request)
runs.ensure_runner()
st.write(runs.get_progress(os.environ["RUN_NAME"]).share)
"""


def test_the_server_and_folds_processes_are_killed(folder, undisturbed, chance, tmp_path):
    """A Streamlit server submits the run and shows it; killed, it takes nothing along."""
    script = tmp_path / "page.py"
    script.write_text(SERVER)
    servers = processes = number = 0
    while min(servers, processes) < KILLS:
        number += 1
        name = f"killed-{number}"
        for _ in range(MOST_A_RUN):
            server = _serve(script, folder, name)
            run = _submitted(name)
            going_on = after(run, chance.randrange(EVENTS // 3))
            runner = runs.get_runner_state()
            server.kill()
            server.wait()
            servers += 1
            if going_on and runner is not None and runs.get_run(run).is_open:
                now = runs.get_runner_state()
                assert now is None or now.pid == runner.pid
            processes += _kill_folds_processes(run, chance, KILLS - processes)
            if min(servers, processes) >= KILLS or not runs.get_run(run).is_open:
                break
        for _ in runs.follow(run):
            pass
        check(run, undisturbed)
        assert runs.get_run(run).attempts == 1  # nobody had to begin again


def _kill_folds_processes(run: str, chance: random.Random, number: int) -> int:
    """Kill so many processes that train a fold, or fewer if the run ends; return how many."""
    killed = 0
    died_in: dict[int, int] = {}  # fold: epoch
    while killed < number and runs.get_run(run).is_open:
        wait_until(lambda: _folds_at_work(run) or not runs.get_run(run).is_open)
        time.sleep(8 * chance.random() ** 2)
        epochs = {fold.fold: fold.epoch for fold in runs.get_progress(run).folds}
        if died_in.items() & epochs.items():  # three in one epoch would rightly end the run
            time.sleep(0.2)
            continue
        if not (processes := _folds_at_work(run)):
            continue
        killed += 1
        if (fold := _kill_and_see(run, chance.choice(processes))) is not None:
            died_in[fold] = epochs[fold]
    return killed


def _kill_and_see(run: str, process: int) -> int | None:
    """Kill a process and return the fold that is lost with it, unless the run ends before."""
    before = len(_lost_folds(run))
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: len(_lost_folds(run)) > before or not runs.get_run(run).is_open)
    return _lost_folds(run)[before] if len(_lost_folds(run)) > before else None


def _folds_at_work(run: str) -> list[int]:
    """Return the processes that train folds now."""
    runner = runs.get_runner_state()
    if runner is None or not runs.get_run(run).is_open:
        return []
    return [process.pid for process in fold_processes(runner.pid)]


def _lost_folds(run: str) -> list[int]:
    """Return the folds whose processes have died, in order."""
    said = runs.list_events(run, kinds=["fold"])
    return [event.fold for event in said if "was killed by signal 9" in event.message]


def _submitted(name: str) -> str:
    wait_until(lambda: any(run.name == name for run in runs.list_runs()))
    return runs.get_run(name).id


def _serve(script: Path, folder: Path, name: str) -> subprocess.Popen:
    """Start a server and open its page once, as a browser does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "streamlit", "run", str(script), "--server.headless", "true"),
            *("--server.address", "127.0.0.1", "--server.port", str(port)),
            *("--browser.gatherUsageStats", "false"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(runs.__file__).parents[3]),
            "RUN_FOLDER": str(folder),
            "RUN_NAME": name,
            "RUN_SETTINGS": json.dumps(SETTINGS.to_dict()),
        },
    )
    wait_until(lambda: _opened(port))
    return server


def _opened(port: int) -> bool:
    """Ask the server for the page over its web socket; return whether it answered."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    message = BackMsg()
    message.rerun_script.query_string = ""
    try:
        with connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"]) as page:
            page.send(message.SerializeToString())
            for _ in range(5):
                page.recv(timeout=20)
            return True
    except (OSError, TimeoutError, WebSocketException):
        return False
