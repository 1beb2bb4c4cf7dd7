"""Server time of the Train page while a run trains, and the delay until it shows an epoch.

    python -m benchmarks train_page

A small run trains with the usual processes on all cores. Server time is that of the element that is
redrawn every second, as Streamlit runs it; the delay is from the moment that the runner recorded an
epoch to the moment that a browser shows it.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac.records import Preprocessing
from spinefrac.system import processes
from spinefrac.training import runs
from spinefrac.training.runs import database, lease
from spinefrac.training.settings import TrainingSettings

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = TrainingSettings(folds=4, epochs=25, preprocessing=Preprocessing(size=96))
REFRESHES, TIMEOUT_S = 40, 400.0

#: Notes when each fold's row first shows each epoch, in seconds since 1970.
_OBSERVER_JS = """
window.seen = {};
new MutationObserver(() => {
  document.querySelectorAll('.sf-run .fold').forEach((row, fold) => {
    const epoch = row.querySelector('.epoch')?.textContent.match(/epoch (\\d+)/)?.[1];
    if (epoch) window.seen[`${fold} ${epoch}`] ??= Date.now() / 1000;
  });
}).observe(document, {subtree: true, childList: true, characterData: true});
"""


def simulate_run(
    folder: Path,
    name: str,
    state: str,
    epochs: Sequence[int],
    settings: TrainingSettings = SETTINGS,
    **columns: Any,
) -> runs.Run:
    """Submit a run and record what a runner would have recorded, without training.

    Parameters
    ----------
    folder : Path
        Of slices.
    name, state : str
    epochs : sequence of int
        Finished ones of each fold.
    settings : TrainingSettings
    columns
        Of the table ``runs``, such as ``error``; dicts become JSON.
    """
    run = runs.submit(runs.RunRequest(folder, name, settings), start_runner=False)
    now, rng = time.time(), np.random.default_rng(0)
    with database.write_transaction() as connection:
        for fold, done in enumerate(epochs):
            for epoch in range(1, done + 1):
                loss, val_loss = 0.7 * np.exp(-epoch / np.array([15, 20])) + rng.normal(0, 0.02, 2)
                _insert(
                    connection,
                    "events",
                    **{"time": now, "run": run.id, "attempt": 1, "kind": "epoch", "fold": fold},
                    **{"epoch": epoch, "loss": loss, "val_loss": val_loss, "seconds": 6.0},
                    **{"val_auc": min(0.99, 0.5 + epoch / 55), "learning_rate": 1e-3},
                )
            at_work = "training" if state == "running" and done else "waiting"
            _insert(
                connection,
                "folds",
                **{"run": run.id, "fold": fold, "epoch": done + 1, "batch": 3, "batches": 9},
                **{"state": "done" if done == settings.epochs else at_work, "updated": now},
                **{"batch_rate": 96.0, "worker": f"worker {fold + 1}"},
            )
        for line in ("24 slices, 9 with a fracture", "audit of the data: ok", "fold 1 starts"):
            _insert(connection, "events", time=now, run=run.id, kind="log", message=line)
        columns = {"state": state, "stage": "training", "started": now - 600, **columns}
        if state not in ("running", "queued"):
            columns.setdefault("ended", now)
        for column, value in columns.items():
            kept = json.dumps(value) if isinstance(value, dict) else value
            connection.execute(f"UPDATE runs SET {column} = ? WHERE id = ?", (kept, run.id))
        if state == "running":  # this process stands for the runner
            _insert(
                connection,
                "lease",
                **{"one": 1, "token": "x", "pid": os.getpid(), "host": lease.get_hostname()},
                **{"process_started": processes.start_time(os.getpid()), "heartbeat": now},
            )
    return runs.get_run(run.id)


def _insert(connection: Any, table: str, **values: Any) -> None:
    marks = ", ".join("?" * len(values))
    connection.execute(
        f"INSERT OR REPLACE INTO {table} ({', '.join(values)}) VALUES ({marks})",
        tuple(float(v) if isinstance(v, np.floating) else v for v in values.values()),
    )


def measure() -> list[tuple[str, str, str]]:
    """Measure, and return (what, value, target) for each."""
    from spinefrac.audit import audit_folder
    from spinefrac.data import phantom

    logging.getLogger("streamlit").setLevel(logging.ERROR)
    kept, here = dict(os.environ), Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.environ.update(SPINEFRAC_HOME=name, SPINEFRAC_DATA_ROOTS=f"{name}/data")
        os.chdir(ROOT)
        folder = Path(name) / "data" / "slices"
        try:
            phantom.write_phantom(
                folder, patients=16, slices=12, seed=7, difficulty="easy", size=256
            )
            audit_folder(folder)
            return [*_measure_during_training(folder), *_measure_full_history(folder)]
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(kept)


def _measure_during_training(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Measure refreshes and delay during a run."""
    run = runs.submit(runs.RunRequest(folder, "measured", SETTINGS))
    try:
        with _open_browser(run) as seen:
            _wait_until(lambda: len(runs.list_events(run.id, kinds=["epoch"])) >= 4)
            refresh = _time_refreshes(run.id)
            _wait_until(lambda: len(runs.list_events(run.id, kinds=["epoch"])) >= 40)
            time.sleep(3)
            shown = seen()
            recorded = {
                (e.fold, e.epoch): e.time for e in runs.list_events(run.id, kinds=["epoch"])
            }
    finally:
        runs.cancel(run.id)
        _wait_until(lambda: not runs.get_run(run.id).is_open)
    yield (
        f"Train page, refresh while {SETTINGS.folds} folds train on all cores, server time, "
        f"median of {REFRESHES} (10th to 90th percentile)",
        refresh,
        "30 ms",
    )
    delays = sorted(shown[key] - recorded[key] for key in shown.keys() & recorded.keys())
    if delays:
        yield (
            f"Train page, end of an epoch to the page, median of {len(delays)} (largest "
            f"{delays[-1]:.1f} s)",
            f"{statistics.median(delays):.2f} s",
            "2 s",
        )
    else:
        yield ("Train page, end of an epoch to the page", "skipped: no Chromium", "")


def _measure_full_history(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Measure refreshes of a run with 8 folds of 100 epochs, on an idle machine."""
    from dataclasses import replace

    many = replace(SETTINGS, folds=8, epochs=100)
    run = simulate_run(folder, "long", "running", [99] * 8, many)
    yield (
        f"Train page, refresh of {many.folds} folds of {many.epochs} epochs, machine idle, median "
        f"of {REFRESHES} (10th to 90th percentile)",
        _time_refreshes(run.id),
        "30 ms",
    )


def _time_refreshes(run: str) -> str:
    """Time the element that is redrawn every second."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_string(
        f"from spinefrac.ui.train import runs\nruns._show_live_run({run!r}, 'running')",
        default_timeout=60,
    )
    app.run()
    assert "sf-run" in app.get("html")[0].proto.body
    times = []
    for _ in range(REFRESHES):
        start = time.perf_counter()
        app.run()
        times.append(1000 * (time.perf_counter() - start))
        time.sleep(0.1)
    low, high = np.percentile(times, [10, 90])
    return f"{statistics.median(times):.0f} ms ({low:.0f}–{high:.0f})"


@contextmanager
def _open_browser(run: runs.Run) -> Iterator[Any]:
    """Serve the app and open a run in Chromium; yields when each (fold, epoch) was shown.

    Without Chromium nothing is recorded.
    """
    try:
        from playwright.sync_api import sync_playwright

        from tests.support.browser import FLAGS, find_chromium

        executable = find_chromium()
    except ImportError:
        executable = None
    if executable is None:
        yield dict
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"),
            *("--server.port", str(port)),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until(lambda: _is_reachable(f"http://127.0.0.1:{port}/_stcore/health"))
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=executable, args=list(FLAGS))
            page = browser.new_page()
            page.add_init_script(_OBSERVER_JS)
            page.goto(f"http://127.0.0.1:{port}/train?train=Runs&run={run.id}")
            page.wait_for_selector(".sf-run", timeout=60_000)
            yield lambda: {
                tuple(map(int, key.split())): when
                for key, when in page.evaluate("window.seen").items()
            }
            browser.close()
    finally:
        server.terminate()
        server.wait(timeout=20)


def _is_reachable(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _wait_until(condition: Any) -> None:
    give_up = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError("the run did not continue")
        time.sleep(0.2)
