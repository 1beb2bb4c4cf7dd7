"""Deleted models on disk: folders with a hidden name made of model, time and session.

Deleting renames ``models/first`` to ``models/.trash-first.20260301T091500000000.cafe0123``; no
file is written, so it works on a full disk too. A purge renames it once more, to ``.freed-…``,
before it removes the first file: half a model is never restored. An empty folder stays, by which a
session that still uses the model learns that it was deleted.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spinefrac import redaction, settings

#: Of a deleted model that can still be restored, and of a purged one.
TRASH_PREFIX, PURGED_PREFIX = ".trash-", ".freed-"

#: A deleted model that no living session holds is purged after so long …
RETENTION = timedelta(hours=24)
#: … and the empty folder that reports its deletion is removed after so long.
NOTICE_RETENTION = timedelta(days=30)

_TIME_FORMAT = "%Y%m%dT%H%M%S%f"
_NAME_PATTERN = re.compile(
    r"\.(?P<state>trash|freed)-(?P<id>.+)\.(?P<time>\d{8}T\d{12})\.(?P<session>\w+)",
    re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class DeletedModel:
    """A deleted model.

    Attributes
    ----------
    id : str
    deleted_at : datetime
        UTC.
    session : str
        Who deleted it: a session of the app, or ``cli``.
    path : Path
        Its folder now.
    """

    id: str
    deleted_at: datetime
    session: str
    path: Path

    @property
    def shown_name(self) -> str:
        """Its id as it is shown; the id of what was no model may be of any signs."""
        return redaction.shorten_name(self.id)

    @property
    def is_purged(self) -> bool:
        """Whether its files were removed, or are being removed."""
        return self.path.name.startswith(PURGED_PREFIX)

    @property
    def age(self) -> timedelta:
        return datetime.now(UTC) - self.deleted_at


def trash_path(folder: Path, session: str) -> Path:
    """Return where a model's folder goes when `session` deletes it now."""
    return folder.with_name(
        f"{TRASH_PREFIX}{folder.name}.{datetime.now(UTC):{_TIME_FORMAT}}.{session}"
    )


def new_session_id(owner: str = "") -> str:
    """Return a name for a session that deletes; it tells whose session it is, see `is_of`."""
    return f"{_hash_owner(owner)}_{secrets.token_hex(4)}" if owner else secrets.token_hex(4)


def is_of(entry: DeletedModel, owner: str) -> bool:
    """Return whether a person, known by name, deleted a model."""
    return bool(owner) and entry.session.startswith(f"{_hash_owner(owner)}_")


def _hash_owner(owner: str) -> str:
    """Return letters that stand for a name: one in a name of a folder may be of few signs."""
    return hashlib.sha256(owner.encode()).hexdigest()[:16]


def list_deleted() -> list[DeletedModel]:
    """Return all deleted models, purged ones too, the latest first."""
    models = settings.models_dir()
    found = []
    for path in models.iterdir() if models.is_dir() else ():
        match = _NAME_PATTERN.fullmatch(path.name)
        if match and (when := _parse_time(match["time"])):
            found.append(DeletedModel(match["id"], when, match["session"], path))
    return sorted(found, key=lambda entry: entry.deleted_at, reverse=True)


def _parse_time(text: str) -> datetime | None:
    """Return the time of a deletion; None where there is no such time, so it is none of ours."""
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def list_restorable() -> list[DeletedModel]:
    """Return the deleted models that can still be restored, the latest first."""
    return [entry for entry in list_deleted() if not entry.is_purged]


def deletion_notice(model_id: str) -> str | None:
    """Return when a model was deleted and whether it can be restored; None if it was not."""
    for entry in list_deleted():
        if entry.id == model_id:
            when = f"The model {model_id} was deleted at {entry.deleted_at:%Y-%m-%d %H:%M} UTC"
            if entry.is_purged:
                return f"{when} and purged: choose another one"
            return f"{when}: choose another one, or restore it with `spinefrac models restore`"
    return None
