"""Earlier predictions and the feedback on them: one SQLite file in ``SPINEFRAC_HOME``.

A prediction is identified by the slice as it was read (the hash of its pixels and shape, and
whether they are Hounsfield units) and by the hash of the model's card: never by a file name, and
alike for every transfer syntax that keeps the pixels. The image itself is saved only where the
server allows it, a header never. Whatever happens to the file, the prediction is shown: what
fails here is a `HistoryError` of one line.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from spinefrac import imaging, settings, spreadsheets
from spinefrac.data.scan import hash_pixels
from spinefrac.errors import HistoryError
from spinefrac.records import CtSlice, Prediction
from spinefrac.system import sqlite
from spinefrac.system.sqlite import Problem

#: What a reader may say of a prediction.
FEEDBACK_VALUES = ("agree", "disagree", "unsure")

#: Longest note, in characters.
MAX_NOTE_LENGTH = 2000

DATABASE_NAME = "history.sqlite"

#: Seconds to wait for another process that writes.
_BUSY_TIMEOUT_S = 2.0

#: The first one takes over files from before the schema had a version.
_MIGRATIONS = (
    """
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
""",
    """
ALTER TABLE answer RENAME TO answer_without_unit;
CREATE TABLE answer (
    id INTEGER PRIMARY KEY,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    times INTEGER NOT NULL,
    picture TEXT NOT NULL,
    unit TEXT NOT NULL DEFAULT '',
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
    UNIQUE (picture, unit, card)
);
INSERT INTO answer (id, first_at, last_at, times, picture, model, card, probability, threshold,
                    label, typical, reason, verdict, note, said_at, png)
SELECT id, first_at, last_at, times, picture, model, card, probability, threshold,
       label, typical, reason, verdict, note, said_at, png FROM answer_without_unit;
DROP TABLE answer_without_unit;
""",
    """
ALTER TABLE answer RENAME TO answer_without_owner;
CREATE TABLE answer (
    id INTEGER PRIMARY KEY,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    times INTEGER NOT NULL,
    picture TEXT NOT NULL,
    unit TEXT NOT NULL DEFAULT '',
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
    owner TEXT NOT NULL DEFAULT '',
    UNIQUE (picture, unit, card, owner)
);
INSERT INTO answer (id, first_at, last_at, times, picture, unit, model, card, probability,
                    threshold, label, typical, reason, verdict, note, said_at, png)
SELECT id, first_at, last_at, times, picture, unit, model, card, probability,
       threshold, label, typical, reason, verdict, note, said_at, png FROM answer_without_owner;
DROP TABLE answer_without_owner;
""",
    """
ALTER TABLE answer ADD COLUMN grade TEXT NOT NULL DEFAULT '';
ALTER TABLE answer ADD COLUMN percentile REAL;
""",
)

#: Unit of the pixels, by `CtSlice.calibrated`; entries of the first version have none.
_UNITS = {True: "HU", False: "grey"}

#: An entry without unit is that of a slice if the probabilities differ by no more than this.
_SAME_PROBABILITY = 1e-4


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One prediction, made once or several times.

    Attributes
    ----------
    id : int
    first_at, last_at : str
        When it was made first and last, UTC, ISO 8601.
    times : int
        How often.
    picture : str
        SHA-256 of the decoded pixels, as `Item.pixel_hash`.
    unit : str
        ``HU`` or ``grey``: an empty picture and a slice of water have equal numbers. Empty for
        entries from before it was saved.
    model, card : str
        The saved model, and the SHA-256 of its card.
    probability, threshold : float
    label : str
    typical : bool or None
        What the input check said; None where the model has none.
    reason : str
        Why it was not typical.
    verdict : str
        The feedback: one of `FEEDBACK_VALUES`, empty where there is none.
    note : str
    said_at : str
    owner : str
        Who made it; empty where nobody was signed in.
    has_picture : bool
    grade : str
        Of the input check; empty for entries from before there were grades.
    percentile : float or None
        Of the slice's distance among the training slices.
    """

    id: int
    first_at: str
    last_at: str
    times: int
    picture: str
    unit: str
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
    owner: str
    has_picture: bool
    grade: str = ""
    percentile: float | None = None


def is_enabled() -> bool:
    """Return whether this server saves its predictions."""
    return settings.history_enabled()


def save_prediction(
    ct: CtSlice, prediction: Prediction, card_hash: str, owner: str = ""
) -> int | None:
    """Save a prediction; the same slice, model and owner again is the same entry, counted.

    Parameters
    ----------
    ct : CtSlice
    prediction : Prediction
    card_hash : str
        `SavedModel.card_hash` of the model.
    owner : str
        Who made it; empty where nobody is signed in.

    Returns
    -------
    int or None
        Its id; None where the history is off.

    Raises
    ------
    HistoryError
        It cannot be saved: the disk is full, another program holds the file, or it is damaged.
    """
    if not is_enabled():
        return None
    check, now = prediction.input_check, _utc_now()
    row = {
        "first_at": now,
        "last_at": now,
        "times": 1,
        "picture": hash_pixels(ct),
        "unit": _UNITS[ct.calibrated],
        "model": prediction.model,
        "card": card_hash,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "label": prediction.label,
        "typical": None if check is None else int(check.typical),
        "reason": "" if check is None else check.reason,
        "png": _encode_png(ct) if settings.history_images_enabled() else None,
        "owner": owner,
        "grade": "" if check is None else check.grade,
        "percentile": None if check is None else check.score,
    }
    names = ", ".join(row)
    places = ", ".join(f":{name}" for name in row)
    with _database().write() as database:
        _adopt_entry_without_unit(database, row)
        (entry,) = database.execute(
            f"INSERT INTO answer ({names}) VALUES ({places}) "
            "ON CONFLICT (picture, unit, card, owner) DO UPDATE SET times = times + 1, "
            "last_at = excluded.last_at, model = excluded.model, "
            "png = coalesce(png, excluded.png) RETURNING id",
            row,
        ).fetchone()
    return int(entry)


def _adopt_entry_without_unit(database: sqlite3.Connection, row: dict[str, Any]) -> None:
    """Give an entry of the first version, with its feedback, the unit that its slice has."""
    database.execute(
        "UPDATE OR IGNORE answer SET unit = :unit WHERE picture = :picture AND card = :card "
        "AND owner = :owner AND unit = '' AND abs(probability - :probability) <= :tolerance",
        row | {"tolerance": _SAME_PROBABILITY},
    )


def save_feedback(entry_id: int, verdict: str, note: str = "", owner: str | None = None) -> None:
    """Save the feedback on a prediction; it replaces earlier feedback.

    Parameters
    ----------
    entry_id : int
        From `save_prediction`.
    verdict : str
        One of `FEEDBACK_VALUES`.
    note : str
        Cut to `MAX_NOTE_LENGTH` characters.
    owner : str, optional
        Whose prediction it must be; anybody's if not given.

    Raises
    ------
    HistoryError
        There is no such entry or verdict, or it cannot be saved.
    """
    if verdict not in FEEDBACK_VALUES:
        raise HistoryError(
            f"expected one of {', '.join(FEEDBACK_VALUES)}, got {verdict!r}: choose one"
        )
    with _database().write() as database:
        done = database.execute(
            "UPDATE answer SET verdict = ?, note = ?, said_at = ? WHERE id = ? "
            "AND owner = coalesce(?, owner)",
            (verdict, note.strip()[:MAX_NOTE_LENGTH], _utc_now(), entry_id, owner),
        )
        if not done.rowcount:
            raise HistoryError(f"there is no prediction {entry_id} in the history: it was cleared")


def list_entries(limit: int | None = None, owner: str | None = None) -> tuple[HistoryEntry, ...]:
    """Return the entries, the last prediction first.

    Parameters
    ----------
    limit : int, optional
        Most of them; all if not given.
    owner : str, optional
        Whose predictions; everybody's if not given.

    Raises
    ------
    HistoryError
        The file cannot be read.
    """
    columns = [entry.name for entry in fields(HistoryEntry) if entry.name != "has_picture"]
    with _database().read() as database:
        rows = database.execute(
            f"SELECT {', '.join(columns)}, png IS NOT NULL AS has_picture FROM answer "
            "WHERE owner = coalesce(?, owner) ORDER BY last_at DESC, id DESC LIMIT ?",
            (owner, -1 if limit is None else limit),
        ).fetchall()
    return tuple(_entry_from_row(dict(row)) for row in rows)


def get_entry(entry_id: int) -> HistoryEntry:
    """Return one entry.

    Raises
    ------
    HistoryError
        There is no such entry, or the file cannot be read.
    """
    for entry in list_entries():
        if entry.id == entry_id:
            return entry
    raise HistoryError(f"there is no prediction {entry_id} in the history: it was cleared")


def read_image(entry_id: int) -> bytes | None:
    """Return an entry's image as PNG; None where it was not saved."""
    with _database().read() as database:
        row = database.execute("SELECT png FROM answer WHERE id = ?", (entry_id,)).fetchone()
    return bytes(row["png"]) if row and row["png"] is not None else None


def clear(owner: str | None = None) -> int:
    """Delete the entries of an owner, or all, also from the disk; return how many there were."""
    with _database().write() as database:
        count = database.execute(
            "DELETE FROM answer WHERE owner = coalesce(?, owner)", (owner,)
        ).rowcount
    with _database().connect() as database:
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return int(count)


def to_json(history_entries: tuple[HistoryEntry, ...]) -> str:
    """Return entries as a JSON list."""
    return json.dumps([asdict(entry) for entry in history_entries], indent=2, allow_nan=False)


def to_csv(history_entries: tuple[HistoryEntry, ...]) -> str:
    """Return entries as a table; a note that a spreadsheet would run as a formula is quoted."""
    names = [entry.name for entry in fields(HistoryEntry)]
    rows = ([getattr(entry, name) for name in names] for entry in history_entries)
    return spreadsheets.to_csv(names, rows)


def _entry_from_row(row: dict[str, Any]) -> HistoryEntry:
    typical = row["typical"]
    return HistoryEntry(
        **{
            **row,
            "typical": None if typical is None else bool(typical),
            "has_picture": bool(row["has_picture"]),
        }
    )


def _database() -> sqlite.Database:
    return sqlite.Database(
        path=settings.home() / DATABASE_NAME,
        migrations=_MIGRATIONS,
        to_error=_make_error,
        busy_timeout_s=_BUSY_TIMEOUT_S,
        # A prediction may be lost with the power; what was cleared must not stay on the disk.
        pragmas={"synchronous": "NORMAL", "secure_delete": "ON"},
    )


def _make_error(problem: Problem, reason: str) -> HistoryError:
    """Say what is wrong with the file, and what to do."""
    messages = {
        Problem.BUSY: "the history is in use by another program, so this was not saved: close "
        f"what holds {DATABASE_NAME}, then try again",
        Problem.FULL: "the disk is full, so this was not saved in the history: make room and try "
        "again",
        Problem.DAMAGED: f"the history is damaged, so this was not saved: move {DATABASE_NAME} "
        "out of SPINEFRAC_HOME, and a new one is made",
        Problem.NEWER: f"the history has {reason}: update spinefrac, or set SPINEFRAC_HISTORY=off",
    }
    return HistoryError(
        messages.get(problem)
        or f"the history cannot be used ({reason}): make {DATABASE_NAME} in SPINEFRAC_HOME "
        "writable, or set SPINEFRAC_HISTORY=off"
    )


def _encode_png(ct: CtSlice) -> bytes:
    """Return the slice as it is displayed, without any header."""
    import cv2

    _, content = cv2.imencode(".png", imaging.to_display(ct))
    return content.tobytes()


def _utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
