"""What `spinefrac serve` loses of what it has acknowledged while it is killed again and again.

    python -m benchmarks serving_kills

Signed-in people predict by REST and on a page, upload data sets, submit runs and cancel them, on
loopback. The server is killed (SIGKILL) every minute of ten and started again. Whatever was
answered with success before a kill has to be there at the end.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from websockets.exceptions import WebSocketException

from benchmarks._page_session import PageSession
from benchmarks.serving_load import BUTTON, OTHER_BUTTON, ROOT, SAMPLE, find_free_port

DURATION_S, KILL_EVERY_S = 600.0, 60.0
#: Clients that predict by REST, and sessions that predict on the page, at any time.
REST_CLIENTS, PAGE_CLIENTS = 4, 2
#: Seconds between what one person does and the next thing.
PAUSE_S = 0.5

NAME = "kim"
#: What a client that is cut off sees.
_CUT_OFF = (httpx.HTTPError, WebSocketException, OSError, AssertionError, KeyError)


@dataclass
class Acknowledged:
    """What the server has answered with success.

    Attributes
    ----------
    datasets, runs, cancelled : set of str
        Ids of data sets, of runs, and of runs that were cancelled.
    predicted : int
        Predictions by REST, of which nothing is kept.
    kept : int
        Predictions on the page, which the history keeps.
    cut_off : int
        Requests and sessions without an answer.
    """

    datasets: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    predicted: int = 0
    kept: int = 0
    cut_off: int = 0

    @property
    def count(self) -> int:
        """Everything that has to be there at the end: also a line of the log for each request."""
        requests = len(self.datasets) + len(self.runs) + len(self.cancelled)
        return 2 * requests + self.kept


def measure() -> list[tuple[str, str, str]]:
    """Measure, and return (what, value, target) for each."""
    with tempfile.TemporaryDirectory() as name, _set_home(Path(name)) as home:
        shutil.copytree(ROOT / "models/phantom-demo", home / "models/phantom-demo")
        archive, tokens = _make_archive(home), _make_tokens()
        found, starts = asyncio.run(_send_traffic(home, archive, tokens))
        lost = _find_lost(found)
    what = f"{DURATION_S / 60:g} min of mixed traffic, the server killed every {KILL_EVERY_S:g} s"
    return [
        (f"{what}: kills", f"{len(starts)}", "reported"),
        ("answered predictions by REST", f"{found.predicted:,}", "reported"),
        (
            "data sets, runs, cancellations, predictions kept, lines of the log: acknowledged",
            f"{found.count:,}",
            "reported",
        ),
        ("of these lost", f"{sum(lost.values())}", "at most 0"),
        ("requests and sessions that were cut off", f"{found.cut_off:,}", "reported"),
        ("longest from a kill to the first answer of the next server", f"{max(starts):.1f} s", ""),
    ]


@contextmanager
def _set_home(home: Path) -> Iterator[Path]:
    before = os.environ.get("SPINEFRAC_HOME")
    os.environ["SPINEFRAC_HOME"] = str(home)
    try:
        yield home
    finally:
        del os.environ["SPINEFRAC_HOME"]
        if before is not None:
            os.environ["SPINEFRAC_HOME"] = before


def _make_archive(home: Path) -> bytes:
    """Return a ZIP of class folders."""
    from spinefrac.data import phantom

    phantom.write_phantom(home / "slices", patients=6, slices=2, seed=1)
    return Path(shutil.make_archive(str(home / "slices"), "zip", home / "slices")).read_bytes()


def _make_tokens() -> tuple[str, str]:
    """Add an admin; return a token for REST, and one of a session."""
    from spinefrac.access import users
    from spinefrac.access.policy import Role

    users.add(NAME, Role.ADMIN)
    return users.issue(NAME, users.Kind.REST), users.issue(NAME, users.Kind.SESSION)


# --- traffic -----------------------------------------------------------------------------------


async def _send_traffic(
    home: Path, archive: bytes, tokens: tuple[str, str]
) -> tuple[Acknowledged, list[float]]:
    """Send traffic while the server is killed; return what was answered, and seconds to restart."""
    port = find_free_port()
    address, found = f"http://127.0.0.1:{port}", Acknowledged()
    starts: list[float] = []
    server = await _start(home, port)
    try:
        async with httpx.AsyncClient(
            base_url=f"{address}/api/v1",
            headers={"Authorization": f"Bearer {tokens[0]}"},
            timeout=30,
            trust_env=False,
        ) as client:
            traffic = _begin_traffic(client, archive, address, tokens[1], found)
            end = time.monotonic() + DURATION_S
            while (left := end - time.monotonic()) > 0:
                await asyncio.sleep(min(KILL_EVERY_S, left))
                server.kill()
                server.wait()
                killed = time.monotonic()
                server = await _start(home, port)
                starts.append(time.monotonic() - killed)
            for task in traffic:
                task.cancel()
            await asyncio.gather(*traffic, return_exceptions=True)
            await _cancel_open_runs(client, found)
    finally:
        server.terminate()
        server.wait(20)
    return found, starts


def _begin_traffic(
    client: httpx.AsyncClient, archive: bytes, address: str, token: str, found: Acknowledged
) -> list[asyncio.Task[None]]:
    """Have clients do what people do, again and again, whether or not there is a server."""

    async def keep_doing(act: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await act()
            except _CUT_OFF:
                found.cut_off += 1
            await asyncio.sleep(PAUSE_S)

    acts = [
        *[lambda: _predict(client, found)] * REST_CLIENTS,
        *[lambda: _use_page(address, token, found)] * PAGE_CLIENTS,
        lambda: _train(client, archive, found),
    ]
    return [asyncio.create_task(keep_doing(act)) for act in acts]


async def _predict(client: httpx.AsyncClient, found: Acknowledged) -> None:
    """Predict by REST, one slice after the other."""
    files = [("files", (SAMPLE.name, SAMPLE.read_bytes()))]
    for _ in range(20):
        (await client.post("/predict", files=files)).raise_for_status()
        found.predicted += 1


async def _start(home: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the server; return it once it answers."""
    command = [sys.executable, "-m", "spinefrac", "serve", "--port", str(port)]
    with (home / "log.txt").open("ab") as log:
        server = subprocess.Popen(command, cwd=ROOT, stderr=log)
    async with httpx.AsyncClient(trust_env=False) as client:
        while server.poll() is None:
            with suppress(httpx.HTTPError):
                ready = await client.get(f"http://127.0.0.1:{port}/api/v1/health/ready")
                if ready.is_success:
                    return server
            await asyncio.sleep(0.05)
    raise RuntimeError(f"the server did not start again:\n{(home / 'log.txt').read_text()}")


async def _train(client: httpx.AsyncClient, archive: bytes, found: Acknowledged) -> None:
    """Upload a data set, submit a run on it, and cancel every open run."""
    files = [("files", ("slices.zip", archive))]
    number = len(found.datasets)
    added = await client.post("/datasets", files=files, data={"name": f"set {number}"})
    found.datasets.add(added.raise_for_status().json()["id"])
    body = {"dataset": added.json()["id"], "settings": {"folds": 2, "epochs": 1}}
    submitted = await client.post("/runs", json=body)
    found.runs.add(submitted.raise_for_status().json()["id"])
    await _cancel_open_runs(client, found)


async def _cancel_open_runs(client: httpx.AsyncClient, found: Acknowledged) -> None:
    """Cancel runs, also those whose submission was cut off: nothing is to be trained here."""
    for run in (await client.get("/runs")).raise_for_status().json():
        if run["state"] in ("queued", "running") and not run["cancelling"]:
            (await client.post(f"/runs/{run['id']}/cancel")).raise_for_status()
            found.cancelled.add(run["id"])


async def _use_page(address: str, token: str, found: Acknowledged) -> None:
    """Open the page, predict twice, and leave; every prediction is in the history."""
    session = await PageSession.open(address, "predict", token=token)
    try:
        for label in (BUTTON, OTHER_BUTTON):
            await session.click(label)
            found.kept += 1
    finally:
        await session.close()


# --- what is there afterwards ------------------------------------------------------------------


def _find_lost(found: Acknowledged) -> Counter[str]:
    """Return how much of what was acknowledged is not there, by kind."""
    from spinefrac.access import audit_log, datasets
    from spinefrac.access.policy import Action, Identity, Role
    from spinefrac.inference import history
    from spinefrac.training import runs

    there = {one.id for one in datasets.list_datasets(Identity(NAME, Role.ADMIN))}
    states = {run.id: run for run in runs.list_runs(limit=1_000_000)}
    cancelled = {name for name, run in states.items() if run.state == "cancelled" or run.cancelling}
    logged = {(line.action, line.subject) for line in audit_log.list_entries()}
    expected: dict[Action, set[str]] = {
        Action.ADD_DATASET: found.datasets,
        Action.START_RUN: found.runs,
        Action.CHANGE_RUN: found.cancelled,
    }
    kept = sum(entry.times for entry in history.list_entries(owner=NAME))
    return Counter(
        {
            "data sets": len(found.datasets - there),
            "runs": len(found.runs - states.keys()),
            "cancellations": len(found.cancelled - cancelled),
            "predictions": max(0, found.kept - kept),
            "lines of the log": sum(
                (str(action), subject) not in logged
                for action, subjects in expected.items()
                for subject in subjects
            ),
        }
    )
