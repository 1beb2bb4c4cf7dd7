"""Data sets that people upload: named, private or shared, each in ``HOME/data/uploads``.

Whatever a page or REST reads for somebody goes through `list_roots` and `require_folder`: the data
set of another person is not there for them. A name of a file from elsewhere never leads out of the
data set's own folder, and nothing is unpacked but by the decoder pool.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from spinefrac import settings
from spinefrac.access import policy
from spinefrac.access.policy import Action, Identity
from spinefrac.data import class_names, folder_layouts
from spinefrac.data import deidentify as deidentification
from spinefrac.errors import DatasetError, ImageError
from spinefrac.imaging import collect
from spinefrac.imaging.collect import SourceFile
from spinefrac.records import Unreadable
from spinefrac.system import atomic, private_files, reading

MAX_NAME_LENGTH = 60
#: Most bytes of all data sets of one person.
MAX_OWNED_BYTES = 8 * 2**30
#: Bytes that stay free on the disk.
MIN_FREE_BYTES = 2 * 2**30
_SLICES, _RECORD = "slices", "dataset.json"
#: Signs that some system does not allow in a name.
_FORBIDDEN_SIGNS = frozenset('<>:"|?*\\')
_MAX_PART_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Dataset:
    """An uploaded data set.

    Attributes
    ----------
    id : str
        Random; names its folder.
    name : str
        What its owner calls it.
    owner : str
        Empty where nobody was signed in.
    shared : bool
        Whether every trainer may use it.
    deidentified : bool
        Whether it was de-identified on arrival.
    created_at : str
        UTC, ISO 8601.
    files, bytes : int
    """

    id: str
    name: str
    owner: str
    shared: bool
    deidentified: bool
    created_at: str
    files: int
    bytes: int

    @property
    def folder(self) -> Path:
        """Where its slices are."""
        return uploads_dir() / self.id / _SLICES


@dataclass(frozen=True, slots=True)
class UploadResult:
    """A new data set, and the files that are not in it, with the reason."""

    dataset: Dataset
    left_out: tuple[Unreadable, ...]


def uploads_dir() -> Path:
    """Return the folder of all uploaded data sets."""
    return settings.home() / "data" / "uploads"


def add(
    identity: Identity,
    name: str,
    files: Iterable[SourceFile],
    *,
    deidentify: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> UploadResult:
    """Save files as a new private data set; it is there as a whole or not at all.

    Parameters
    ----------
    identity : Identity
    name : str
    files : iterable of SourceFile
        Slices in class folders, or ZIPs of them; see `folder_layouts`.
    deidentify : bool
        Keep de-identified copies of the DICOM files, under new names, and nothing else.
    progress : callable, optional
        Called with the number of files saved and of all.

    Raises
    ------
    AccessError
        The person may not.
    DatasetError
        The name is not valid, there is too much, or no class folders are in it.
    """
    policy.require(identity, Action.ADD_DATASET)
    collected = collect.collect_files(files)
    total = sum(file.size for file in collected.files)
    require_room(identity, total)
    dataset = Dataset(
        id=secrets.token_hex(6),
        name=clean_name(name),
        owner=identity.owner,
        shared=False,
        deidentified=deidentify,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        files=0,
        bytes=0,
    )
    private_files.make_folder(uploads_dir())
    with atomic.new_folder(uploads_dir() / dataset.id) as folder:
        unreadable = _fill(folder, collected.files, deidentify, progress)
        folder_layouts.list_labelled_files(folder / _SLICES)  # raises where there are no classes
        saved = [path for path in (folder / _SLICES).rglob("*") if path.is_file()]
        dataset = replace(
            dataset, files=len(saved), bytes=sum(path.stat().st_size for path in saved)
        )
        _write_record(folder, dataset)
    return UploadResult(dataset, (*collected.unreadable, *unreadable))


def list_datasets(identity: Identity) -> list[Dataset]:
    """Return the data sets that somebody may use, own ones first, by name."""
    found = [dataset for dataset in _list_all() if may_use(identity, dataset)]
    return sorted(found, key=lambda one: (one.owner != identity.owner, one.name.casefold(), one.id))


def may_use(identity: Identity, dataset: Dataset) -> bool:
    """Return whether somebody may look at a data set and train on it."""
    if dataset.shared and policy.permits(identity, Action.SEE_SHARED_DATASET):
        return True
    return policy.permits(identity, Action.SEE_DATASET, owner=dataset.owner)


def get(identity: Identity, dataset_id: str) -> Dataset:
    """Return a data set.

    Raises
    ------
    DatasetError
        There is none of that id for this person; of others' it is not said that they exist.
    """
    for dataset in list_datasets(identity):
        if dataset.id == dataset_id:
            return dataset
    raise DatasetError("Expected one of your data sets, got another: choose one of the list")


def change(
    identity: Identity, dataset_id: str, *, name: str | None = None, shared: bool | None = None
) -> Dataset:
    """Rename a data set, share it or make it private; what is None stays.

    Raises
    ------
    AccessError
        The person may use it, but not change it.
    DatasetError
        There is none of that id for this person, or the name is not valid.
    """
    dataset = get(identity, dataset_id)
    policy.require(identity, Action.CHANGE_DATASET, owner=dataset.owner)
    if name is not None:
        dataset = replace(dataset, name=clean_name(name))
    if shared is not None:
        dataset = replace(dataset, shared=shared)
    _write_record(uploads_dir() / dataset.id, dataset)
    return dataset


def delete(identity: Identity, dataset_id: str) -> Dataset:
    """Delete a data set with its files, for good.

    Raises
    ------
    AccessError
        The person may use it, but not delete it.
    DatasetError
        There is none of that id for this person.
    """
    dataset = get(identity, dataset_id)
    policy.require(identity, Action.DELETE_DATASET, owner=dataset.owner)
    folder = uploads_dir() / dataset.id
    gone = folder.with_name(f".deleted-{dataset.id}")
    folder.rename(gone)  # from here on nobody finds half of it
    shutil.rmtree(gone, ignore_errors=True)
    return dataset


def list_roots(identity: Identity) -> tuple[Path, ...]:
    """Return the folders that somebody may read slices in: the server's, and data sets."""
    roots = settings.data_roots() if policy.permits(identity, Action.READ_FOLDER) else ()
    return (*roots, *(dataset.folder for dataset in list_datasets(identity)))


def require_folder(identity: Identity, folder: Path) -> Path:
    """Return a folder that lies in one of `list_roots`, unless it is the data set of another.

    Raises
    ------
    DatasetError
        It is, or holds others' data sets.
    """
    uploads, resolved = uploads_dir().resolve(), folder.resolve()
    own = [dataset.folder.resolve() for dataset in list_datasets(identity)]
    is_own = any(resolved.is_relative_to(place) for place in own)
    if not is_own and (resolved.is_relative_to(uploads) or uploads.is_relative_to(resolved)):
        raise DatasetError(
            "Expected a folder of your own or of the server, got another: choose one"
        )
    return folder


def find_by_folder(folder: Path) -> Dataset | None:
    """Return the data set that a folder is; None for a folder of the server."""
    resolved = folder.resolve()
    return next((one for one in _list_all() if one.folder.resolve() == resolved), None)


def clean_name(name: str) -> str:
    """Return a name as it is kept.

    Raises
    ------
    DatasetError
        It is empty or too long.
    """
    cleaned = " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())
    if not 0 < len(cleaned) <= MAX_NAME_LENGTH:
        raise DatasetError(
            f"Expected a name of 1 to {MAX_NAME_LENGTH} characters, got {len(cleaned)}: enter "
            "another one"
        )
    return cleaned


def require_room(identity: Identity, size: int) -> None:
    """Refuse `size` bytes that would leave no room on the disk, or are more than one may hold.

    Raises
    ------
    DatasetError
    """
    held = sum(dataset.bytes for dataset in _list_all() if dataset.owner == identity.owner)
    if held + size > MAX_OWNED_BYTES:
        raise DatasetError(
            f"Expected at most {MAX_OWNED_BYTES // 2**30} GB of data sets, got "
            f"{(held + size) / 2**30:.1f} GB: delete one first"
        )
    private_files.make_folder(settings.home())
    if shutil.disk_usage(settings.home()).free < 2 * size + MIN_FREE_BYTES:
        raise DatasetError("The disk of the server has too little room: ask an admin to make some")


def _fill(
    folder: Path,
    files: tuple[SourceFile, ...],
    deidentify: bool,
    progress: Callable[[int, int], None] | None,
) -> list[Unreadable]:
    """Write the files below ``slices``; return those that could not be read."""
    raw = folder / ("raw" if deidentify else _SLICES)
    raw.mkdir(mode=0o700)
    unreadable: list[Unreadable] = []
    names = [_split(_full_name(file)) for file in files]
    depth = _count_outer_folders(names)
    for done, (file, name) in enumerate(zip(files, names, strict=True), start=1):
        try:
            content = file.read_bytes()
        except ImageError as error:
            unreadable.append(Unreadable(file.name, str(error)))
            continue
        path = _free_path(raw.joinpath(*name[depth:]))
        private_files.make_folder(path.parent)
        path.write_bytes(content)
        if progress:
            progress(done, len(files))
    if deidentify:
        result = deidentification.deidentify(raw, folder / _SLICES, progress=progress)
        shutil.rmtree(raw)
        quarantine = folder / _SLICES / deidentification.QUARANTINE_FOLDER
        shutil.rmtree(quarantine, ignore_errors=True)
        quarantine.with_suffix(".csv").unlink(missing_ok=True)
        left_out = (*result.skipped, *result.quarantined)
        unreadable += [Unreadable(name, reason) for name, reason in left_out]
    return unreadable


def _full_name(file: SourceFile) -> str:
    """Return the name as it came; that of `file` is shortened for messages."""
    member = file.locate().member
    return member.name if member else file.name


def _split(name: str) -> tuple[str, ...]:
    """Return the parts of a name from elsewhere as they may be written; never empty.

    >>> _split("../set/fracture/a:b.dcm")
    ('set', 'fracture', 'a_b.dcm')
    """
    parts = []
    for part in PurePosixPath(name.replace("\\", "/")).parts:
        allowed = "".join(
            sign if sign.isprintable() and sign not in _FORBIDDEN_SIGNS else "_" for sign in part
        )
        cleaned = allowed.strip(" ./")[-_MAX_PART_LENGTH:].strip(" .")
        if cleaned:
            parts.append(cleaned)
    return tuple(parts) or ("slice",)


def _count_outer_folders(names: list[tuple[str, ...]]) -> int:
    """Return how many folders, common to all files, stand before those of classes or splits."""
    depth = 0
    while names and all(len(name) > depth + 1 for name in names):
        common = {name[depth] for name in names}
        (part, *others) = common
        known = class_names.parse_class_label(part) is not None or class_names.parse_split(part)
        if others or known:
            break
        depth += 1
    return depth


def _free_path(path: Path) -> Path:
    """Return a path that is not in use; a number is added to one that is."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _list_all() -> list[Dataset]:
    found = []
    root = uploads_dir()
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder.name.startswith(".") or not (folder / _RECORD).is_file():
            continue
        try:
            data = reading.parse_json((folder / _RECORD).read_bytes())
            dataset = reading.convert(data, Dataset)
        except (OSError, ValueError, reading.UnreadableContentError):
            continue  # damaged: nobody's, so nobody may read it
        if dataset.id == folder.name:
            found.append(dataset)
    return found


def _write_record(folder: Path, dataset: Dataset) -> None:
    content = json.dumps(asdict(dataset), indent=2, allow_nan=False)
    atomic.write_bytes(folder / _RECORD, content.encode())
