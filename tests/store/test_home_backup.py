"""A backup of HOME, and back."""

import json
import shutil
import sqlite3
import stat
import threading
import zipfile

import pytest

from spinefrac.errors import BackupError
from spinefrac.store import home_backup


def make_database(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS pair (first INTEGER, second INTEGER)")
    connection.executemany("INSERT INTO pair VALUES (?, ?)", [(n, n) for n in range(rows)])
    connection.commit()
    return connection


def read_database(path):
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT first, second FROM pair").fetchall()
    connection.close()
    return found


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with a model, a run, a database that is open, and what is left out."""
    home = tmp_path / "home"
    contents = {
        "models/first/card.json": b"{}",
        "models/first/serving.onnx": b"onnx" * 1000,
        "models/.lock": b"",
        "runs/first-1/fold_0/checkpoint.npz": b"weights",
        "runs/cache/inputs.npy": b"cache",
        "runs/runner.log": b"log",
        "runs/first-1/.half.tmp": b"half",
        "evaluations/abc/one.json": b"{}",
        "data/uploads/1/slices/fracture/a.png": b"png",
        "data/own/fracture/a.png": b"not uploaded",
    }
    for name, content in contents.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    connection = make_database(home / "history.sqlite", 10)
    make_database(home / "runs/spinefrac.db", 5).close()
    monkeypatch.setenv("SPINEFRAC_HOME", str(home))
    yield home
    connection.close()


def test_everything_comes_back_but_caches_and_logs(home, tmp_path, monkeypatch):
    made = home_backup.write(tmp_path / "home.zip")
    assert stat.S_IMODE((tmp_path / "home.zip").stat().st_mode) == 0o600
    other = tmp_path / "other"
    monkeypatch.setenv("SPINEFRAC_HOME", str(other))
    assert home_backup.read(tmp_path / "home.zip") == made
    files = {path.relative_to(other).as_posix() for path in other.rglob("*") if path.is_file()}
    assert files - {"models/.lock"} == {
        "models/first/card.json",
        "models/first/serving.onnx",
        "runs/first-1/fold_0/checkpoint.npz",
        "runs/spinefrac.db",
        "evaluations/abc/one.json",
        "data/uploads/1/slices/fracture/a.png",
        "history.sqlite",
    }
    assert (other / "models/first/serving.onnx").read_bytes() == b"onnx" * 1000
    assert len(read_database(other / "history.sqlite")) == 10
    assert stat.S_IMODE((other / "history.sqlite").stat().st_mode) == 0o600


def test_what_is_written_meanwhile_is_whole(home, tmp_path, monkeypatch):
    """A writer adds pairs in transactions of two; no copy has half of one."""
    stop = threading.Event()

    def keep_writing():
        connection = sqlite3.connect(home / "runs/spinefrac.db", timeout=10)
        number = 100
        while not stop.is_set():
            number += 1
            connection.execute("INSERT INTO pair VALUES (?, NULL)", (number,))
            connection.execute("UPDATE pair SET second = first WHERE second IS NULL")
            connection.commit()
        connection.close()

    thread = threading.Thread(target=keep_writing)
    thread.start()
    try:
        for number in range(5):
            home_backup.write(tmp_path / f"{number}.zip")
    finally:
        stop.set()
        thread.join()
    for number in range(5):
        monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / f"restored-{number}"))
        home_backup.read(tmp_path / f"{number}.zip")
        rows = read_database(tmp_path / f"restored-{number}" / "runs/spinefrac.db")
        assert len(rows) >= 5 and all(first == second for first, second in rows)


def test_nothing_is_replaced_unless_asked_for(home, tmp_path):
    home_backup.write(tmp_path / "home.zip")
    (home / "models/first/card.json").write_text("changed")
    (home / "models/second").mkdir()
    with pytest.raises(BackupError, match="would lose it"):
        home_backup.read(tmp_path / "home.zip")
    assert (home / "models/first/card.json").read_text() == "changed"
    watching = sqlite3.connect(home / "history.sqlite")
    watching.execute("DELETE FROM pair")
    watching.commit()
    home_backup.read(tmp_path / "home.zip", replace=True)
    assert (home / "models/first/card.json").read_text() == "{}"
    assert (home / "models/second").is_dir()
    assert watching.execute("SELECT count(*) FROM pair").fetchone() == (10,)
    watching.close()
    assert not list(home.glob(".restore-*"))


def rewrite(path, change):
    """Write a backup anew with a changed list of files and contents."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(contents.pop(home_backup.MANIFEST))
    change(manifest, contents)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        archive.writestr(home_backup.MANIFEST, json.dumps(manifest))


def lead_out(manifest, contents):
    contents["models/../../evil"] = b"x"
    manifest["files"]["models/../../evil"] = {"size": 1, "sha256": ""}


def lie_elsewhere(manifest, contents):
    contents["elsewhere/x"] = b"x"
    manifest["files"]["elsewhere/x"] = {"size": 1, "sha256": ""}


def flip(manifest, contents):
    contents["models/first/card.json"] = b"[]"


def be_newer(manifest, contents):
    manifest["version"] = 99


def be_something_else(manifest, contents):
    del manifest["files"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lead_out, "belongs to no HOME"),
        (lie_elsewhere, "belongs to no HOME"),
        (flip, "is damaged"),
        (be_newer, "update spinefrac"),
        (be_something_else, "is no backup"),
    ],
)
def test_a_backup_that_was_changed_is_refused_and_nothing_is_written(
    home, tmp_path, monkeypatch, change, words
):
    home_backup.write(tmp_path / "home.zip")
    rewrite(tmp_path / "home.zip", change)
    other = tmp_path / "other"
    monkeypatch.setenv("SPINEFRAC_HOME", str(other))
    with pytest.raises(BackupError, match=words):
        home_backup.read(tmp_path / "home.zip")
    assert not list(other.iterdir()) and not (tmp_path / "evil").exists()


def test_what_cannot_be_saved_is_said(home, tmp_path, monkeypatch):
    (tmp_path / "there.zip").write_bytes(b"")
    with pytest.raises(BackupError, match="exists already"):
        home_backup.write(tmp_path / "there.zip")
    (tmp_path / "no.zip").write_bytes(b"no archive")
    with pytest.raises(BackupError, match="is no backup"):
        home_backup.read(tmp_path / "no.zip")
    shutil.rmtree(home)
    with pytest.raises(BackupError, match="found none"):
        home_backup.write(tmp_path / "empty.zip")
    assert not (tmp_path / "empty.zip").exists()
