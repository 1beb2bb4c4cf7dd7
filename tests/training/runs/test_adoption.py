"""A run whose database was deleted is taken over from its folder."""

import json
import sqlite3

import pytest

from spinefrac import settings as places
from spinefrac.errors import RunError
from spinefrac.training import runs
from spinefrac.training.runs import adoption, database
from tests.support.runs import submit


@pytest.fixture
def lost(folder, quick):
    """A run that was going on when its database was deleted."""
    run = submit(folder, quick, note="for a test")
    with database.write_transaction() as connection:
        connection.execute("UPDATE runs SET state = 'running', stage = 'training'")
    adoption.save_record(run.id)
    delete_database()
    return run


def delete_database():
    for path in places.runs_dir().glob("spinefrac.db*"):
        path.unlink()


def test_it_is_as_it_was_and_can_be_resumed(lost):
    with pytest.raises(RunError, match="There is no run"):
        runs.get_run(lost.id)
    adopted = runs.adopt(lost.id)
    assert (adopted.state, adopted.stage, adopted.is_resumable) == ("cancelled", "training", True)
    for name in ("id", "name", "folder", "settings", "note", "fingerprint", "images", "submitted"):
        assert getattr(adopted, name) == getattr(lost, name)
    assert runs.resume(lost.id, start_runner=False).state == "queued"
    with pytest.raises(RunError, match="in the database already"):
        runs.adopt(lost.id)


def test_one_that_had_ended_stays_ended(folder, quick):
    run = submit(folder, quick)
    with database.write_transaction() as connection:
        connection.execute(
            "UPDATE runs SET state = 'done', model = 'first', result = ?", (json.dumps({"a": 1}),)
        )
    adoption.save_record(run.id)
    delete_database()
    adopted = runs.adopt(run.id)
    assert (adopted.state, adopted.model, adopted.result) == ("done", "first", {"a": 1})


@pytest.mark.parametrize("run_id", ["nothing", "../x", "", ".", "a/b", "x" * 300])
def test_another_name_is_one_line(home, run_id):
    with pytest.raises(RunError) as caught:
        runs.adopt(run_id)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("id", "other"),
        ("name", "../x"),
        ("state", "odd"),
        ("config", "{}"),
        ("config", "[" * 9999),
        ("images", -1),
        ("versions", "[]"),
        ("parent", "no JSON"),
        ("submitted", None),
    ],
)
def test_a_damaged_record_is_one_line_and_leaves_nothing(lost, key, wrong):
    path = places.runs_dir() / lost.id / adoption.RECORD_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), key: wrong}))
    with pytest.raises(RunError, match=r"run\.json") as caught:
        runs.adopt(lost.id)
    assert str(caught.value).isprintable()
    assert not (places.runs_dir() / "spinefrac.db").exists()
    path.unlink()
    with pytest.raises(RunError, match=r"has no run\.json"):
        runs.adopt(lost.id)


def test_the_name_must_be_free(lost, folder, quick):
    submit(folder, quick, "other")
    with database.write_transaction() as connection:
        connection.execute("UPDATE runs SET name = ?", (lost.name,))
    with pytest.raises(RunError, match="in use"):
        runs.adopt(lost.id)
    shell = sqlite3.connect(places.runs_dir() / "spinefrac.db")
    assert shell.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    shell.close()
