"""A home with an admin and a trainer."""

from __future__ import annotations

from pathlib import Path

import pytest

from spinefrac.access import users
from spinefrac.access.policy import Role


@pytest.fixture
def team(empty_home: Path) -> None:
    """Users named ada and kim."""
    for name, role in (("ada", Role.ADMIN), ("kim", Role.TRAINER)):
        users.add(name, role)
