"""What is created in HOME is for its owner only, and what an older version left becomes so."""

import os
import stat
import sys
from pathlib import Path

import pytest

from spinefrac.system import atomic, private_files, sqlite

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def open_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "new" / "home"))
    return (tmp_path / "new" / "home").resolve()


def test_a_new_home_and_its_folders_are_private(home: Path) -> None:
    private_files.make_folder(home / "runs" / "one")
    assert [mode(folder) for folder in (home, home / "runs", home / "runs" / "one")] == [0o700] * 3


def test_folders_that_exist_keep_their_mode(home: Path) -> None:
    home.mkdir(parents=True)
    home.chmod(0o755)
    private_files.make_folder(home / "runs")
    assert (mode(home), mode(home / "runs")) == (0o755, 0o700)


def test_what_an_older_version_left_is_tightened_and_nothing_else(home: Path, tmp_path) -> None:
    elsewhere = tmp_path / "elsewhere.csv"
    files = ("models/a/oof.csv", "models/a/history.csv", "runs/r/run.json", "data/s/fracture/1.png")
    for path in (*(home / name for name in files), home / "history.sqlite", elsewhere):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        path.chmod(0o664)
    (home / "models/a/link.csv").symlink_to(elsewhere)
    home.chmod(0o775)
    private_files.tighten_home()
    assert [mode(home / name) for name in files] == [0o600, 0o600, 0o600, 0o664]
    folders = (home, home / "models", home / "models/a", home / "runs/r")
    assert [mode(folder) for folder in folders] == [0o700] * 4
    assert (mode(home / "history.sqlite"), mode(elsewhere)) == (0o600, 0o664)


def test_a_checkout_itself_stays_readable(home: Path) -> None:
    (home / "models").mkdir(parents=True)
    (home / "pyproject.toml").touch()
    home.chmod(0o755)
    (home / "models").chmod(0o755)
    private_files.tighten_home()
    assert (mode(home), mode(home / "models")) == (0o755, 0o700)


def test_files_are_private_in_home_only(home: Path, tmp_path: Path) -> None:
    private_files.make_folder(home)
    atomic.write_bytes(home / "oof.csv", b"x")
    atomic.write_bytes(tmp_path / "export.zip", b"x")
    assert (mode(home / "oof.csv"), mode(tmp_path / "export.zip")) == (0o600, 0o644)


def test_a_database_is_private_with_its_log(home: Path) -> None:
    scripts = ("CREATE TABLE a (b TEXT);",)
    database = sqlite.Database(home / "runs" / "a.db", scripts, lambda *_: OSError(), 1.0)
    with database.connect() as connection:
        connection.execute("INSERT INTO a VALUES ('x')")
        assert {path.name: mode(path) for path in (home / "runs").iterdir()} == {
            "a.db": 0o600,
            "a.db-wal": 0o600,
            "a.db-shm": 0o600,
        }
