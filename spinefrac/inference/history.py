"""What this server has answered, and what people said of it: one SQLite file in the home.

An answer is known by the hash of its picture's pixels and the model's card, never by a file's
name. The picture itself is kept only where the server is set to; no header ever is. Whatever
happens to the file, an answer is shown: what goes wrong here is a `HistoryError` of one line.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spinefrac import imaging, settings
from spinefrac.data.scan import hash_pixels
from spinefrac.errors import HistoryError
from spinefrac.records import CtSlice, Prediction

#: What a person may say of an answer.
VERDICTS = ("agree", "disagree", "unsure")

#: Longest note, in characters.
MAX_NOTE_LENGTH = 2000

DATABASE_NAME = "history.sqlite"

#: Seconds to wait for another process that writes.
_BUSY_TIMEOUT_S = 2.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answer (
    id INTEGER PRIMARY KEY,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    times INTEGER NOT NULL,
    picture TEXT NOT NULL,
    model TEXT NOT NULL,
    card TEXT NOT NULL,
    probability REAL NOT NULL,
    threshold REAL NOT NULL,
    label TEXT NOT NULL,
    typical INTEGER,
    reason TEXT NOT NULL,
    verdict TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    said_at TEXT NOT NULL DEFAULT '',
    png BLOB,
    UNIQUE (picture, card)
);
"""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One answer that was given, once or several times.

    Attributes
    ----------
    id : int
    first_at, last_at : str
        When it was given first and last, UTC, ISO 8601.
    times : int
        How often.
    picture : str
        SHA-256 of the decoded pixels, as `Item.pixel_hash`.
    model, card : str
        The saved model, and the SHA-256 of its card.
    probability, threshold : float
    label : str
    typical : bool or None
        What the input check said; None where the model has none.
    reason : str
        Why it was not typical.
    verdict : str
        One of `VERDICTS`, empty where nobody said.
    note : str
    said_at : str
    has_picture : bool
    """

    id: int
    first_at: str
    last_at: str
    times: int
    picture: str
    model: str
    card: str
    probability: float
    threshold: float
    label: str
    typical: bool | None
    reason: str
    verdict: str
    note: str
    said_at: str
    has_picture: bool


def is_enabled() -> bool:
    """Return whether this server keeps its answers."""
    return settings.history_enabled()


def save_prediction(ct: CtSlice, prediction: Prediction, card_hash: str) -> int | None:
    """Keep an answer; the same picture and model again is the same entry, counted.

    Parameters
    ----------
    ct : CtSlice
    prediction : Prediction
    card_hash : str
        `SavedModel.card_hash` of the model that answered.

    Returns
    -------
    int or None
        Its id; None where the history is off.

    Raises
    ------
    HistoryError
        It cannot be kept: no room, locked for too long, or the file is damaged.
    """
    if not is_enabled():
        return None
    check, now = prediction.input_check, _utc_now()
    row = {
        "first_at": now,
        "last_at": now,
        "times": 1,
        "picture": hash_pixels(ct),
        "model": prediction.model,
        "card": card_hash,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "label": prediction.label,
        "typical": None if check is None else int(check.typical),
        "reason": "" if check is None else check.reason,
        "png": _encode_png(ct) if settings.history_pictures_enabled() else None,
    }
    names = ", ".join(row)
    places = ", ".join(f":{name}" for name in row)
    with _connect(write=True) as database:
        (entry,) = database.execute(
            f"INSERT INTO answer ({names}) VALUES ({places}) "
            "ON CONFLICT (picture, card) DO UPDATE SET times = times + 1, "
            "last_at = excluded.last_at, model = excluded.model, "
            "png = coalesce(png, excluded.png) RETURNING id",
            row,
        ).fetchone()
    return int(entry)


def save_feedback(entry_id: int, verdict: str, note: str = "") -> None:
    """Keep what a person says of an answer; the last word counts.

    Parameters
    ----------
    entry_id : int
        From `save_prediction`.
    verdict : str
        One of `VERDICTS`.
    note : str
        Cut to `MAX_NOTE_LENGTH` characters.

    Raises
    ------
    HistoryError
        There is no such entry or verdict, or it cannot be kept.
    """
    if verdict not in VERDICTS:
        raise HistoryError(f"expected one of {', '.join(VERDICTS)}, got {verdict!r}: choose one")
    with _connect(write=True) as database:
        done = database.execute(
            "UPDATE answer SET verdict = ?, note = ?, said_at = ? WHERE id = ?",
            (verdict, note.strip()[:MAX_NOTE_LENGTH], _utc_now(), entry_id),
        )
        if not done.rowcount:
            raise HistoryError(f"there is no answer {entry_id} in the history: it was cleared")


def list_entries(limit: int | None = None) -> tuple[HistoryEntry, ...]:
    """Return what is kept, the last given first.

    Raises
    ------
    HistoryError
        The file cannot be read.
    """
    columns = [entry.name for entry in fields(HistoryEntry) if entry.name != "has_picture"]
    with _connect() as database:
        rows = database.execute(
            f"SELECT {', '.join(columns)}, png IS NOT NULL AS has_picture FROM answer "
            "ORDER BY last_at DESC, id DESC LIMIT ?",
            (-1 if limit is None else limit,),
        ).fetchall()
    return tuple(_entry_from_row(dict(row)) for row in rows)


def read_image(entry_id: int) -> bytes | None:
    """Return an entry's picture as PNG; None where it was not kept."""
    with _connect() as database:
        row = database.execute("SELECT png FROM answer WHERE id = ?", (entry_id,)).fetchone()
    return bytes(row["png"]) if row and row["png"] is not None else None


def clear() -> int:
    """Forget everything, also on the disk; return how many answers there were."""
    with _connect(write=True) as database:
        count = database.execute("DELETE FROM answer").rowcount
    with _connect() as database:
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return int(count)


def to_json(history_entries: tuple[HistoryEntry, ...]) -> str:
    """Return entries as a JSON list."""
    return json.dumps([asdict(entry) for entry in history_entries], indent=2, allow_nan=False)


def to_csv(history_entries: tuple[HistoryEntry, ...]) -> str:
    """Return entries as a table; a note that a spreadsheet would run as a formula is quoted."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    names = [entry.name for entry in fields(HistoryEntry)]
    writer.writerow(names)
    for entry in history_entries:
        writer.writerow([_escape_formula(getattr(entry, name)) for name in names])
    return text.getvalue()


def _escape_formula(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value


def _entry_from_row(row: dict[str, Any]) -> HistoryEntry:
    typical = row["typical"]
    return HistoryEntry(
        **{
            **row,
            "typical": None if typical is None else bool(typical),
            "has_picture": bool(row["has_picture"]),
        }
    )


@contextmanager
def _connect(write: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the file, make its table, commit at the end; every failure is a `HistoryError`."""
    path = _database_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(
            sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        ) as database:
            database.row_factory = sqlite3.Row
            # Readers do not wait for a writer, and a killed writer leaves nothing half done.
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("PRAGMA secure_delete = ON")
            database.execute(_SCHEMA)
            if not write:
                yield database
                return
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        raise HistoryError(_explain_error(error)) from error
    except OSError as error:
        raise HistoryError(
            f"the history cannot be opened ({error.strerror}): make SPINEFRAC_HOME writable, or "
            "set SPINEFRAC_HISTORY=off"
        ) from error


def _explain_error(error: sqlite3.DatabaseError) -> str:
    """Say in one line what is wrong with the file, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            "the history is in use by another program, so this was not kept: close what holds "
            f"{DATABASE_NAME}, then ask again"
        )
    if code == sqlite3.SQLITE_FULL:
        return "the disk is full, so this was not kept in the history: make room and ask again"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"the history is damaged, so this was not kept: move {DATABASE_NAME} out of SPINEFRAC_HOME and "
            "a new one is begun"
        )
    return (
        f"the history cannot be used ({error}): make {DATABASE_NAME} in SPINEFRAC_HOME writable, or set "
        "SPINEFRAC_HISTORY=off"
    )


def _database_path() -> Path:
    return settings.home() / DATABASE_NAME


def _encode_png(ct: CtSlice) -> bytes:
    """Return the slice as people look at it, without any header."""
    import cv2

    _, content = cv2.imencode(".png", imaging.to_display(ct))
    return content.tobytes()


def _utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
