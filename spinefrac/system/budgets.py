"""What all sessions of a server together may hold and do, and the share of one of them.

An amount is held under a key of its owner until it is released, its object is collected, or the
owner ends. Outside of a server nobody is the owner, and nothing is counted.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import defaultdict
from collections.abc import Hashable
from typing import Any

import psutil

from spinefrac.errors import BudgetError, BusyError

_MIB = 1 << 20


class Account:
    """Amounts that owners hold, within a total for all and a share for each.

    Parameters
    ----------
    what : str
        What is held, for messages, such as ``MB of uploaded files``.
    total, share : int
        Most that all owners, and one owner, may hold.
    unit : int
        Amount that is one in messages: bytes in a MB.
    advice : str
        What an owner over the share can do.
    """

    def __init__(self, what: str, total: int, share: int, *, unit: int = 1, advice: str) -> None:
        self.what, self.unit, self.advice = what, unit, advice
        self.total, self.share = total, share
        self._lock = threading.RLock()  # a finalizer may run while the lock is held
        self._held: dict[str, dict[Hashable, int]] = defaultdict(dict)
        self._keys = itertools.count()

    def hold(self, owner: str, key: Hashable, amount: int) -> None:
        """Hold an amount in place of what the owner held under the key.

        Raises
        ------
        BudgetError
            The owner would hold more than the share; nothing is held under the key any more.
        BusyError
            All owners together would hold more than the total.
        """
        if not owner:
            return
        with self._lock:
            self.release(owner, key)
            own = sum(self._held[owner].values()) + amount
            if own > self.share:
                raise BudgetError(
                    f"expected at most {self._count(self.share)} in one session, got "
                    f"{self._count(own)}; {self.advice}"
                )
            if self.held() + amount > self.total:
                raise BusyError(
                    f"expected at most {self._count(self.total)} for all sessions of this server, "
                    "others hold them now; try again in a few minutes"
                )
            self._held[owner][key] = amount

    def hold_for(self, held: Any, owner: str, amount: int) -> None:
        """Hold an amount until an object is collected."""
        key = next(self._keys)
        self.hold(owner, key, amount)
        weakref.finalize(held, self.release, owner, key)

    def release(self, owner: str, key: Hashable = None) -> None:
        """Release what the owner holds under a key, or everything where there is no key."""
        with self._lock:
            own = self._held.get(owner, {})
            if key is None:
                own.clear()
            own.pop(key, None)
            if not own:
                self._held.pop(owner, None)

    def held(self, owner: str | None = None) -> int:
        """Return what an owner holds, or all of them."""
        with self._lock:
            owners = self._held.values() if owner is None else [self._held.get(owner, {})]
            return sum(sum(own.values()) for own in owners)

    def _count(self, amount: int) -> str:
        return f"{-(-amount // self.unit):,} {self.what}"


_QUARTER = psutil.virtual_memory().total // 4

#: Uploads as they came, and what ZIPs and volumes among them become when they are unpacked.
FILES = Account(
    "MB of uploaded and unpacked files",
    min(4096 * _MIB, _QUARTER),
    1024 * _MIB,
    unit=_MIB,
    advice="remove files from the upload, or predict the series one by one",
)
#: Decoded slices, in bytes: a pixel has four, a CT slice of 512×512 pixels one MB.
SLICES = Account(
    "MB of decoded slices",
    min(2048 * _MIB, _QUARTER),
    256 * _MIB,
    unit=_MIB,
    advice="export the slices at 512×512 pixels",
)
#: Jobs in the background: predictions on a series or on many files.
JOBS = Account(
    "jobs in the background", 32, 2, advice="wait until one has ended, or cancel it on its page"
)
#: Training runs that wait or train; beside those of sessions, the queue itself is limited.
RUNS = Account(
    "queued runs", 32, 8, advice="wait until one has ended, or cancel one on the page Train"
)
#: For figures of a server.
BY_NAME = {"files": FILES, "slices": SLICES, "jobs": JOBS, "runs": RUNS}
ACCOUNTS = tuple(BY_NAME.values())


def release_owner(owner: str) -> None:
    """Release everything that an owner holds."""
    for account in ACCOUNTS:
        account.release(owner)
