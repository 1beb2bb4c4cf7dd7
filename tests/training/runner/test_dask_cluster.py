"""Folds on a Dask cluster over TLS: two worker processes that see nothing of this machine's run."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinefrac.errors import TrainingError
from spinefrac.training import runs
from spinefrac.training.runner import dask_cluster
from spinefrac.training.runner.cross_validation import load_trained_model
from spinefrac.training.runner.fold_processes import end_processes, use_process
from spinefrac.training.runs import Cluster, RunRequest
from spinefrac.training.workspace import DATA_FILES, RunWorkspace
from tests.support.watch import wait_until

ROOT = Path(__file__).resolve().parents[3]

#: As on another machine: a worker has no access to the run's folder, though its path exists. It has
#: one core: with another number of threads sums are rounded otherwise, and the numbers drift apart.
ELSEWHERE = """
import os
os.cpu_count = lambda: 1
from spinefrac.training.runner import dask_tasks
dask_tasks.WorkspaceLocation.is_shared = lambda self: False
"""


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://cluster.example:8786", "any code that anyone sends"),
        ("tcp://10.0.0.5:8786", "any code that anyone sends"),
        ("tcp://127.evil.example:8786", "any code that anyone sends"),
        ("http://localhost:8786", "tls://host:8786"),
        ("localhost", "tls://host:8786"),
        ("tls://cluster.example:8786", "--tls-ca names none"),
    ],
)
def test_what_is_not_safe_is_refused_at_submission(folder, quick, address, said):
    with pytest.raises(TrainingError, match=said):
        request = RunRequest(folder, "first", quick, cluster=Cluster(address))
        runs.submit(request, start_runner=False)
    assert runs.list_runs() == ()


def test_this_machine_may_speak_plainly():
    for address in ("tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1"):
        runs.validate_cluster(Cluster(address))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority with a node's certificate, and another authority with its own."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not here")
    return [_authority(openssl, tmp_path_factory.mktemp(name)) for name in ("ours", "theirs")]


def _authority(openssl: str, place: Path) -> Path:
    """Make the files as docs/cluster.md says."""
    document = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    commands = next(b for b in document.split("```sh\n")[1:] if b.startswith("openssl"))
    script = commands.split("```")[0]
    done = subprocess.run(["bash", "-ec", script], cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place


def _files(place: Path) -> dict[str, str]:
    names = {"ca": "ca.pem", "cert": "node.pem", "key": "node.key"}
    return {option: str(place / name) for option, name in names.items()}


def _dask(what: str, *arguments: object, place: Path, home: Path, log: Path) -> subprocess.Popen:
    files = _files(place)
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "dask", what, *map(str, arguments), "--no-dashboard"),
            *("--tls-ca-file", files["ca"], "--tls-cert", files["cert"], "--tls-key", files["key"]),
        ],
        env={**os.environ, "SPINEFRAC_HOME": str(home), "PYTHONPATH": str(ROOT)},
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@pytest.fixture
def tls_cluster(certificates, tmp_path):
    """A scheduler and two workers, each with a home of its own; yields address and workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tls://127.0.0.1:{port}"
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    common = {"place": certificates[0], "home": tmp_path / "unused"}
    scheduler = _dask(
        *("scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", port),
        **common,
        log=tmp_path / "scheduler.log",
    )
    workers = [
        _dask(
            *("worker", address, "--nthreads", 1, "--memory-limit", 0, "--name", f"host-{n}"),
            *("--host", "127.0.0.1", "--no-nanny", "--preload", tmp_path / "elsewhere.py"),
            place=certificates[0],
            home=tmp_path / f"host-{n}",
            log=tmp_path / f"worker-{n}.log",
        )
        for n in (1, 2)
    ]
    yield Cluster(address, **_files(certificates[0])), workers
    for process in (*workers, scheduler):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
def test_folds_train_elsewhere_and_outlive_a_worker(folder, quick, tls_cluster, tmp_path):
    there, workers = tls_cluster
    settings = replace(quick, epochs=30)
    run = runs.submit(RunRequest(folder, "elsewhere", settings, cluster=there))
    wait_until(lambda: any(fold.epoch >= 3 for fold in runs.get_progress(run.id).folds))
    started = next(fold for fold in runs.get_progress(run.id).folds if fold.epoch >= 3)
    at_work = {w.name for w in runs.get_progress(run.id).workers if w.state == "training"}
    assert at_work and at_work <= {"host-1", "host-2"}
    assert list((tmp_path / started.worker / "runs/received").glob("*/inputs.npy"))
    at_home = _copy_workspace(runs.run_folder(run.id), tmp_path / "at-home")
    os.killpg(workers[int(started.worker[-1]) - 1].pid, signal.SIGKILL)
    for _ in runs.follow(run.id):
        pass
    ended = load_trained_model(runs.get_run(run.id))
    said = [event.message for event in runs.list_events(run.id, kinds=["fold", "log"])]
    assert any("was lost" in line for line in said), said
    assert any("resumed from checkpoint, after epoch" in line for line in said), said
    histories = [fold.history for fold in runs.get_progress(run.id).folds]
    assert all([r.epoch for r in history] == list(range(1, 31)) for history in histories)
    assert np.array_equal(ended.load_out_of_fold().logits, _train_undisturbed(at_home))
    other = {"host-1": "host-2", "host-2": "host-1"}[started.worker]
    assert not list((tmp_path / other / "runs/received").glob("*"))
    logs = runs.run_folder(run.id) / "tensorboard"
    assert all(list((logs / f"fold-{fold}").glob("events.*")) for fold in (0, 1))


def _copy_workspace(source: Path, target: Path) -> Path:
    target.mkdir()
    for name in DATA_FILES:
        shutil.copy(source / name, target)
    return target


def _train_undisturbed(folder: Path) -> np.ndarray:
    """Train every fold of a workspace in one process and on one core; return the logits (n,)."""
    workspace = RunWorkspace.read(folder)
    folds = range(workspace.n_folds)
    for fold in folds:
        with use_process(folder, threads=1) as process:
            assert list(process.train(fold))
    end_processes(folder)
    logits = np.empty(len(workspace.labels))
    for result in map(workspace.read_result, folds):
        logits[result.rows] = result.logits
    return logits


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
def test_nobody_is_let_in_without_a_certificate_of_the_authority(certificates, tls_cluster):
    ours, _ = tls_cluster
    theirs = Cluster(ours.address, **_files(certificates[1]))
    with (
        pytest.raises(TrainingError, match="no scheduler responds"),
        dask_cluster.open_client(theirs, 1),
    ):
        pass
    with dask_cluster.open_client(ours, 1) as client:
        wait_until(lambda: len(client.scheduler_info()["workers"]) == 2)
