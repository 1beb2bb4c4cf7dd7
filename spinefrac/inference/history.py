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
from spinefrac.data.scan import pixel_hash
from spinefrac.errors import HistoryError
from spinefrac.records import CtSlice, Prediction

#: What a person may say of an answer.
VERDICTS = ("agree", "disagree", "unsure")

#: Longest note, in characters.
LONGEST_NOTE = 2000

FILE = "history.sqlite"

#: Seconds to wait for another process that writes.
_PATIENCE_S = 2.0

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
class Entry:
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


def enabled() -> bool:
    """Return whether this server keeps its answers."""
    return settings.history_on()


def keep(ct: CtSlice, prediction: Prediction, card_hash: str) -> int | None:
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
    if not enabled():
        return None
    check, now = prediction.input_check, _now()
    row = {
        "first_at": now,
        "last_at": now,
        "times": 1,
        "picture": pixel_hash(ct),
        "model": prediction.model,
        "card": card_hash,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "label": prediction.label,
        "typical": None if check is None else int(check.typical),
        "reason": "" if check is None else check.reason,
        "png": _png(ct) if settings.history_keeps_pictures() else None,
    }
    names = ", ".join(row)
    places = ", ".join(f":{name}" for name in row)
    with _opened(write=True) as database:
        (entry,) = database.execute(
            f"INSERT INTO answer ({names}) VALUES ({places}) "
            "ON CONFLICT (picture, card) DO UPDATE SET times = times + 1, "
            "last_at = excluded.last_at, model = excluded.model, "
            "png = coalesce(png, excluded.png) RETURNING id",
            row,
        ).fetchone()
    return int(entry)


def say(entry: int, verdict: str, note: str = "") -> None:
    """Keep what a person says of an answer; the last word counts.

    Parameters
    ----------
    entry : int
        From `keep`.
    verdict : str
        One of `VERDICTS`.
    note : str
        Cut to `LONGEST_NOTE` characters.

    Raises
    ------
    HistoryError
        There is no such entry or verdict, or it cannot be kept.
    """
    if verdict not in VERDICTS:
        raise HistoryError(f"expected one of {', '.join(VERDICTS)}, got {verdict!r}: choose one")
    with _opened(write=True) as database:
        done = database.execute(
            "UPDATE answer SET verdict = ?, note = ?, said_at = ? WHERE id = ?",
            (verdict, note.strip()[:LONGEST_NOTE], _now(), entry),
        )
        if not done.rowcount:
            raise HistoryError(f"there is no answer {entry} in the history: it was cleared")


def entries(limit: int | None = None) -> tuple[Entry, ...]:
    """Return what is kept, the last given first.

    Raises
    ------
    HistoryError
        The file cannot be read.
    """
    columns = [entry.name for entry in fields(Entry) if entry.name != "has_picture"]
    with _opened() as database:
        rows = database.execute(
            f"SELECT {', '.join(columns)}, png IS NOT NULL AS has_picture FROM answer "
            "ORDER BY last_at DESC, id DESC LIMIT ?",
            (-1 if limit is None else limit,),
        ).fetchall()
    return tuple(_entry(dict(row)) for row in rows)


def picture(entry: int) -> bytes | None:
    """Return an entry's picture as PNG; None where it was not kept."""
    with _opened() as database:
        row = database.execute("SELECT png FROM answer WHERE id = ?", (entry,)).fetchone()
    return bytes(row["png"]) if row and row["png"] is not None else None


def clear() -> int:
    """Forget everything, also on the disk; return how many answers there were."""
    with _opened(write=True) as database:
        count = database.execute("DELETE FROM answer").rowcount
    with _opened() as database:
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return int(count)


def to_json(kept: tuple[Entry, ...]) -> str:
    """Return entries as a JSON list."""
    return json.dumps([asdict(entry) for entry in kept], indent=2, allow_nan=False)


def to_csv(kept: tuple[Entry, ...]) -> str:
    """Return entries as a table; a note that a spreadsheet would run as a formula is quoted."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    names = [entry.name for entry in fields(Entry)]
    writer.writerow(names)
    for entry in kept:
        writer.writerow([_cell(getattr(entry, name)) for name in names])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value


def _entry(row: dict[str, Any]) -> Entry:
    typical = row["typical"]
    return Entry(
        **{
            **row,
            "typical": None if typical is None else bool(typical),
            "has_picture": bool(row["has_picture"]),
        }
    )


@contextmanager
def _opened(write: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the file, make its table, commit at the end; every failure is a `HistoryError`."""
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)) as database:
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
        raise HistoryError(_what(error)) from error
    except OSError as error:
        raise HistoryError(
            f"the history cannot be opened ({error.strerror}): make SPINEFRAC_HOME writable, or "
            "set SPINEFRAC_HISTORY=off"
        ) from error


def _what(error: sqlite3.DatabaseError) -> str:
    """Say in one line what is wrong with the file, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            "the history is in use by another program, so this was not kept: close what holds "
            f"{FILE}, then ask again"
        )
    if code == sqlite3.SQLITE_FULL:
        return "the disk is full, so this was not kept in the history: make room and ask again"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"the history is damaged, so this was not kept: move {FILE} out of SPINEFRAC_HOME and "
            "a new one is begun"
        )
    return (
        f"the history cannot be used ({error}): make {FILE} in SPINEFRAC_HOME writable, or set "
        "SPINEFRAC_HISTORY=off"
    )


def _path() -> Path:
    return settings.home() / FILE


def _png(ct: CtSlice) -> bytes:
    """Return the slice as people look at it, without any header."""
    import cv2

    _, content = cv2.imencode(".png", imaging.display(ct))
    return content.tobytes()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
