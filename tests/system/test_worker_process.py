"""One worker, without a pool: its environment and how its end is described."""

import threading

import pytest

from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.worker_process import WorkerFailed, WorkerProcess
from tests.support import worker_functions as functions


def test_a_worker_that_died_between_two_calls_fails_the_next(tmp_path):
    ready = threading.Event()
    worker = WorkerProcess(
        functions.__name__, ResourceLimits(wall_s=20), tmp_path, {}, lambda _: ready.set()
    )
    assert ready.wait(60) and worker.is_usable
    assert worker.call(functions.sleep, (0.0,)) == worker.pid and worker.rss_bytes > 1 << 20
    with pytest.raises(WorkerFailed, match="status 5"):
        worker.call(functions.leave, (5,))
    assert not worker.is_usable and worker.rss_bytes == 0
    with pytest.raises(WorkerFailed, match="ended the process"):
        worker.call(functions.sleep, (0.0,))
    worker.kill()
