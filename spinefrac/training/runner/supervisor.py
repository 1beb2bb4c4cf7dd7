"""The process that executes runs, one after the other: ``python -m spinefrac.training.runner``.

It is started by `runs.ensure_runner` where there is work and no runner, and ends when no run is
left. Runs that a killed runner left behind come first and resume from their last checkpoint.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinefrac import redaction
from spinefrac.data.folder_names import collect_names
from spinefrac.errors import Cancelled, RunError, SpinefracError, TrainingError
from spinefrac.store import saving
from spinefrac.system import memory_shortage, private_files
from spinefrac.training import workspace
from spinefrac.training.runner import pipeline
from spinefrac.training.runner.journal import RunJournal, write_rows
from spinefrac.training.runs import adoption, database, estimates, lease
from spinefrac.training.runs.commands import record_state, run_folder
from spinefrac.training.runs.queries import get_run
from spinefrac.training.runs.records import Run

#: This many attempts in a row may die without finishing another epoch.
MAX_FAILED_ATTEMPTS = 8
#: Time between two looks into the database for a cancel that did not reach the run's folder.
_CANCEL_CHECK_INTERVAL_S = 1.0
#: How long to try to record the end of a run.
_WRITE_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class _Attempt:
    run: Run
    number: int


def main(arguments: list[str]) -> int:
    """Execute runs until none is left; see the module's docstring."""
    token = lease.acquire_lease(arguments[0] if arguments else None)
    if token is None:
        print("another runner is active", flush=True)
        return 0
    heartbeat = _HeartbeatThread(token)
    heartbeat.start()
    try:
        private_files.tighten_home()
        saving.remove_unfinished()
        while (attempt := _start_next_attempt(token)) is not None:
            _execute_attempt(attempt, heartbeat)
    finally:
        heartbeat.stop()
    return 0


class _HeartbeatThread(threading.Thread):
    """Writes the heartbeat of this runner, and ends the runner when another one replaced it."""

    def __init__(self, token: str) -> None:
        super().__init__(daemon=True)
        self._token = token
        self._stop_event = threading.Event()
        self.attempt: _Attempt | None = None

    def run(self) -> None:
        while not self._stop_event.wait(lease.HEARTBEAT_INTERVAL_S):
            try:
                self._send_heartbeat()
            except RunError as error:  # a locked database or a full disk may be temporary
                print(f"the heartbeat was not written: {error}", file=sys.stderr, flush=True)

    def _send_heartbeat(self) -> None:
        now, attempt = time.time(), self.attempt
        with database.write_transaction() as connection:
            mine = connection.execute(
                "UPDATE lease SET heartbeat = ? WHERE token = ?", (now, self._token)
            )
            if mine.rowcount == 0 and not self._stop_event.is_set():
                print("another runner took over", flush=True)
                os._exit(1)  # without cleanup; the processes of its folds end with it
            if attempt:
                connection.execute(
                    "UPDATE attempts SET heartbeat = ? WHERE run = ? AND number = ?",
                    (now, attempt.run.id, attempt.number),
                )

    def stop(self) -> None:
        self._stop_event.set()


# --- choice of the run --------------------------------------------------------------------------


def _start_next_attempt(token: str) -> _Attempt | None:
    """Begin an attempt of the next run; release the lease where there is none."""
    while True:
        with database.write_transaction(busy_timeout_s=60) as connection:
            row = connection.execute(
                "SELECT * FROM runs WHERE state IN ('running', 'queued')"
                " ORDER BY state = 'running' DESC, queued, rowid LIMIT 1"
            ).fetchone()
            if row is None:
                lease.release_lease(connection, token)
                return None
            _close_dead_attempts(connection, row["id"])
            number = (
                None
                if _end_if_not_runnable(connection, row)
                else _begin_attempt(connection, row["id"])
            )
        if number is not None:
            return _Attempt(get_run(row["id"]), number)


def _close_dead_attempts(connection: sqlite3.Connection, run_id: str) -> None:
    """Record that attempts without an end have died."""
    connection.execute(
        "UPDATE attempts SET ended = heartbeat, outcome = 'died' WHERE run = ? AND ended IS NULL",
        (run_id,),
    )


def _end_if_not_runnable(connection: sqlite3.Connection, row: sqlite3.Row) -> bool:
    """End a run that was cancelled, or whose runner died too often."""
    if row["cancel"]:
        _end_run(connection, row["id"], None, "cancelled")
        return True
    if _died_of_memory(connection, row["id"]):
        error = _make_memory_error("the system ended its runner")
    elif _count_failed_attempts(connection, row["id"]) < MAX_FAILED_ATTEMPTS:
        return False
    else:
        error = TrainingError(
            f"its runner died {MAX_FAILED_ATTEMPTS} times without finishing an epoch; runner.log "
            "in HOME/runs may say why; free some memory or train with fewer workers, then resume "
            "the run"
        )
    _end_run(connection, row["id"], None, "failed", error=error)
    return True


def _died_of_memory(connection: sqlite3.Connection, run_id: str) -> bool:
    """Return whether the last attempt died, and the system says that memory was lacking."""
    last = connection.execute(
        "SELECT outcome, started, oom_kills FROM attempts WHERE run = ? ORDER BY number DESC",
        (run_id,),
    ).fetchone()
    if last is None or last["outcome"] != "died":
        return False
    return memory_shortage.has_killed_since(
        last["oom_kills"]
    ) or memory_shortage.describes_shortage(lease.read_log_tail(last["started"]))


def _make_memory_error(what: str) -> TrainingError:
    return TrainingError(f"{what} for lack of memory: {workspace.MEMORY_REMEDY}")


def _count_failed_attempts(connection: sqlite3.Connection, run_id: str) -> int:
    """Return how many of the last attempts died without finishing an epoch."""
    rows = connection.execute(
        "SELECT outcome, (SELECT count(*) FROM events WHERE run = attempts.run AND attempt ="
        " attempts.number AND kind = 'epoch') AS epochs FROM attempts WHERE run = ?"
        " ORDER BY number DESC",
        (run_id,),
    )
    count = 0
    for row in rows:
        if row["outcome"] != "died" or row["epochs"]:
            break
        count += 1
    return count


def _begin_attempt(connection: sqlite3.Connection, run_id: str) -> int:
    now = time.time()
    last = connection.execute(
        "SELECT max(number) FROM attempts WHERE run = ?", (run_id,)
    ).fetchone()
    number = (last[0] or 0) + 1
    mine = connection.execute("SELECT pid, process_started, host FROM lease").fetchone()
    connection.execute(
        "INSERT INTO attempts"
        " (run, number, pid, process_started, host, started, heartbeat, oom_kills)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (run_id, number, *mine, now, now, memory_shortage.count_oom_kills()),
    )
    connection.execute(
        "UPDATE runs SET state = 'running', started = coalesce(started, ?) WHERE id = ?",
        (now, run_id),
    )
    connection.execute(
        "UPDATE folds SET state = 'waiting', batch = 0 WHERE run = ? AND state != 'done'", (run_id,)
    )
    connection.execute("DELETE FROM workers WHERE run = ?", (run_id,))
    record_state(connection, run_id, "running" if number == 1 else "continued", number)
    (run_folder(run_id) / "cancel").unlink(missing_ok=True)
    return number


# --- one attempt --------------------------------------------------------------------------------


def _execute_attempt(attempt: _Attempt, heartbeat: _HeartbeatThread) -> None:
    """Execute a run and record how it ended."""
    run, folder = attempt.run, run_folder(attempt.run.id)
    journal = RunJournal(run.id, attempt.number)
    heartbeat.attempt = attempt
    ended: dict[str, Any]
    try:
        adoption.save_record(run.id)
        model = pipeline.execute_run(
            run, folder, journal, _make_cancel_check(run.id, folder), _make_stage_callback(run.id)
        )
        ended = {"state": "done", "model": model.id}
    except Cancelled:
        ended = {"state": "cancelled"}
    except SpinefracError as error:
        ended = {"state": "failed", "error": _hide_names(error, run)}
    except OSError as error:
        ended = {"state": "failed", "error": _wrap_os_error(error)}
    except Exception as error:  # noqa: BLE001 - any error is recorded with the run
        _log_traceback(run)
        ended = {"state": "failed", "error": _hide_names(_wrap_unexpected_error(error), run)}
    heartbeat.attempt = None
    if ended["state"] == "done":
        ended["result"] = pipeline.summarize_run(model, run.id, _sum_attempt_seconds(run.id))

    def end(connection: sqlite3.Connection) -> None:
        if ended["state"] == "done" and run.cluster is None:
            _record_throughput(connection, attempt, journal.compute_median_rate(), ended["result"])
        _end_run(connection, run.id, attempt.number, **ended)

    _write_with_retry(end, journal)
    with suppress(OSError, RunError):  # without it the folder is that of a run that was going on
        adoption.save_record(run.id)


def _record_throughput(
    connection: sqlite3.Connection, attempt: _Attempt, rate: float | None, result: dict[str, Any]
) -> None:
    """Record the throughput of a run, for later estimates."""
    settings = attempt.run.settings
    whole = attempt.number == 1 and not settings.early_stopping  # nothing was interrupted
    learned = estimates.count_training_slices(result["oof"]["n"], settings)
    at_once = estimates.count_parallel_folds(settings)
    if settings.fits_head_only:  # an epoch finds features that another fold has computed
        rate = learned / max(result["seconds"] * at_once, 1e-9) if whole else None
    if rate is None:
        return
    overhead = None
    if whole:
        overhead = result["seconds"] - learned / (rate * at_once)
    estimates.record_rate(connection, settings, rate, overhead and max(0.0, overhead))


def _make_cancel_check(run_id: str, folder: Path) -> Callable[[], bool]:
    """Return a function that says whether the run is cancelled; it may be called often."""
    looked = time.monotonic()
    answer = False

    def cancelled() -> bool:
        nonlocal looked, answer
        if (folder / "cancel").exists():
            answer = True
        elif time.monotonic() - looked > _CANCEL_CHECK_INTERVAL_S:
            looked = time.monotonic()
            try:
                answer = get_run(run_id).cancelling
            except RunError as error:  # locked by another program: try again
                print(
                    f"the database was not checked for a cancel: {error}",
                    file=sys.stderr,
                    flush=True,
                )
        return answer

    return cancelled


def _make_stage_callback(run_id: str) -> Callable[[str], None]:
    def on_stage(stage: str) -> None:
        _write_with_retry(
            lambda connection: connection.execute(
                "UPDATE runs SET stage = ? WHERE id = ?", (stage, run_id)
            )
        )

    return on_stage


def _write_with_retry(
    transaction: Callable[[sqlite3.Connection], object], journal: RunJournal | None = None
) -> None:
    """Write what must not be lost, also while the database is locked by another program."""
    rows = journal.pop_pending_rows() if journal else []
    deadline = time.monotonic() + _WRITE_TIMEOUT_S
    while True:
        try:
            with database.write_transaction() as connection:
                write_rows(connection, rows)
                transaction(connection)
            return
        except RunError as error:
            print(f"not recorded yet: {error}", file=sys.stderr, flush=True)
            if time.monotonic() > deadline:
                raise
            time.sleep(2)


def _end_run(
    connection: sqlite3.Connection,
    run_id: str,
    attempt: int | None,
    state: str,
    *,
    model: str | None = None,
    result: dict[str, Any] | None = None,
    error: SpinefracError | None = None,
) -> None:
    now = time.time()
    connection.execute(
        "UPDATE runs SET state = ?, ended = ?, cancel = 0, model = ?, result = ?, error = ?,"
        " error_kind = ? WHERE id = ?",
        (
            state,
            now,
            model,
            json.dumps(result) if result else None,
            str(error) if error else None,
            type(error).__name__ if error else None,
            run_id,
        ),
    )
    connection.execute(
        "UPDATE attempts SET ended = ?, heartbeat = ?, outcome = ? WHERE run = ? AND number = ?",
        (now, now, state, run_id, attempt),
    )
    connection.execute(
        "UPDATE folds SET state = 'waiting', batch = 0 WHERE run = ? AND state != 'done'", (run_id,)
    )
    connection.execute("UPDATE workers SET state = 'idle', fold = NULL WHERE run = ?", (run_id,))
    record_state(connection, run_id, f"{state}: {error}" if error else state, attempt)


def _sum_attempt_seconds(run_id: str) -> float:
    """Return how long all attempts took together."""
    with database.read_transaction() as connection:
        row = connection.execute(
            "SELECT sum(coalesce(ended, ?) - started) FROM attempts WHERE run = ?",
            (time.time(), run_id),
        ).fetchone()
    return float(row[0])


def _hide_names(error: SpinefracError, run: Run) -> SpinefracError:
    """Return the error as it may be saved: without names of the data set."""
    text = str(error)
    hidden = redaction.hide_names(text, collect_names(Path(run.folder)))
    if hidden == text:
        return error
    return type(error)(f"{hidden} (… stands for names; `spinefrac audit FOLDER` shows them)")


def _log_traceback(run: Run) -> None:
    """Print the present traceback for ``runner.log``, without names of the data set."""
    text = redaction.hide_names(traceback.format_exc(), collect_names(Path(run.folder)))
    print(redaction.to_printable(text, keep_lines=True), file=sys.stderr, flush=True)


def _wrap_os_error(error: OSError) -> TrainingError:
    if error.errno == errno.ENOMEM:
        return _make_memory_error("the run stopped")
    return TrainingError(
        f"{error.strerror or type(error).__name__} while reading or writing the run's files: make "
        "room or permit it, then resume the run"
    )


def _wrap_unexpected_error(error: Exception) -> TrainingError:
    if memory_shortage.describes_shortage(f"{type(error).__name__}: {error}"):
        return _make_memory_error("the run stopped")
    return TrainingError(
        f"{type(error).__name__}: {error} (spinefrac did not expect this; runner.log in HOME/runs "
        "shows where it happened)"
    )
