"""Pseudonyms of identifiers in DICOM headers, made with a key of this HOME.

The key, 32 random bytes, is made once and lies in ``HOME/runs/pseudonyms.key``, readable by its
owner only. PatientIDs are short numbers, so a hash without a key could be undone by trying all.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from spinefrac import settings
from spinefrac.system import atomic, private_files

#: Begins a group that is a pseudonym.
PSEUDONYM_PREFIX = "dicom-"
_KEY_BYTES = 32


def pseudonymize(kind: str, identifier: str) -> str:
    """Return the pseudonym of an identifier: eight hexadecimal digits, the same within a HOME.

    Parameters
    ----------
    kind : str
        Of what it is an id; the same id of another kind has another pseudonym.
    identifier : str
    """
    text = f"{kind} {identifier}".encode("utf-8", "surrogateescape")
    return hmac.new(_load_key(settings.runs_dir()), text, hashlib.sha256).hexdigest()[:8]


def canonicalize_groups(groups: Iterable[str]) -> tuple[str, ...]:
    """Return groups with each pseudonym replaced by the row where its group begins.

    Pseudonyms differ from home to home; what is computed from these names is the same in all.

    >>> canonicalize_groups(["dicom-1a2b3c4d", "P7", "dicom-1a2b3c4d"])
    ('dicom-000000000', 'P7', 'dicom-000000000')
    """
    first: dict[str, int] = {}
    return tuple(
        f"{PSEUDONYM_PREFIX}{first.setdefault(group, row):09d}"
        if group.startswith(PSEUDONYM_PREFIX)
        else group
        for row, group in enumerate(groups)
    )


@cache
def _load_key(folder: Path) -> bytes:
    """Return this home's key; one for this process only where no file can be written."""
    place = folder / "pseudonyms.key"
    fresh = secrets.token_bytes(_KEY_BYTES)
    try:
        private_files.make_folder(folder)
        with atomic.replacing(place, overwrite=False) as temporary:
            temporary.write_bytes(fresh)
    except FileExistsError:
        pass  # another process was first, so its key counts
    except OSError:
        if not place.is_file():
            return fresh
    return place.read_bytes()
