"""Workers that die, hang, lie and are replaced; every one is a real process."""

import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from spinefrac.errors import ImageError, ModelError
from spinefrac.exchange.io_spec import UnresolvedIOError
from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.worker_pool import WorkerPool
from tests.support import worker_functions as functions

MODULE = functions.__name__


def describe_failure(failure):
    return ModelError(f"{failure.reason}: it {failure.description}")


@pytest.fixture
def make_pool(tmp_path):
    """Return a maker of pools that are closed after the test."""
    made = []

    def make(limits=None, **options):
        options = {"workers": 2, "idle_workers": 1, "max_calls": 1000, "home": tmp_path} | options
        limits = limits or ResourceLimits(memory_mib=512, file_mib=1, cpu_s=2, wall_s=2)
        made.append(WorkerPool(MODULE, limits, describe_failure, **options))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """A pool that several tests share: what one does to it harms no other."""
    home = tmp_path_factory.mktemp("home")
    limits = ResourceLimits(memory_mib=512, file_mib=1, cpu_s=1, wall_s=2)
    shared = WorkerPool(
        MODULE, limits, describe_failure, workers=2, idle_workers=2, max_calls=1000, home=home
    )
    yield shared
    shared.close()


def shared_memory_files():
    folder = Path("/dev/shm")
    return set(folder.iterdir()) if folder.is_dir() else set()


def test_results_come_back_whole_and_whatever_is_printed(pool):
    found = pool.call(functions.describe, "ü", (1.5, float("inf")))
    assert (found.text, found.numbers) == ("ü", (1.5, float("inf")))
    assert found.process != os.getpid()
    before = shared_memory_files()
    ct = pool.call(functions.make_slice, 4)
    assert ct.pixels.dtype == np.float32 and ct.pixels.flags.writeable
    np.testing.assert_array_equal(ct.pixels, functions.make_slice(4).pixels)
    assert ct.spacing_mm == (0.5, 0.25) and shared_memory_files() <= before


def test_errors_keep_their_kind(pool):
    with pytest.raises(ImageError, match=r"^expected a slice, got a test$"):
        pool.call(functions.refuse)
    with pytest.raises(UnresolvedIOError) as found:
        pool.call(functions.ask)
    assert found.value.missing == ["scale"] and found.value.found["size"] == 32
    with pytest.raises(ModelError, match=r"exception: it ValueError: odd in file$"):
        pool.call(functions.stumble)


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        (functions.die, ("SIGABRT",), r"crash: .*SIGABRT"),
        (functions.die, ("SIGSEGV",), r"crash: .*SIGSEGV"),
        (functions.leave, (3,), r"crash: .*status 3"),
        (functions.lie, (), "crash: it sent something that is no result"),
        (functions.talk, (65 << 20,), "crash"),
        (functions.sleep, (60.0,), "time: it took more than 2 s$"),
        (functions.hang_with_the_interpreter, (), "time: it took more than 2 s$"),
        (functions.spin, (), "time: it took more than"),
        (functions.allocate, (1024,), "memory: it needs more than the 512 MiB"),
        (functions.write_file, ("{home}/big", 3 << 20), "exception: it OSError"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")
def test_what_goes_wrong_costs_one_call(pool, tmp_path, function, arguments, reason, caplog):
    arguments = [a.format(home=tmp_path) if isinstance(a, str) else a for a in arguments]
    with caplog.at_level(logging.WARNING), pytest.raises(ModelError, match=reason) as found:
        pool.call(function, *arguments)
    assert "\n" not in str(found.value)
    assert MODULE in caplog.text and str(tmp_path) not in caplog.text
    assert pool.call(functions.describe, "on", ()).text == "on"


def test_a_spare_worker_answers_at_once_while_another_is_replaced(make_pool):
    pool = make_pool(idle_workers=2)
    pool.call(functions.sleep, 0.0)
    first = {pool.call(functions.sleep, 0.0)}
    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(pool.call, functions.sleep, 60.0)
        time.sleep(0.2)
        others = {pool.call(functions.sleep, 0.0) for _ in range(5)}
        with pytest.raises(ModelError):
            slow.result()
    assert len(others) == 1 and others.isdisjoint(first)


def test_one_owner_leaves_a_worker_to_others(make_pool):
    pool = make_pool(calls_per_owner=1, idle_workers=2)
    pool.call(functions.sleep, 0.0)
    with ThreadPoolExecutor(2) as threads:
        mine = [threads.submit(pool.call, functions.sleep, 1.5, owner="me") for _ in range(2)]
        time.sleep(0.1)
        pool.call(functions.sleep, 0.0, owner="you")
        assert not any(one.done() for one in mine)
        start = time.monotonic()
        assert all(one.result() for one in mine)
        assert time.monotonic() - start > 1.6, "the two calls of one owner follow each other"


def test_a_spare_is_left_to_others_while_one_owner_hangs(make_pool):
    pool = make_pool(workers=2, idle_workers=2)
    pool.call(functions.sleep, 0.0)
    with ThreadPoolExecutor(2) as threads:
        mine = [threads.submit(pool.call, functions.sleep, 1.5, owner="me") for _ in range(2)]
        time.sleep(0.1)
        pool.call(functions.sleep, 0.0, owner="you")
        assert not any(one.done() for one in mine)


def test_workers_end_after_so_many_calls_or_with_so_much_memory(make_pool):
    counted = make_pool(max_calls=2)
    assert len({counted.call(functions.sleep, 0.0) for _ in range(4)}) == 2
    fat = make_pool(max_rss_mib=1)
    assert len({fat.call(functions.sleep, 0.0) for _ in range(3)}) == 3


def test_workers_get_no_secrets_and_no_settings(make_pool, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("SPINEFRAC_HOME", "/secret")
    found = make_pool(environment={"OMP_NUM_THREADS": "1"}).call(functions.environment)
    assert {"HOME", "OMP_NUM_THREADS"} <= set(found)
    assert not [name for name in found if name.startswith(("AWS", "SPINEFRAC"))]


def test_a_module_that_cannot_be_imported_fails_the_call_and_no_more(tmp_path):
    pool = WorkerPool("tests.support.no_such_module", ResourceLimits(), describe_failure)
    for _ in range(2):
        with pytest.raises(ModelError, match="could not be started"):
            pool.call(functions.refuse)
    pool.close()


def test_a_closed_pool_ends_its_workers_and_refuses_calls(make_pool):
    pool = make_pool()
    process = psutil.Process(pool.call(functions.sleep, 0.0))
    pool.close()
    process.wait(10)
    with pytest.raises(ModelError):
        pool.call(functions.sleep, 0.0)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL of POSIX")
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    program = (
        "import sys, threading, time\n"
        "from spinefrac.errors import ModelError\n"
        "from spinefrac.system.resource_limits import ResourceLimits\n"
        "from spinefrac.system.worker_pool import WorkerPool\n"
        "from tests.support import worker_functions as functions\n"
        f"pool = WorkerPool({MODULE!r}, ResourceLimits(), ModelError, workers=2, idle_workers=1,"
        "  max_calls=9)\n"
        "print(pool.call(functions.sleep, 0.0), flush=True)\n"
        "pool.call(functions.sleep, 60.0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        worker.wait(10)


def test_workers_outlive_the_thread_that_asked_first(make_pool):
    pool = make_pool()
    found = []
    asking = threading.Thread(target=lambda: found.append(pool.call(functions.sleep, 0.0)))
    asking.start()
    asking.join()
    time.sleep(0.1)
    assert pool.call(functions.sleep, 0.0) == found[0]
