"""The lease in the database that makes one process the runner, so that there is never a second.

A process that starts a runner takes the lease for it in the same transaction that found none, so
exactly one is started, however many processes try. A runner of this machine is active while its
process is alive; one of another machine while its heartbeat is recent.
"""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

from spinefrac import extras, settings
from spinefrac.system import private_files, processes
from spinefrac.training.runs import database
from spinefrac.training.runs.records import RunnerState

#: Time between two heartbeats of a runner.
HEARTBEAT_INTERVAL_S = 2.0
#: Without a heartbeat for this time, a runner of another machine counts as dead.
HEARTBEAT_TIMEOUT_S = 12.0
#: Of the end of the log that `read_log_tail` returns.
_LOG_TAIL_BYTES = 2000
#: The log file of the runners is emptied beyond this size.
_MAX_LOG_BYTES = 2**20


def get_hostname() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def log_path() -> Path:
    """Return the log file of the runners."""
    return settings.runs_dir() / "runner.log"


def get_active_runner(connection: sqlite3.Connection) -> RunnerState | None:
    """Return the active runner, or None."""
    row = connection.execute("SELECT * FROM lease").fetchone()
    if row is None or not is_process_alive(row):
        return None
    return RunnerState(row["pid"], row["host"], row["heartbeat"])


def is_process_alive(row: sqlite3.Row) -> bool:
    """Whether the process of a row (pid, process_started, host, heartbeat) is alive."""
    if row["host"] == get_hostname():
        return processes.is_alive(row["pid"], row["process_started"])
    return bool(time.time() - row["heartbeat"] < HEARTBEAT_TIMEOUT_S)


def ensure_runner() -> bool:
    """Start a runner where there is work and no active runner; return whether one was started.

    None is started by an installation that cannot train: its runs wait for one that can.
    It is detached and inherits no files of this process, so it outlives the page,
    the browser, the server and the terminal.
    """
    if not database.database_path().exists() or extras.explain_missing("train"):
        return False
    with database.read_transaction() as connection:
        if not _is_runner_needed(connection):
            return False
    with database.write_transaction() as connection:
        if not _is_runner_needed(connection):  # another process was faster
            return False
        token = secrets.token_hex(8)
        process = _start_runner(token)
        _write_lease(connection, token, process.pid)
    return True


def _is_runner_needed(connection: sqlite3.Connection) -> bool:
    work = connection.execute("SELECT 1 FROM runs WHERE state IN ('queued','running') LIMIT 1")
    return work.fetchone() is not None and get_active_runner(connection) is None


def _write_lease(connection: sqlite3.Connection, token: str, pid: int) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO lease VALUES (1, ?, ?, ?, ?, ?)",
        (token, pid, processes.start_time(pid), get_hostname(), time.time()),
    )


def acquire_lease(token: str | None) -> str | None:
    """Take the lease for this process, or take over the one that was taken for it.

    Parameters
    ----------
    token : str or None
        From `ensure_runner`; None for a runner that was started manually.

    Returns
    -------
    str or None
        The lease's token; None where another runner is active.
    """
    with database.write_transaction(busy_timeout_s=60) as connection:
        row = connection.execute("SELECT * FROM lease").fetchone()
        if row is not None and row["token"] != token and is_process_alive(row):
            return None
        token = token or secrets.token_hex(8)
        _write_lease(connection, token, os.getpid())
    return token


def release_lease(connection: sqlite3.Connection, token: str) -> None:
    """Release the lease."""
    connection.execute("DELETE FROM lease WHERE token = ?", (token,))


def read_log_tail(since: float) -> str:
    """Return the end of the runners' log where it was written to after a time, else nothing."""
    try:
        with log_path().open("rb") as log:
            status = os.fstat(log.fileno())
            log.seek(max(0, status.st_size - _LOG_TAIL_BYTES))
            return log.read().decode("utf-8", "replace") if status.st_mtime >= since else ""
    except FileNotFoundError:
        return ""


def _start_runner(token: str) -> subprocess.Popen[bytes]:
    log = log_path()
    fresh = not log.exists() or log.stat().st_size > _MAX_LOG_BYTES
    private_files.create_file(log)
    with log.open("wb" if fresh else "ab") as stream:
        # Warnings of libraries quote elements of headers, and the log stays.
        arguments = ("-W", "ignore", "-m", "spinefrac.training.runner", token)
        return processes.start_detached(*arguments, output=stream)
