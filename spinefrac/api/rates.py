"""How often somebody may ask: people by name, everybody else by address."""

from __future__ import annotations

import os
from functools import lru_cache

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from spinefrac.errors import BusyError

#: Requests of a person, of somebody who is not signed in, and new page connections from an
#: address, a minute. A lecture room may have one address.
PER_PERSON, PER_STRANGER, PER_ADDRESS = 1200, 60, 600


@lru_cache(maxsize=1)
def _get_limiter() -> SlidingWindowCounterRateLimiter:
    return SlidingWindowCounterRateLimiter(MemoryStorage())


@lru_cache(maxsize=8)
def _make_limit(count: int) -> RateLimitItemPerMinute:
    return RateLimitItemPerMinute(count)


def get_person_limit() -> int:
    """Return requests a minute of a person: ``SPINEFRAC_RATE_LIMIT`` where it is a number."""
    chosen = os.environ.get("SPINEFRAC_RATE_LIMIT", "").strip()
    return int(chosen) if chosen.isdigit() and int(chosen) else PER_PERSON


def count_person(name: str) -> None:
    """Count a request of a person.

    Raises
    ------
    BusyError
        There were too many.
    """
    _count(get_person_limit(), "person", name)


def count_stranger(address: str) -> None:
    """Count a request of somebody who is not signed in, or whose token does not hold.

    Raises
    ------
    BusyError
        There were too many.
    """
    _count(PER_STRANGER, "stranger", address)


def count_address(address: str) -> None:
    """Count a new page connection from an address.

    Raises
    ------
    BusyError
        There were too many.
    """
    _count(PER_ADDRESS, "address", address)


def _count(limit: int, kind: str, key: str) -> None:
    if not _get_limiter().hit(_make_limit(limit), kind, key):
        raise BusyError(f"expected at most {limit:,} requests a minute, got more; wait a minute")
