"""Where things live: the variables, the checkout, or the user's data folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import spinefrac
from spinefrac import settings

PACKAGE = Path(spinefrac.__file__).parent


def test_home_is_what_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "a" / ".." / "b"))
    assert settings.home() == tmp_path.resolve() / "b"
    assert settings.models_dir() == settings.home() / "models"
    assert settings.runs_dir() == settings.home() / "runs"
    monkeypatch.setenv("SPINEFRAC_HOME", "~/spines")
    assert settings.home() == Path.home().resolve() / "spines"


@pytest.mark.parametrize("value", [None, ""])
def test_home_of_a_checkout_is_the_checkout(monkeypatch, value):
    monkeypatch.delenv("SPINEFRAC_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("SPINEFRAC_HOME", value)
    assert settings.home() == PACKAGE.resolve().parent
    assert (settings.home() / "pyproject.toml").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="the folder is that of Linux")
def test_home_of_an_installed_package_is_the_users_data_folder(tmp_path):
    installed = tmp_path / "site-packages" / "spinefrac"
    installed.mkdir(parents=True)
    for name in ("__init__.py", "settings.py"):
        shutil.copy(PACKAGE / name, installed / name)
    environment = {**os.environ, "PYTHONPATH": str(installed.parent), "XDG_DATA_HOME": "/data/xdg"}
    environment.pop("SPINEFRAC_HOME", None)
    done = subprocess.run(
        [sys.executable, "-c", "from spinefrac import settings; print(settings.home())"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "/data/xdg/spinefrac"


def test_data_roots_are_separated_as_in_path(monkeypatch, tmp_path):
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path))
    monkeypatch.delenv("SPINEFRAC_DATA_ROOTS", raising=False)
    assert settings.data_roots() == (tmp_path.resolve() / "data",)
    monkeypatch.setenv("SPINEFRAC_DATA_ROOTS", os.pathsep.join(["/a", " ", "/b/../c"]))
    assert settings.data_roots() == (Path("/a").resolve(), Path("/c").resolve())


@pytest.mark.parametrize(
    ("name", "read", "default"),
    [
        ("SPINEFRAC_HISTORY", settings.history_enabled, True),
        ("SPINEFRAC_HISTORY_PICTURES", settings.history_images_enabled, False),
        ("SPINEFRAC_ALLOW_IMPORT", settings.imports_allowed, False),
    ],
)
def test_switches(monkeypatch, name, read, default):
    monkeypatch.delenv(name, raising=False)
    assert read() is default
    for word, meaning in (("ON", True), (" yes ", True), ("Off", False), ("0", False)):
        monkeypatch.setenv(name, word)
        assert read() is meaning
