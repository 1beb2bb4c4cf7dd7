"""The wheel: what it carries, and that it runs with no more than the packages it asks for."""

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.cli.test_serve import free_port
from tests.support.rest import Client
from tests.support.watch import wait_until

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "spinefrac"
SAMPLE = PACKAGE / "ui" / "samples" / "fracture-2.png"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

#: Draws each page of the installed package and predicts on a sample.
DRAW_PAGES = """
from streamlit import config
from streamlit.testing.v1 import AppTest

config.set_option("server.address", "127.0.0.1")  # on any other one people sign in first
for name in ("predict", "train", "augmentation", "metrics", "models", "help"):
    script = f"from spinefrac.ui.app import run\\n\\nrun({name!r})\\n"
    app = AppTest.from_string(script, default_timeout=120).run()
    assert len(app.main) and not app.exception and not app.error, (name, app.exception, app.error)
    if name == "predict":
        next(button for button in app.button if "sample" in (button.key or "")).click().run()
        assert not app.exception and not app.error, (app.exception, app.error)
        assert any("Probability of fracture" in str(html.proto) for html in app.get("html"))
"""


def list_requirements(extra: str | None) -> set[str]:
    """Return the distributions that an installation brings, with what they bring in turn."""
    texts = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"].get(extra, ())]
    open_texts, known = [Requirement(text) for text in texts], set()
    while open_texts:
        requirement = open_texts.pop()
        key = (requirement.name, tuple(sorted(requirement.extras)))
        if key in known:
            continue
        known.add(key)
        for text in metadata.requires(requirement.name) or ():
            needed = Requirement(text)
            extras = ("", *requirement.extras)
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras):
                open_texts.append(needed)
    return {name for name, _ in known}


def link_packages(folder: Path, names: set[str]) -> None:
    """Give a folder the files of installed distributions, by links."""
    folder.mkdir(parents=True)
    for name in names:
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            source, target = Path(str(distribution.locate_file(top))), folder / top
            if source.exists() and not target.exists():
                target.symlink_to(source)


class Installation:
    """A virtual environment with the wheel, and the packages of one of its extras."""

    def __init__(self, folder: Path, wheel: Path, extra: str | None) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        venv.create(folder / "venv", symlinks=True)
        self.bin = folder / "venv" / "bin"
        # Streamlit asks by this name whether it is installed or developed.
        packages = folder / "packages" / "site-packages"
        link_packages(packages, list_requirements(extra))
        (site,) = (folder / "venv" / "lib").glob("*/site-packages")
        (site / "packages.pth").write_text(f"{packages}\n")
        install = ("install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", self.bin / "python", *install, str(wheel)],
            check=True,
        )
        self.environment = {"PATH": os.defpath, "HOME": str(self.home)}

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.home, env=self.environment, capture_output=True, text=True,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done

    @contextmanager
    def serve(self, command: str, *options: str, health: str) -> Iterator[Client]:
        """Start a server in the home; yield a client of it once it is healthy."""
        port = free_port()
        with (self.home / "server.log").open("w") as log:
            process = subprocess.Popen(
                [self.bin / "spinefrac", command, "--port", str(port), *options],
                cwd=self.home, env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        client = Client(f"http://127.0.0.1:{port}")
        try:
            wait_until(lambda: process.poll() is not None or is_healthy(client, health), 60)
            assert process.poll() is None, (self.home / "server.log").read_text()
            yield client
        finally:
            process.terminate()
            process.wait(20)


def is_healthy(client: Client, path: str) -> bool:
    try:
        return bool(client.get(path).status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = (
        *("-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--no-index", "--no-build-isolation", "--wheel-dir", str(folder)),
    )
    subprocess.run([sys.executable, *build, str(ROOT)], check=True)
    (path,) = folder.glob("*.whl")
    return path


def test_a_wheel_carries_every_file(wheel: Path) -> None:
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    }
    expected |= {
        f"spinefrac/shipped/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "app.py", ROOT / ".streamlit" / "config.toml", ROOT / "mkdocs.yml",
                     *(ROOT / "models" / "phantom-demo").iterdir(), *(ROOT / "docs").rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }  # fmt: skip
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert len(names) > 300 and names == expected


def test_tensorflow_comes_with_training_only() -> None:
    assert not {"tensorflow", "keras", "fastapi", "distributed"} & list_requirements(None)
    assert not {"tensorflow", "keras", "distributed"} & list_requirements("serve")


@pytest.mark.slow
def test_a_plain_installation_predicts_and_shows_the_pages(wheel: Path, tmp_path: Path) -> None:
    installation = Installation(tmp_path, wheel, None)
    (answer,) = json.loads(installation.run("spinefrac", "predict", str(SAMPLE), "--json").stdout)
    assert answer["model"] == "phantom-demo" and answer["label"] == "fracture"
    assert list(installation.home.glob("**/spinefrac/models/phantom-demo/card.json"))
    with installation.serve("app", "--no-browser", health="/_stcore/health") as client:
        assert b"<title>" in client.get("/").content
    drawn = installation.run("python", "-c", DRAW_PAGES)
    assert drawn.returncode == 0, drawn.stderr
    refused = installation.run("spinefrac", "serve")
    assert refused.returncode == 1 and "pip install 'spinefrac[serve]'" in refused.stderr


@pytest.mark.slow
def test_a_server_needs_no_tensorflow(wheel: Path, tmp_path: Path) -> None:
    installation = Installation(tmp_path, wheel, "serve")
    with installation.serve("serve", health="/api/v1/health/ready") as client:
        models = client.get("/api/v1/models").json()
        assert [model["id"] for model in models] == ["phantom-demo"]
    made = installation.run("spinefrac", "phantom", "data", "--patients", "4", "--slices", "1")
    assert made.returncode == 0, made.stderr
    for command in (("train", "data", "--name", "first"), ("train", "data", "--estimate")):
        refused = installation.run("spinefrac", *command)
        assert refused.returncode == 1
        assert re.fullmatch(r"error: Training.*'spinefrac\[train\]'.*\n", refused.stderr)
