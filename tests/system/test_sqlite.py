"""SQLite files are brought to the present schema once, and their failures are told apart."""

import errno
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from spinefrac.system.sqlite import Database, Problem, classify

MIGRATIONS = (
    "CREATE TABLE a (x INTEGER); CREATE TRIGGER t BEFORE DELETE ON a BEGIN "
    "SELECT RAISE (ABORT, 'never; deleted'); END;",
    "ALTER TABLE a ADD COLUMN y INTEGER DEFAULT 7;",
)


class Failed(Exception):
    pass


@pytest.fixture
def database(tmp_path):
    return make(tmp_path / "deeper" / "a.db")


def make(path, migrations=MIGRATIONS, **options):
    return Database(path, migrations, Failed, **{"busy_timeout_s": 5.0, **options})


def version(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA user_version").fetchone()[0]
    finally:
        connection.close()


def test_a_new_file_has_the_present_schema_and_waits_for_no_reader(database):
    with database.write() as connection:
        connection.execute("INSERT INTO a (x) VALUES (1)")
    with database.read() as reader:
        assert tuple(reader.execute("SELECT x, y FROM a").fetchone()) == (1, 7)
        with database.write() as writer:  # while somebody reads
            writer.execute("INSERT INTO a (x) VALUES (2)")
        assert reader.execute("SELECT count(*) FROM a").fetchone()[0] == 1  # one state of it
    assert version(database.path) == 2


def test_many_may_open_a_new_file_at_the_same_moment(tmp_path):
    gate = threading.Barrier(8)

    def insert(path):
        gate.wait()
        with make(path).write() as connection:
            connection.execute("INSERT INTO a (x) VALUES (1)")

    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            list(pool.map(insert, [tmp_path / f"{number}.db"] * 8))
            with make(tmp_path / f"{number}.db").read() as connection:
                assert connection.execute("SELECT count(*) FROM a").fetchone()[0] == 8


#: Another process: it opens the file twice, and reads a last time when it is told to.
READER = """
import sqlite3, sys
def count(): return connection.execute("SELECT count(*) FROM a").fetchone()[0]
connection = sqlite3.connect(sys.argv[1])
count()
connection.close()  # the last connection to a file removes its log
connection = sqlite3.connect(sys.argv[1])
print(count(), flush=True)
input()
print(count())
"""


def test_what_is_committed_is_kept_where_threads_and_processes_open_and_close_the_file(database):
    with database.connect():
        pass
    with database.write() as writer:
        writer.execute("INSERT INTO a (x) VALUES (1)")
        with database.connect():  # as another thread of this process does
            pass
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, str(database.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert reader.stdout.readline() == "0\n"
    assert reader.communicate("\n")[0] == "1\n"
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone()[0] == 1


def test_an_older_file_keeps_its_rows(database):
    old = make(database.path, MIGRATIONS[:1])
    with old.write() as connection:
        connection.execute("INSERT INTO a (x) VALUES (1)")
    assert version(database.path) == 1
    with database.read() as connection:
        assert connection.execute("SELECT y FROM a").fetchone()["y"] == 7


def test_a_newer_file_is_left_alone(database):
    with database.connect():
        pass
    with pytest.raises(Failed) as failed, make(database.path, MIGRATIONS[:1]).connect():
        pass
    assert failed.value.args == (Problem.NEWER, "version 2, and this spinefrac knows 1")
    assert version(database.path) == 2


def test_a_migration_that_fails_changes_nothing(database):
    with database.connect():
        pass
    with (
        pytest.raises(Failed),
        make(database.path, (*MIGRATIONS, "DROP TABLE a; SELECT nonsense;")).connect(),
    ):
        pass
    with database.read() as connection:
        connection.execute("SELECT y FROM a")


def test_a_transaction_is_kept_as_a_whole_or_not_at_all(database):
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute("INSERT INTO a (x) VALUES (1)")
        raise RuntimeError
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone()[0] == 0


def test_many_may_open_a_new_file_at_once(database):
    def work():
        with database.write() as connection:
            connection.execute("INSERT INTO a (x) VALUES (1)")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone()[0] == 8


def test_pragmas_hold_for_every_connection(database):
    strict = make(database.path, pragmas={"secure_delete": "ON", "synchronous": "NORMAL"})
    with strict.connect() as connection:
        assert connection.execute("PRAGMA secure_delete").fetchone()[0] == 1
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 1


def problem_of(database):
    with pytest.raises(Failed) as failed, database.write() as connection:
        connection.execute("INSERT INTO a (x) VALUES (1)")
    return failed.value.args[0]


def test_another_writer_is_busy(database):
    with database.write():
        assert problem_of(make(database.path, busy_timeout_s=0.05)) is Problem.BUSY


def test_what_is_no_database_is_damaged(database):
    database.path.parent.mkdir()
    database.path.write_bytes(b"something else" * 1000)
    assert problem_of(database) is Problem.DAMAGED


def test_a_folder_that_is_a_file_is_not_writable(database):
    database.path.parent.write_bytes(b"")
    assert problem_of(database) is Problem.NOT_WRITABLE


def test_too_many_pages_are_a_full_disk(database):
    small = make(database.path, pragmas={"max_page_count": "3"})
    with pytest.raises(Failed) as failed, small.write() as connection:
        for number in range(10_000):
            connection.execute("INSERT INTO a (x) VALUES (?)", (number,))
    assert failed.value.args[0] is Problem.FULL


def test_a_full_disk_without_room_for_the_folder(tmp_path):
    assert classify(OSError(errno.ENOSPC, "No space"), tmp_path / "a.db") is Problem.FULL


def test_a_statement_that_is_wrong_says_why(database):
    with pytest.raises(Failed, match="never; deleted"), database.write() as connection:
        connection.execute("INSERT INTO a (x) VALUES (1)")
        connection.execute("DELETE FROM a")
