"""What a server does before it takes work."""

import asyncio
import threading

from fastapi import FastAPI

from spinefrac.api import lifespan
from spinefrac.system import memory_release


def run(api):
    """Run the server's life until it is ready; return whether it was at the end."""

    async def live():
        async with lifespan.run(api):
            assert not getattr(api.state, "is_ready", False)
            for _ in range(600):
                if getattr(api.state, "is_ready", False):
                    break
                await asyncio.sleep(0.05)
            assert api.state.is_ready
        return api.state.is_ready

    return asyncio.run(live())


def test_it_is_ready_once_it_is_warm_and_not_when_it_stops(home):
    assert run(FastAPI()) is False


def test_it_returns_memory_while_it_runs(home, monkeypatch):
    trimmed = threading.Event()
    monkeypatch.setattr(lifespan, "TRIM_EVERY_S", 0.01)
    monkeypatch.setattr(memory_release, "trim", trimmed.set)
    run(FastAPI())
    assert trimmed.is_set()


def test_a_server_without_a_model_is_ready_all_the_same(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    assert run(FastAPI()) is False
    assert any("without a warm model" in record.getMessage() for record in caplog.records)
