"""Data sets that arrive in parts: a broken upload goes on with the parts that are missing.

A part is a ZIP of class folders, known by its SHA-256: sent again it is there already. Parts lie in
``HOME/incoming`` until the upload is finished, which makes one data set of them, or too old. An
upload of another person is not there.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from spinefrac import settings
from spinefrac.access import datasets, policy
from spinefrac.access.datasets import UploadResult
from spinefrac.access.policy import Action, Identity
from spinefrac.errors import DatasetError, UnknownUploadError
from spinefrac.imaging import collect
from spinefrac.system import atomic, private_files, reading

#: Unfinished uploads of one person, and parts of one upload.
MAX_UPLOADS, MAX_PARTS = 10, 1000
#: So long an unfinished upload is kept.
LIFETIME = timedelta(days=7)
#: So long a request waits for another one about the same upload.
_TIMEOUT_S = 60.0
_RECORD, _SUFFIX = "upload.json", ".zip"


@dataclass(frozen=True, slots=True)
class Upload:
    """An unfinished upload.

    Attributes
    ----------
    id : str
        Random; names its folder.
    name : str
        Of the data set that it becomes.
    owner : str
        Empty where nobody was signed in.
    deidentify : bool
        Whether only de-identified copies of DICOM files will be kept.
    created_at : str
        UTC, ISO 8601.
    """

    id: str
    name: str
    owner: str
    deidentify: bool
    created_at: str

    @property
    def folder(self) -> Path:
        """Where its parts are."""
        return _incoming_dir() / self.id

    @property
    def lock_file(self) -> Path:
        """What is locked while the parts change; it lies beside them, and outlives them."""
        return self.folder.with_suffix(".lock")

    def list_parts(self) -> dict[str, int]:
        """Return the size in bytes of each part that is there, by its SHA-256."""
        found = sorted(self.folder.glob(f"*{_SUFFIX}"))
        return {path.stem: path.stat().st_size for path in found if not path.name.startswith(".")}


def start(identity: Identity, name: str, *, deidentify: bool = False) -> Upload:
    """Begin an upload.

    Raises
    ------
    AccessError
        The person may not.
    DatasetError
        The name is not valid, or too many uploads of the person are unfinished.
    """
    policy.require(identity, Action.ADD_DATASET)
    _remove_old()
    if len(_list_own(identity)) >= MAX_UPLOADS:
        raise DatasetError(
            f"Expected at most {MAX_UPLOADS} unfinished uploads, got one more: finish or discard "
            "one"
        )
    upload = Upload(
        id=secrets.token_hex(6),
        name=datasets.clean_name(name),
        owner=identity.owner,
        deidentify=deidentify,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    private_files.make_folder(_incoming_dir())
    with atomic.new_folder(upload.folder) as folder:
        (folder / _RECORD).write_text(json.dumps(asdict(upload)), encoding="utf-8")
    return upload


def get(identity: Identity, upload_id: str) -> Upload:
    """Return an unfinished upload.

    Raises
    ------
    AccessError
        The person may upload nothing.
    UnknownUploadError
        There is none of that id for this person.
    """
    policy.require(identity, Action.ADD_DATASET)
    for upload in _list_own(identity):
        if upload.id == upload_id:
            return upload
    raise UnknownUploadError(
        "Expected one of your unfinished uploads, got another: begin a new one, or look among the "
        "data sets whether it was finished"
    )


def add_part(identity: Identity, upload_id: str, sha256: str, content: bytes) -> Upload:
    """Keep a part; one that is there already changes nothing.

    Raises
    ------
    AccessError, UnknownUploadError
        As of `get`.
    DatasetError
        The part did not arrive as a whole, is no ZIP, or is more than may be held.
    """
    upload = get(identity, upload_id)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DatasetError(
            "Expected a part with the SHA-256 of its address, got another: send it again"
        )
    if not collect.is_zip(collect.file_from_bytes("part", content)):
        raise DatasetError(
            "Expected a ZIP of class folders as a part, got another file: send a ZIP"
        )
    with _locked(upload):
        parts = upload.list_parts()
        if sha256 in parts:
            return upload
        if len(parts) >= MAX_PARTS:
            raise DatasetError(
                f"Expected at most {MAX_PARTS} parts, got one more: send larger ones"
            )
        waiting = sum(sum(one.list_parts().values()) for one in _list_own(identity))
        datasets.require_room(identity, waiting + len(content))
        atomic.write_bytes(upload.folder / f"{sha256}{_SUFFIX}", content)
    return upload


def finish(identity: Identity, upload_id: str) -> UploadResult:
    """Make a data set of the parts; the upload is over then, and stays where that fails.

    Raises
    ------
    AccessError, UnknownUploadError
        As of `get`.
    DatasetError
        As of `datasets.add`.
    """
    upload = get(identity, upload_id)
    with _locked(upload):
        files = [
            collect.file_from_path(upload.folder / f"{sha256}{_SUFFIX}")
            for sha256 in upload.list_parts()
        ]
        result = datasets.add(identity, upload.name, files, deidentify=upload.deidentify)
        _remove(upload)
    return result


def discard(identity: Identity, upload_id: str) -> None:
    """Remove an unfinished upload with its parts; errors as of `get`."""
    upload = get(identity, upload_id)
    with _locked(upload):
        _remove(upload)


@contextmanager
def _locked(upload: Upload) -> Iterator[None]:
    """Hold an upload against other requests about it; the system releases what a process held."""
    lock = FileLock(upload.lock_file, timeout=_TIMEOUT_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise DatasetError(
            "Another request about this upload is being answered: send one after the other"
        ) from error
    try:
        if not (upload.folder / _RECORD).is_file():
            raise UnknownUploadError("This upload has just been finished or discarded")
        yield
    finally:
        lock.release()


def _incoming_dir() -> Path:
    return settings.home() / "incoming"


def _list_own(identity: Identity) -> list[Upload]:
    return [upload for upload in _list_all() if upload.owner == identity.owner]


def _list_all() -> list[Upload]:
    found = []
    for path in _incoming_dir().glob(f"*/{_RECORD}"):
        try:
            upload = reading.convert(reading.parse_json(path.read_bytes()), Upload)
        except (OSError, ValueError, reading.UnreadableContentError):
            continue  # damaged: nobody's
        if upload.id == path.parent.name:
            found.append(upload)
    return found


def _remove_old() -> None:
    oldest = (datetime.now(UTC) - LIFETIME).isoformat(timespec="seconds")
    for upload in _list_all():
        if upload.created_at < oldest:
            _remove(upload)


def _remove(upload: Upload) -> None:
    gone = upload.folder.with_name(f".deleted-{upload.id}")
    upload.folder.rename(gone)  # from here on nobody finds half of it
    shutil.rmtree(gone, ignore_errors=True)
    upload.lock_file.unlink(missing_ok=True)
