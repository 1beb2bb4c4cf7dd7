"""One push of a name at a time: a file that only one process can create claims the name.

Two processes that push different models under one name would otherwise overwrite each other's
files, and the card of one would stand beside the files of the other.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from spinefrac.errors import ModelError

#: The file, beside those of the model while it is pushed.
CLAIM_FILE = "push.lock"

#: A claim that is older was left by a push that was killed.
_STALE_AFTER_S = 24 * 3600
_MAX_CLAIM_BYTES = 10_000


def create_file(files: Any, path: str, content: bytes) -> bool:
    """Write a file that does not exist yet; return whether this call did.

    The file system decides who is first, where it can: a folder, memory and S3 can. Elsewhere
    the file is read back, which shows who was last.

    Parameters
    ----------
    files : fsspec.AbstractFileSystem
    path : str
    content : bytes
    """
    try:
        with files.open(path, "xb") as file:
            file.write(content)
    except OSError:  # S3 answers that a precondition failed
        if files.exists(path):
            return False
        raise
    except (ValueError, NotImplementedError):  # no such mode
        if files.exists(path):
            return False
        files.pipe_file(path, content)
    return bytes(files.cat_file(path)) == content


@contextmanager
def claim_name(files: Any, folder: str, card_sha256: str) -> Iterator[Callable[[], bool]]:
    """Claim a remote folder for the push of one model, as long as the body runs.

    A claim for the same model is taken over: it was left by a push that was killed, or its
    owner is writing the very same files.

    Parameters
    ----------
    files : fsspec.AbstractFileSystem
    folder : str
        Exists.
    card_sha256 : str
        Of the model that is pushed.

    Yields
    ------
    callable
        Returns whether the claim is still held.

    Raises
    ------
    ModelError
        Another model is being pushed under this name.
    """
    path = f"{folder}/{CLAIM_FILE}"
    claim = {"token": secrets.token_hex(16), "card_sha256": card_sha256, "time": time.time()}
    content = json.dumps(claim).encode()

    def is_held() -> bool:
        return _read_claim(files, path).get("token") == claim["token"]

    if not create_file(files, path, content):
        _remove_stale_claim(files, path, card_sha256)
        if not create_file(files, path, content):
            raise _taken_error(path)
    try:
        yield is_held
    finally:
        with suppress(OSError):  # the claim expires
            if is_held():
                files.rm_file(path)


def _remove_stale_claim(files: Any, path: str, card_sha256: str) -> None:
    """Remove a claim for the same model or of a killed push; refuse where it is another's."""
    found = _read_claim(files, path)
    made = found.get("time")
    is_old = not isinstance(made, int | float) or time.time() - made > _STALE_AFTER_S
    # A claim that cannot be read is being written by its owner, or was killed at that moment.
    if found.get("card_sha256") != card_sha256 and not (is_old and found):
        raise _taken_error(path)
    with suppress(FileNotFoundError):
        files.rm_file(path)


def _taken_error(path: str) -> ModelError:
    folder = path.rpartition("/")[0].rpartition("/")[2]
    return ModelError(
        f"Another process is pushing a model named {folder} to this address, and it is not "
        f"overwritten: rename yours or push to another address; if that push was killed, wait a "
        f"day or remove {CLAIM_FILE} there"
    )


def _read_claim(files: Any, path: str) -> dict[str, Any]:
    """Return a claim; empty where there is none or it is not whole."""
    try:
        found = json.loads(files.cat_file(path)) if files.size(path) < _MAX_CLAIM_BYTES else None
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
