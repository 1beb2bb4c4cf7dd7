"""Push and pull saved models: a shared folder, an object store, any file system of fsspec.

``ADDRESS/NAME/`` holds the files of the model's folder. The card, which holds the hash of each
file and its own, is written last: without a complete card there is no model, and a file is
accepted only if it matches the card. A model is never overwritten by another one, nor by one that
is pushed at the same moment, see `push_claim`.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.exchange import import_worker, push_claim, validation
from spinefrac.exchange.shared_files import SharedFiles, prepare_files
from spinefrac.redaction import Output
from spinefrac.store import card as cards
from spinefrac.store import identifiers, manage, repository, saving
from spinefrac.store.card import Card
from spinefrac.system import private_files, sandbox
from spinefrac.system.atomic import fsync_path

#: Files at the address beside the card. Annotations (note, tags) are not transferred.
_ALLOWED_FILES = frozenset((*repository.ARTIFACT_FILES, repository.REFERENCE_FILE))
_MAX_CARD_BYTES = 16 << 20
_CHUNK_BYTES = 1 << 20

ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TransferResult:
    """A model that was pushed or pulled.

    Attributes
    ----------
    model : str
        Its name here.
    address : str
        Without user name, password and query.
    bytes : int
    card_sha256 : str
    already : bool
        Whether the same model was at the address already, so that nothing was transferred.
    names_kept : bool
        Whether file names, groups and series of the training slices were pushed with it.
    """

    model: str
    address: str
    bytes: int
    card_sha256: str
    already: bool = False
    names_kept: bool = False


def push(
    model: repository.SavedModel,
    address: str,
    progress: ProgressCallback | None = None,
    *,
    keep_names: bool = False,
) -> TransferResult:
    """Copy a saved model to an address.

    Parameters
    ----------
    model : SavedModel
    address : str
        A folder or any address of fsspec (``s3://bucket/models``); the model becomes a folder
        of its name in it.
    progress : callable, optional
        Called with the bytes transferred and the total.
    keep_names : bool
        Whether file names, groups and series of the training slices, which may identify patients,
        are in the out-of-fold predictions; the card then says so. Otherwise they are numbers.

    Returns
    -------
    TransferResult

    Raises
    ------
    ModelError
        The address is not reachable or not writable, or another model has that name there.
    """
    with tempfile.TemporaryDirectory() as scratch, _connect(address, "push") as (files, root):
        shared = prepare_files(model, Path(scratch), Output.PUSH, keep_names=keep_names)
        content, total = shared.paths[repository.CARD_FILE].read_bytes(), shared.size
        folder = f"{root}/{model.id}"
        known = _read_remote_card(files, folder)
        already = known == content and _is_complete(files, folder, shared.model.card)
        if not already:
            with _refuse_another_model(address, model.id):
                _upload_model(files, shared, folder, content, progress)
            if progress:
                progress(total, total)
    return TransferResult(
        model.id,
        redact_address(address),
        total,
        shared.model.card_hash,
        already,
        names_kept=keep_names,
    )


class _AnotherModelError(Exception):
    """Another model has the name at the address."""


@contextmanager
def _refuse_another_model(address: str, name: str) -> Iterator[None]:
    try:
        yield
    except _AnotherModelError:
        raise ModelError(
            f"{redact_address(address)} has another model named {name}, and it is not "
            "overwritten: rename yours, or push to another address"
        ) from None


def _upload_model(
    files: Any,
    shared: SharedFiles,
    folder: str,
    content: bytes,
    progress: ProgressCallback | None,
) -> None:
    """Upload the files and then the card, whose bytes are `content`, as the only push there."""
    if _read_remote_card(files, folder) not in (None, content):
        raise _AnotherModelError
    files.makedirs(folder, exist_ok=True)
    with push_claim.claim_name(files, folder, shared.model.card_hash) as is_held:
        known = _read_remote_card(files, folder)  # that of a push which has just ended
        if known not in (None, content):
            raise _AnotherModelError
        _upload_files(files, shared, folder, progress)
        if known == content:
            return
        path = f"{folder}/{repository.CARD_FILE}"
        if not is_held():
            raise _AnotherModelError
        if files.exists(path) and _read_remote_card(files, folder) is None:
            files.rm_file(path)  # a part of a card, of a push that was killed
        is_first = push_claim.create_file(files, path, content)
        if not is_first and _read_remote_card(files, folder) != content:
            raise _AnotherModelError


def _upload_files(
    files: Any, shared: SharedFiles, folder: str, progress: ProgressCallback | None
) -> None:
    """Upload every file but the card, and compare the hashes of what arrived."""
    done, total = 0, shared.size
    for name in shared.model.card.files:
        done = _upload(files, shared.paths[name], f"{folder}/{name}", done, total, progress)
    for name, record in shared.model.card.files.items():
        if _hash_remote_file(files, f"{folder}/{name}") != record.sha256:
            raise ModelError(f"{name} arrived damaged, so the model is not pushed: push it again")


def pull(
    address: str, name: str | None = None, progress: ProgressCallback | None = None
) -> TransferResult:
    """Copy a model from an address to the models here.

    Parameters
    ----------
    address : str
        Of the model itself: the address given to `push`, and the model's name.
    name : str, optional
        Name here; by default the last part of the address.
    progress : callable, optional
        As in `push`.

    Returns
    -------
    TransferResult

    Raises
    ------
    ModelError
        There is no complete model, a file does not match its hash, the name is in use here, or
        a file is refused; see `import_model`.
    """
    wanted = identifiers.validate(
        name or address.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    )
    saving.check_id_unused(wanted)
    with _connect(address, "pull") as (files, root):
        content = _read_remote_card(files, root)
        if content is None:
            raise ModelError(_explain_not_found(files, root, address))
        card = cards.parse(content)
        _check_card_files(card)
        models = settings.models_dir()
        private_files.make_folder(models)
        with saving.unfinished_folder(models, wanted) as folder:
            done, total = 0, sum(record.size for record in card.files.values())
            for file in card.files:
                done = _download(files, root, file, folder, card, (done, total, progress))
            (folder / repository.CARD_FILE).write_bytes(content)
            fsync_path(folder / repository.CARD_FILE)
            scratch = folder / "scratch"
            scratch.mkdir()
            task = {"file": "", "folder": str(folder), "format": "folder"}
            sandbox.run(import_worker.handle_task, task, scratch)
            shutil.rmtree(scratch)
            saving.publish_folder(folder, wanted)
    model = repository.load(wanted)
    if model.owner:  # whoever trained it elsewhere may have the name of another person here
        model = manage.set_owner(wanted, "")
    return TransferResult(wanted, redact_address(address), total + len(content), model.card_hash)


def redact_address(address: str) -> str:
    """Return an address without user name, password and query, for messages."""
    parts = urlsplit(address)
    if not parts.scheme or len(parts.scheme) == 1:
        return address
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


@contextmanager
def _connect(address: str, action: str) -> Iterator[tuple[Any, str]]:
    """Yield the file system of an address and the path in it; every error becomes a ModelError."""
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(address)
        files.invalidate_cache()  # others write there
        yield files, root.rstrip("/")
    except ModelError:
        raise
    except ImportError as error:
        raise ModelError(
            f"{redact_address(address)} needs a package that is not installed "
            f"({error.name or 'see fsspec'}): for s3:// addresses install spinefrac[s3]"
        ) from error
    except Exception as error:
        reason = validation.summarize_error(error).replace(address, redact_address(address))
        raise ModelError(
            f"{redact_address(address)} cannot be reached or used ({type(error).__name__}: "
            f"{reason}): check the address and the permissions, and {action} again"
        ) from error


def _read_remote_card(files: Any, folder: str) -> bytes | None:
    """Return the card in a remote folder, None where there is none or only a part of one."""
    path = f"{folder}/{repository.CARD_FILE}"
    if not files.exists(path):
        return None
    if files.size(path) > _MAX_CARD_BYTES:
        raise ModelError("card.json is larger than any card: it is not a spinefrac model")
    content = bytes(files.cat_file(path))
    # A killed push may leave a part of the card where writing is not atomic.
    return content if content.endswith(b"}\n") else None


def _is_complete(files: Any, folder: str, card: Card) -> bool:
    """Return whether every file of the card is in a remote folder, with its hash."""
    return all(
        files.exists(f"{folder}/{name}")
        and _hash_remote_file(files, f"{folder}/{name}") == record.sha256
        for name, record in card.files.items()
    )


def _upload(
    files: Any, source: Path, target: str, done: int, total: int, progress: ProgressCallback | None
) -> int:
    """Copy one file to the address; return the bytes transferred so far."""
    with source.open("rb") as file, files.open(target, "wb") as out:
        while block := file.read(_CHUNK_BYTES):
            out.write(block)
            done += len(block)
            if progress:
                progress(done, total)
    return done


def _hash_remote_file(files: Any, path: str) -> str:
    """Return the SHA-256 of a file at the address, hexadecimal."""
    digest = hashlib.sha256()
    with files.open(path, "rb") as file:
        while block := file.read(_CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _check_card_files(card: Card) -> None:
    """Refuse a card that lists other files than a model has, or too many bytes."""
    extra = sorted(set(card.files) - _ALLOWED_FILES)
    size = sum(record.size for record in card.files.values())
    if extra or size > validation.MAX_FILE_BYTES:
        raise ModelError(
            f"card.json lists {extra[0][:80] if extra else f'{size} bytes'!r}, which no model of "
            "spinefrac has: it is not pulled"
        )


def _download(
    files: Any,
    root: str,
    name: str,
    folder: Path,
    card: Card,
    transfer_state: tuple[int, int, ProgressCallback | None],
) -> int:
    """Copy one file, no longer than its card says, and compare its hash."""
    record, (done, total, progress) = card.files[name], transfer_state
    if not files.exists(f"{root}/{name}"):
        raise ModelError(
            f"{name} is missing at the address, so the model is incomplete: push it again"
        )
    digest, size = hashlib.sha256(), 0
    with files.open(f"{root}/{name}", "rb") as file, (folder / name).open("xb") as out:
        while size <= record.size and (block := file.read(_CHUNK_BYTES)):
            out.write(block)
            digest.update(block)
            size += len(block)
            if progress:
                progress(done + size, total)
    if (digest.hexdigest(), size) != (record.sha256, record.size):
        raise ModelError(
            f"{name} at the address does not match its SHA-256 in the card, so it was changed or "
            "damaged: push the model again"
        )
    fsync_path(folder / name)
    return done + size


def _explain_not_found(files: Any, root: str, address: str) -> str:
    """Return a message that no complete model is there, and which ones are below."""
    found = []
    if files.exists(root):
        for entry in files.ls(root, detail=False):
            name = str(entry).rstrip("/").rpartition("/")[2]
            if files.exists(f"{root}/{name}/{repository.CARD_FILE}"):
                found.append(name)
    below = f"; below it there are {', '.join(sorted(found)[:20])}" if found else ""
    return (
        f"There is no complete model at {redact_address(address)}, expected a card.json that "
        f"`spinefrac models push` writes last{below}: give the address of a model, or push it again"
    )
