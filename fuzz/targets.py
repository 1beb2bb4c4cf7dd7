"""What a drawn file does to the decoder pool, seen as a session of the server sees it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from spinefrac.errors import ImageError
from spinefrac.imaging import decoder_pool
from spinefrac.imaging.collect import collect_files, file_from_bytes
from spinefrac.imaging.sources import Source

#: Of one file; a worker is ended after five seconds, and its successor takes some time to start.
MAX_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file.

    Attributes
    ----------
    kind : str
        ``read``, ``refused``, ``ended a worker`` or ``failed``.
    description : str
        Why it ended a worker, or how the reading failed.
    seconds : float
    """

    kind: str
    description: str
    seconds: float

    @property
    def is_failure(self) -> bool:
        """Whether it did what no file may do to a server: an error of another kind, or a hang."""
        return self.kind == "failed" or self.seconds > MAX_SECONDS

    @property
    def is_worth_keeping(self) -> bool:
        """Whether the file belongs into the corpus."""
        return self.is_failure or self.kind == "ended a worker"


def read_file(content: bytes) -> Outcome:
    """Have the pool do with a file what the pages do with an upload."""
    started = time.monotonic()
    kind, description = "read", ""
    try:
        _read(content)
    except ImageError as error:
        message = str(error)
        kind = "refused"
        if "could not be decoded safely" in message:
            kind, description = "ended a worker", message.split("safely: ")[-1].split(";")[0]
    except Exception as error:  # noqa: BLE001 - any other error is what is looked for
        kind, description = "failed", f"{type(error).__name__}: {error}"[:200]
    return Outcome(kind, description, time.monotonic() - started)


def _read(content: bytes) -> None:
    if content.startswith(b"PK"):
        collected = collect_files([file_from_bytes("file.zip", content)])
        for file in collected.files[:3]:
            decoder_pool.read(file.locate(), name=file.name)
        return
    decoder_pool.inspect(Source(content=content), name="file")
    decoder_pool.read_with_header(content)
