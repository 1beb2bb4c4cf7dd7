"""There is one runner, and a dead one is replaced."""

import os
import shutil
import subprocess
import sys
import time

from spinefrac.training import runs
from spinefrac.training.runs import database, lease
from tests.support.runs import submit
from tests.support.watch import wait_until


def test_however_many_look_one_runner_starts(folder, quick, monkeypatch):
    """Six processes look at the same moment; the folder is gone, so the run ends soon."""
    run = submit(folder, quick)
    shutil.rmtree(folder)
    code = (
        "import sys, time\nfrom spinefrac.training import runs\n"
        "sys.stdin.read(1)\nprint(runs.ensure_runner())"
    )
    lookers = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    time.sleep(1.5)  # all are imported; those that are not come later, which does no harm
    answers = [looker.communicate("x")[0].strip() for looker in lookers]
    wait_until(lambda: not runs.get_run(run.id).is_open)
    ended = runs.get_run(run.id)
    assert answers.count("True") == 1, answers
    assert (ended.state, ended.error_kind, ended.attempts) == ("failed", "DatasetError", 1)
    assert ended.is_resumable and "does not exist" in ended.error
    wait_until(lambda: runs.get_runner_state() is None)


def test_a_dead_runner_is_seen_by_its_process_or_by_its_silence(folder, quick):
    run = submit(folder, quick)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    now = time.time()
    for pid, host, heartbeat, living in (
        (os.getpid(), lease.get_hostname(), now - 1000, True),  # at work, whatever the clock says
        (gone.pid, lease.get_hostname(), now, False),
        (1, "another-machine", now - 5, True),
        (1, "another-machine", now - 14, False),
    ):
        with database.write_transaction() as connection:
            connection.execute("UPDATE runs SET state = 'running'")
            connection.execute(
                "INSERT OR REPLACE INTO lease VALUES (1, 'token', ?, NULL, ?, ?)",
                (pid, host, heartbeat),
            )
        assert (runs.get_runner_state() is not None) is living
        assert runs.get_run(run.id).interrupted is not living
