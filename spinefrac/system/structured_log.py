"""The log of a server: one line an event, as text or JSON, without what could name a patient.

Messages of exceptions are left out, because they quote what came: files, paths, elements of
headers. The kind of an exception and the places in the code say where it happened.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

#: Fields of a record that a line carries where they are set.
_FIELDS = ("area", "method", "status", "seconds")


def describe_exception(error: BaseException) -> str:
    """Return the kind of an exception and where it was raised, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in frames]
    return " < ".join([type(error).__name__, *reversed(places)])


class LineFormatter(logging.Formatter):
    """One line a record.

    Parameters
    ----------
    as_json : bool
        A JSON object instead of text.
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = " ".join(record.getMessage().split())
        error = record.exc_info[1] if record.exc_info else None
        place = describe_exception(error) if error else ""
        if not self._as_json:
            end = f": {place}" if place else ""
            return f"{at} {record.levelname.lower()} {record.name}: {message}{end}"
        found = {
            "time": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            **{name: getattr(record, name) for name in _FIELDS if hasattr(record, name)},
        }
        if place:
            found["exception"] = place
        return json.dumps(found, ensure_ascii=False, default=str)


_started: list[logging.Handler] = []


def is_started() -> bool:
    """Return whether `start` was called in this process."""
    return bool(_started)


def join(logger: logging.Logger) -> None:
    """Have a logger with handlers of its own write here instead, if `start` was called."""
    if is_started():
        logger.handlers.clear()
        logger.propagate = True


def start(*, as_json: bool = False) -> None:
    """Write every record of this process to stderr, one line each.

    Parameters
    ----------
    as_json : bool
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(as_json=as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _started.append(handler)
    logging.getLogger("spinefrac").setLevel(logging.INFO)
    # Its lines hold whole addresses; `spinefrac.api.guard.request_log` writes those without.
    logging.getLogger("uvicorn.access").disabled = True
