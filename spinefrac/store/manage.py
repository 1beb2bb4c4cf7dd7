"""Manage saved models: rename, annotate, duplicate, archive, delete, restore, purge.

Each of these is one rename, of a folder or of a file, under the lock of the models' folder. So a
process that is killed in the middle leaves the state of before or the state of after, and sessions
that use a model meanwhile find it whole or not at all.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from spinefrac import settings
from spinefrac.errors import ModelError
from spinefrac.store import card as cards
from spinefrac.store import evaluations, identifiers, repository, saving, slice_names, trash
from spinefrac.store.annotations import Annotations, clean_note, clean_tags, dump_annotations
from spinefrac.store.repository import SavedModel
from spinefrac.store.trash import DeletedModel
from spinefrac.system import atomic, lock, reading


def rename(model_id: str, new_id: str) -> SavedModel:
    """Give a saved model another name. Notes, evaluations and the choice as default are kept.

    Parameters
    ----------
    model_id, new_id : str

    Returns
    -------
    SavedModel
        Under its new name. Its card stays what it was, unless names had to be removed from it.

    Raises
    ------
    ModelError
        There is no such model, it is damaged, the new name is in use or not valid, or the disk
        is full; the model then keeps its name.
    """
    with _locked_change(f"{model_id} keeps its name"):
        model = repository.load(model_id)
        if identifiers.validate(new_id) == model_id:
            return model
        saving.check_id_unused(new_id)
        former = [name for name in model.annotations.former_names if name not in (model_id, new_id)]
        _clean_card(model)
        _write_annotations(model.path, replace(model.annotations, former_names=(*former, model_id)))
        moved = model.path.with_name(new_id)
        atomic.remove_temporary_files(_default_model_file())
        if repository.read_default_id() == model_id:
            # Written before and renamed after: on a full disk neither happens.
            with atomic.replacing(_default_model_file(), durable=False) as marker:
                marker.write_bytes(f"{new_id}\n".encode())
                atomic.fsync_path(marker)
                model.path.rename(moved)
        else:
            model.path.rename(moved)
        atomic.fsync_path(moved.parent)
    return repository.load(new_id)


def annotate(
    model_id: str,
    *,
    note: str | None = None,
    tags: Iterable[str] | None = None,
    archived: bool | None = None,
) -> SavedModel:
    """Change the annotations of a saved model; what is None stays as it is.

    Raises
    ------
    ModelError
        There is no such model, it is damaged, the text is too long, the disk is full, or the
        model to be archived is the default.
    """
    with _locked_change(f"nothing was changed on {model_id}"):
        model = repository.load(model_id)
        if archived and repository.read_default_id() == model_id:
            raise ModelError(
                f"{model_id} is the default model: make another one the default before it is "
                "archived"
            )
        written = model.annotations
        if note is not None:
            written = replace(written, note=clean_note(note))
        if tags is not None:
            written = replace(written, tags=clean_tags(tags))
        if archived is not None:
            written = replace(written, archived=archived)
        _clean_card(model)
        _write_annotations(model.path, written)
    return repository.load(model_id)


def duplicate(model_id: str, new_id: str, owner: str | None = None) -> SavedModel:
    """Copy a saved model, with note and tags, under another name.

    Parameters
    ----------
    model_id, new_id : str
    owner : str, optional
        Whose the copy is; that of the model if not given.

    Raises
    ------
    ModelError
        There is no such model, it is damaged, the new name is in use or not valid, or there is
        no room for a copy; nothing is left then.
    """
    model = repository.load(model_id)
    with saving.create_model_folder(new_id) as folder:
        try:
            for name in (*model.card.files, repository.CARD_FILE):
                shutil.copyfile(model.path / name, folder / name)
        except FileNotFoundError as error:
            raise ModelError(repository.explain_missing(model_id)) from error
        owner = model.owner if owner is None else owner
        _write_annotations(
            folder, replace(model.annotations, archived=False, former_names=(), owner=owner)
        )
        copy = repository.open_folder(folder)
        if copy.card_hash != model.card_hash:
            raise ModelError(f"The model {model_id} was replaced while it was copied: try again")
        _clean_card(copy)
    return repository.load(new_id)


def set_owner(model_id: str, owner: str) -> SavedModel:
    """Say whose a saved model is, whatever its card says; empty for nobody's.

    Raises
    ------
    ModelError
        There is no such model, it is damaged, or the disk is full.
    """
    with _locked_change(f"nothing was changed on {model_id}"):
        model = repository.load(model_id)
        _write_annotations(model.path, replace(model.annotations, owner=owner))
    return repository.load(model_id)


def set_default(model_id: str) -> SavedModel:
    """Make a saved model the one that is used where none is named.

    Raises
    ------
    ModelError
        There is no such model, it is damaged or archived, or the disk is full.
    """
    with _locked_change("the default stays what it was"):
        model = repository.load(model_id)
        if model.archived:
            raise ModelError(
                f"{model_id} is archived: unarchive it before you make it the default model"
            )
        atomic.remove_temporary_files(_default_model_file())
        atomic.write_bytes(_default_model_file(), f"{model_id}\n".encode())
    return model


def delete(folder_name: str, session: str = "cli") -> DeletedModel:
    """Delete a model, whole or damaged; its files are removed later, see `purge`.

    Parameters
    ----------
    folder_name : str
        Of any folder among the saved models, also of one that is no model.
    session : str
        Who deletes; models that a session of the app deleted are purged when that session ends.

    Returns
    -------
    DeletedModel
        For `restore` and `purge`.

    Raises
    ------
    ModelError
        There is no such folder, or it cannot be moved.
    """
    with _locked_change(f"{folder_name} stays where it is"):
        _purge(entry for entry in trash.list_deleted() if _is_expired(entry))
        known = {folder.name: folder for folder in repository.list_folders()}
        if folder_name not in known:
            raise ModelError(repository.explain_missing(folder_name))
        path = trash.trash_path(known[folder_name], session)
        is_default = _is_default(folder_name)
        known[folder_name].rename(path)
        if is_default:
            _default_model_file().unlink(missing_ok=True)
        atomic.fsync_path(path.parent)
    return next(entry for entry in trash.list_deleted() if entry.path == path)


def restore(model_id: str, new_id: str | None = None, *, chosen: DeletedModel | None = None) -> str:
    """Restore the model of that name that was deleted last.

    Parameters
    ----------
    model_id : str
    new_id : str, optional
        Another name for it, where its own is in use.
    chosen : DeletedModel, optional
        Which of several of that name; it may have been restored or purged meanwhile.

    Returns
    -------
    str
        The name that it has.

    Raises
    ------
    ModelError
        None of that name can be restored, or the name is in use.
    """
    with _locked_change(f"{model_id} stays deleted"):
        deleted = [
            entry
            for entry in trash.list_restorable()
            if entry.id == model_id and chosen in (None, entry)
        ]
        if not deleted:
            others = ", ".join(dict.fromkeys(e.id for e in trash.list_restorable())) or "none"
            raise ModelError(
                f"No deleted model named {model_id} can be restored (deleted: {others}): "
                "choose one of these; purged models are lost"
            )
        name = model_id if new_id is None else identifiers.validate(new_id)
        folder = settings.models_dir() / name
        if folder.exists():
            raise ModelError(
                f"The name {name} is in use by another model: restore the deleted one under "
                "another name"
            )
        deleted[0].path.rename(folder)
        atomic.fsync_path(folder.parent)
    return name


def purge(deleted: Iterable[DeletedModel] | None = None) -> int:
    """Remove the files of deleted models permanently, with their evaluations.

    Parameters
    ----------
    deleted : iterable of DeletedModel, optional
        All that can still be restored, if not given.

    Returns
    -------
    int
        Number of bytes that were removed.

    Raises
    ------
    ModelError
        A file cannot be removed.
    """
    with _locked_change("some files are still there"):
        return _purge(trash.list_restorable() if deleted is None else deleted)


def purge_session(session: str) -> int:
    """Purge the models that a session of the app deleted; see `purge`."""
    return purge(entry for entry in trash.list_restorable() if entry.session == session)


def purge_expired() -> int:
    """Purge models deleted a day ago, and finish interrupted purges; return the bytes.

    A server that was killed cannot purge what its sessions deleted. This is called where models
    are managed, and changes nothing where there is nothing to do.
    """
    if not trash.list_deleted():
        return 0
    return purge(entry for entry in trash.list_deleted() if _is_expired(entry))


def _is_expired(entry: DeletedModel) -> bool:
    if not entry.is_purged:
        return entry.age > trash.RETENTION
    half_done = not entry.path.is_dir() or any(entry.path.iterdir())
    return half_done or entry.age > trash.NOTICE_RETENTION


def _purge(deleted: Iterable[DeletedModel]) -> int:
    """Remove files under the lock, in folders that no reader lists."""
    removed_bytes = 0
    for entry in deleted:
        path = entry.path
        if not path.exists() and not path.is_symlink():
            continue  # restored or purged by another session
        if not entry.is_purged:
            path = path.rename(
                path.with_name(path.name.replace(trash.TRASH_PREFIX, trash.PURGED_PREFIX, 1))
            )
        if path.is_symlink() or not path.is_dir():
            path.unlink()  # a link to a folder elsewhere, which is not ours
            continue
        _delete_records(path)
        removed_bytes += _empty_folder(path)
        if entry.age > trash.NOTICE_RETENTION:
            path.rmdir()
    return removed_bytes


def _empty_folder(folder: Path) -> int:
    """Empty a folder, the card last: an interrupted purge needs it to find the evaluations."""
    removed_bytes = 0
    for path in sorted(folder.iterdir(), key=lambda path: path.name == repository.CARD_FILE):
        inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
        removed_bytes += sum(p.lstat().st_size for p in (path, *inside) if not p.is_dir())
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return removed_bytes


def _delete_records(folder: Path) -> None:
    """Remove a model's evaluations and names, unless a duplicate still has them."""
    others = [*repository.list_folders(), *(entry.path for entry in trash.list_restorable())]
    kept_cards, kept_tables = set[str](), set[str]()
    for cards_of, table in map(_identify, others):
        kept_cards |= cards_of
        kept_tables.add(table)
    own_cards, own_table = _identify(folder)
    for digest in own_cards - kept_cards:
        evaluations.delete_evaluations(digest)
    if own_table not in kept_tables:
        slice_names.delete_names(own_table)


def _identify(folder: Path) -> tuple[frozenset[str], str]:
    """Return the hashes that a model's card has or had, and that of its out-of-fold table."""
    try:
        content = repository.read_card(folder)
    except (OSError, reading.UnreadableContentError):
        return frozenset(), ""
    digest = hashlib.sha256(content).hexdigest()
    try:
        card = cards.parse(content)
    except ModelError:  # damaged; the evaluations of its bytes are still its own
        return frozenset((digest,)), ""
    table = card.files.get(repository.OOF_FILE)
    return frozenset((digest, *card.former_sha256)), table.sha256 if table else ""


def _clean_card(model: SavedModel) -> None:
    """Write the card anew where an earlier version wrote names of files or folders into it."""
    path = model.path / repository.CARD_FILE
    if cards.holds_names(path.read_bytes(), model.card):
        former = (*model.card.former_sha256, model.card_hash)
        changed = replace(model.card, former_sha256=former, schema_version=cards.SCHEMA_VERSION)
        atomic.remove_temporary_files(path)
        atomic.write_bytes(path, cards.dump(changed))


def _write_annotations(folder: Path, new_annotations: Annotations) -> None:
    atomic.remove_temporary_files(folder / repository.ANNOTATIONS_FILE)
    atomic.write_bytes(folder / repository.ANNOTATIONS_FILE, dump_annotations(new_annotations))


def _default_model_file() -> Path:
    return settings.models_dir() / repository.DEFAULT_MODEL_FILE


def _is_default(name: str) -> bool:
    try:
        return repository.read_default_id() == name
    except ModelError:
        return False


@contextmanager
def _locked_change(outcome: str) -> Iterator[None]:
    """Hold the lock; turn an error of the disk into one line that ends with the `outcome`."""
    try:
        with lock.models_lock():
            yield
    except OSError as error:
        raise ModelError(
            f"The models' folder cannot be changed ({error.strerror or error}), {outcome}: make "
            "room there, or permit writing, and try again"
        ) from error
