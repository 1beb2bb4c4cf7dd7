"""The runs' database: its schema, its triggers, and files that are none."""

import json
import sqlite3

import pytest

from spinefrac.errors import RunError
from spinefrac.training import runs
from spinefrac.training.runs import database

OLD_CONFIG = {"threshold_rule": "youden", "cluster": None}


def submit(folder, quick, name="first", **options):
    return runs.submit(runs.RunRequest(folder, name, quick, **options), start_runner=False)


def test_events_are_only_ever_added(folder, quick):
    submit(folder, quick)
    for statement in ("UPDATE events SET message = 'x'", "DELETE FROM events"):
        with (
            pytest.raises(RunError, match="only ever added"),
            database.write_transaction() as connection,
        ):
            connection.execute(statement)


def test_an_older_database_is_brought_up_to_date(folder, quick, home):
    (home / "runs").mkdir(parents=True)
    old = sqlite3.connect(database.database_path())
    old.executescript(database.MIGRATIONS[0])
    old.execute("PRAGMA user_version = 1")
    old.execute(
        "INSERT INTO runs (id, name, state, folder, config, fingerprint, images, groups_found,"
        " versions, submitted, queued) VALUES ('old-1', 'old', 'done', '/x', ?, '', 1, 1, '{}', 1,"
        " 1)",
        (json.dumps({"settings": quick.to_dict(), "note": "", **OLD_CONFIG}),),
    )
    old.commit()
    old.close()
    submit(folder, quick)
    assert [run.name for run in runs.list_runs()] == ["first", "old"]
    assert runs.get_run("old").error_kind is None


def test_a_newer_database_is_left_alone(folder, quick):
    submit(folder, quick)
    with sqlite3.connect(database.database_path()) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(RunError, match="update spinefrac"):
        runs.list_runs()


def test_what_is_no_database_is_said(home):
    (home / "runs").mkdir(parents=True)
    database.database_path().write_bytes(b"something else" * 1000)
    with pytest.raises(RunError, match="not a database"):
        runs.list_runs()


def test_what_fails_in_the_middle_leaves_nothing(folder, quick):
    run = submit(folder, quick)
    with pytest.raises(RuntimeError), database.write_transaction() as connection:
        connection.execute("UPDATE runs SET name = 'changed'")
        raise RuntimeError
    assert runs.get_run(run.id).name == "first"
