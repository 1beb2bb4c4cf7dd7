"""A background job: progress while it runs, cancelled at once, errors in one line."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from spinefrac.errors import ImageError
from spinefrac.inference import background_jobs
from spinefrac.inference.background_jobs import BackgroundJob

PATIENCE = 60.0


def wait_for(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_a_job_keeps_what_it_found_and_says_how_far_it_is() -> None:
    step = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        step.wait(PATIENCE)
        yield 2

    job = BackgroundJob(items(), 2)
    wait_for(lambda: job.poll().done == 1)
    assert job.poll().running and job.results() == [1]
    step.set()
    assert job.wait(PATIENCE)
    progress = job.poll()
    assert (progress.state, progress.done, progress.total) == ("finished", 2, 2)


def test_a_cancelled_job_stops_after_the_item_in_hand_and_cleans_up() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            for number in range(10**9):
                time.sleep(0.001)
                yield number
        finally:
            closed.set()

    job = BackgroundJob(items(), 10**9)
    wait_for(lambda: job.poll().done > 2)
    job.cancel()
    assert job.wait(PATIENCE)
    assert job.poll().state == "cancelled" and closed.is_set()
    assert job.results() == list(range(job.poll().done))


def test_a_job_that_nobody_looks_at_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_jobs, "IDLE_TIMEOUT_S", 0.2)

    def items() -> Iterator[int]:
        while True:
            time.sleep(0.01)
            yield 0

    job = BackgroundJob(items(), 10**9)
    assert job.wait(PATIENCE)
    assert job.poll().state == "cancelled"


def test_a_job_that_fails_says_why_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    def foreseen() -> Iterator[int]:
        yield 1
        raise ImageError("expected a slice, got none")

    def unforeseen() -> Iterator[int]:
        yield 1
        raise RuntimeError("^".join(["Doe", "Jane"]))

    job = BackgroundJob(foreseen(), 2)
    job.wait(PATIENCE)
    assert job.poll().error == "expected a slice, got none" and job.results() == [1]
    other = BackgroundJob(unforeseen(), 2)
    other.wait(PATIENCE)
    assert other.poll().state == "failed" and "unexpected" in other.poll().error
    assert "Doe^Jane" not in caplog.text and "RuntimeError" in caplog.text
