"""Every example of docs/rest.md, run as it stands against a server."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spinefrac.data import phantom
from tests.cli.test_serve import Server

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "rest.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```(sh|python)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server whose home has the model that ships and a data set, and a slice beside it."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "models" / "phantom-demo", home / "models" / "phantom-demo")
    phantom.write_phantom(home / "data" / "slices", patients=8, slices=2, seed=1)
    shutil.make_archive(str(home / "slices"), "zip", home / "data" / "slices")
    shutil.copy(ROOT / "spinefrac" / "ui" / "samples" / "fracture-1.dcm", home / "slice.dcm")
    found = Server(home)
    try:
        found.wait()
        found.home = home
        yield found
    finally:
        found.stop()


def test_there_are_examples():
    assert len(EXAMPLES) >= 8


def test_every_example_works(server):
    """In their order: the run that one starts is cancelled and followed by later ones."""
    for kind, text in EXAMPLES:
        text = text.replace("http://127.0.0.1:8501", server.client.address)
        command = ["bash", "-ec", text] if kind == "sh" else [sys.executable, "-c", text]
        environment = {**os.environ, "TOKEN": "none is needed"}
        done = subprocess.run(
            command, cwd=server.home, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        assert done.stdout.strip() or (server.home / "heatmap.png").is_file(), text
    picture = (server.home / "heatmap.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


def test_the_example_of_a_client_works(server):
    """On a slice and a ZIP of slices; where nothing can be read it says why."""
    command = [sys.executable, str(ROOT / "examples" / "rest_client.py"), server.client.address]
    files = ["slice.dcm", "slices.zip"]
    done = subprocess.run(
        [*command, *files], cwd=server.home, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"slice\.dcm: (no )?fracture, \d+%\n", done.stdout)
    (server.home / "notes.txt").write_text("no slice")
    done = subprocess.run(
        [*command, "notes.txt"], cwd=server.home, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1 and done.stderr.startswith("422: ") and len(done.stderr) < 300


def test_every_route_is_in_the_table(server):
    paths = server.client.get("/api/v1/openapi.json").json()["paths"]
    missing = [path for path in paths if re.sub(r"\{\w+\}", "{id}", path) not in TEXT]
    assert not missing
