"""The file of users: private, and damage to it lets nobody in."""

import stat
import sys
from pathlib import Path

import pytest

from spinefrac.access import database, users
from spinefrac.access.policy import Role
from spinefrac.errors import UserError


def test_nothing_is_made_before_somebody_is_added(home: Path) -> None:
    assert users.list_users() == () and not database.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no modes of files")
def test_only_the_owner_of_the_server_reads_it(home: Path) -> None:
    users.add("kim", Role.VIEWER)
    assert stat.S_IMODE((home / database.DATABASE_NAME).stat().st_mode) == 0o600


def test_a_damaged_file_is_an_error_and_no_empty_list(home: Path) -> None:
    (home / database.DATABASE_NAME).write_bytes(b"not a database" * 100)
    with pytest.raises(UserError, match="damaged: restore it from a backup"):
        users.list_users()
