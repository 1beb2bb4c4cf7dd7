"""A server of REST alone, in a home of its own with the model that ships."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from spinefrac.access import database, users
from spinefrac.access.policy import Role
from spinefrac.access.users import Kind
from spinefrac.api.application import PREFIX, build_api
from spinefrac.api.caller import ServerSettings
from spinefrac.api.guard.stack import build_middleware
from tests.support import rest
from tests.support.rest import Client

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "spinefrac" / "ui" / "samples"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with the model that ships, for this process."""
    if not (ROOT / "models" / "phantom-demo").is_dir():
        pytest.skip("models/phantom-demo is absent: make it with `make demo`")
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "models" / "phantom-demo", folder / "models" / "phantom-demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINEFRAC_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def api(home: Path) -> FastAPI:
    """The application of the routes."""
    return build_api()


@pytest.fixture(scope="module")
def client(api: FastAPI) -> Iterator[Client]:
    """A client of a server with all guards; whoever asks is the admin on this machine."""
    app = Starlette(
        routes=[Mount(PREFIX, app=api)],
        middleware=build_middleware(PREFIX, lambda session: session == "open"),
    )
    with rest.serve(app) as found:
        yield found


@pytest.fixture
def as_role(api: FastAPI, client: Client) -> Iterator[Callable[[Role | None], Client]]:
    """Return a client with the token of somebody of a role; the server is a team's meanwhile."""
    before = api.state.server
    api.state.server = ServerSettings(bind_address="0.0.0.0")
    made: list[str] = []

    def make(role: Role | None) -> Client:
        if role is None:
            return Client(client.address)
        name = f"some-{role}"
        if name not in made:
            users.add(name, role)
            made.append(name)
        return Client(client.address, users.issue(name, Kind.REST))

    yield make
    api.state.server = before
    with database.open_database().write() as connection:  # of `users` the last admin would stay
        connection.executemany("DELETE FROM user WHERE name = ?", [(name,) for name in made])


@pytest.fixture(scope="session")
def slice_file() -> bytes:
    """A synthetic slice with a fracture."""
    return (SAMPLES / "fracture-1.dcm").read_bytes()
