"""Which files of a folder are slices, and of which class: the layouts on disk.

Nothing is decoded here. A layout is recognised by what the root holds, in this order:

* RSNA 2022: ``train.csv`` and ``train_images/<StudyInstanceUID>/<n>.dcm``;
* ``labels.csv`` with the columns ``path,label[,patient][,split]``, or with
  ``study[,level][,first,last],label[,patient]`` (`spinefrac.data.label_tables.scans`);
* class folders ``<class>/**/*``, or ``{train,val,valid,test}/<class>/**/*`` read as one set.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from spinefrac.data.class_names import (
    ACCEPTED_NAMES,
    parse_class_label,
    parse_split,
)
from spinefrac.data.folder_tree import FolderTree, read_tree
from spinefrac.data.label_tables import scans as scan_labels
from spinefrac.data.label_tables.rsna import (
    IMAGES_FOLDER,
    STUDIES_TABLE,
    label_rsna_slice,
    read_rsna_tables,
)
from spinefrac.data.listed_files import ListedFiles
from spinefrac.data.tables import has_columns, read_table
from spinefrac.errors import DatasetError
from spinefrac.records import CLASS_NAMES, Unreadable
from spinefrac.slice_order import natural_sort_key

LABELS_TABLE = "labels.csv"


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A file that is a slice of a class by its layout.

    Attributes
    ----------
    path : str
        Relative to the root, with forward slashes.
    label : int
        Index into `CLASS_NAMES`.
    folders : tuple of str
        Folders between the class folder (or the root, for ``labels.csv``) and the file.
    split : str
        ``train``, ``val``, ``test`` or empty.
    row : mapping
        The file's row in ``labels.csv`` by lower-case column name; empty for other layouts.
    study : str
        The folder of its scan, where the table labels scans.
    bag : str
        As `SliceLabel.bag`.
    """

    path: str
    label: int
    folders: tuple[str, ...] = ()
    split: str = ""
    row: Mapping[str, str] = field(default_factory=dict)
    study: str = ""
    bag: str = ""


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The labelled files of a folder, listed once and passed along from step to step.

    Attributes
    ----------
    root : Path
        Absolute, links resolved.
    files : tuple of LabelledFile
        Sorted by path.
    notes : tuple of str
        What was left out or merged, by number: notes are saved with a model, and names of files
        and folders may be names of patients.
    digest : str
        SHA-256 over names, sizes and times of all files below the root.
    details : tuple of str
        The same by name, for the screen of the user whose folder it is.
    missing : tuple of Unreadable
        What ``labels.csv`` lists and the folder does not hold.
    """

    root: Path
    files: tuple[LabelledFile, ...]
    notes: tuple[str, ...] = ()
    digest: str = ""
    details: tuple[str, ...] = ()
    missing: tuple[Unreadable, ...] = ()

    @property
    def is_of_scans(self) -> bool:
        """Whether the labels are of scans, of levels or of slices of scans."""
        return any(file.study for file in self.files)


#: A folder, or what is known of it already: functions that take one list no folder twice.
FolderLike = str | os.PathLike[str] | FolderListing


def list_labelled_files(folder: FolderLike) -> FolderListing:
    """List the labelled files of a folder.

    Parameters
    ----------
    folder : path or FolderListing
        Root of the data set, in one of the layouts of this module. A listing is returned as it
        is.

    Returns
    -------
    FolderListing

    Raises
    ------
    DatasetError
        If the folder is missing or empty, has none of the layouts, or holds one class only.
    """
    if isinstance(folder, FolderListing):
        return folder
    root = Path(folder).expanduser()
    if not root.exists():
        raise DatasetError(f"Expected a folder of slices, but {folder} does not exist.")
    if not root.is_dir():
        raise DatasetError(f"Expected a folder of slices, but {folder} is a file: give its folder.")
    tree = read_tree(root.resolve())
    _require_readable(tree)
    files, remarks, missing = _read_layout(tree)
    _check_classes(files, remarks)
    ordered = tuple(sorted(files, key=lambda file: file.path))
    notes = tuple(remark.note for remark in remarks)
    details = tuple(remark.detail for remark in remarks if remark.detail)
    return FolderListing(tree.path, ordered, notes, tree.digest, details, tuple(missing))


@dataclass(frozen=True, slots=True)
class _Remark:
    """What was left out or merged: by number, and by name where there are names."""

    note: str
    detail: str = ""


class _Layout(NamedTuple):
    """The files of a folder, what was left out, and what is listed and not there."""

    files: list[LabelledFile]
    remarks: list[_Remark]
    missing: Sequence[Unreadable] = ()


def _read_layout(tree: FolderTree) -> _Layout:
    """Recognise the layout and read it."""
    images = next((folder for folder in tree.folders if folder.name == IMAGES_FOLDER), None)
    if images and _find_table(tree, STUDIES_TABLE):
        return _list_rsna(tree.path, images)
    if table := _find_table(tree, LABELS_TABLE):
        if has_columns(table, scan_labels.REQUIRED_COLUMNS) and not has_columns(table, ("path",)):
            return _list_scans(tree, table)
        return _list_from_table(tree.path, table)
    return _list_class_folders(tree)


# --- class folders -------------------------------------------------------------------------


def _list_class_folders(tree: FolderTree) -> _Layout:
    """Read ``<class>/**/*`` and ``<split>/<class>/**/*``."""
    classes, others = _separate_class_folders(tree)
    _check_numbered_folders(classes, others)
    by_split = [("", folder) for folder in classes]
    ignored: list[str] = []
    for folder in others:
        inside: list[FolderTree] = []
        rest = [folder.name]
        if split := parse_split(folder.name):
            _require_readable(folder)
            inside, unknown = _separate_class_folders(folder)
            rest = [f"{folder.name}/{sub.name}" for sub in unknown] if inside else rest
        by_split += [(split, sub) for sub in inside]
        ignored += rest
    if not by_split:
        raise DatasetError(_explain_unrecognised(tree))
    files = [
        LabelledFile(path.relative_to(tree.path).as_posix(), _class_label(folder), between, split)
        for split, folder in by_split
        for path, between in folder.iterate_files()
    ]
    if not files:
        names = ", ".join(sorted({folder.name for _, folder in by_split}))
        raise DatasetError(f"The class folders ({names}) are empty: put the slices into them.")
    return _Layout(files, list(_describe_class_folders(by_split, ignored)))


def _separate_class_folders(tree: FolderTree) -> tuple[list[FolderTree], list[FolderTree]]:
    """Return the folders that are named like a class, and the others."""
    classes = [folder for folder in tree.folders if parse_class_label(folder.name) is not None]
    others = [folder for folder in tree.folders if parse_class_label(folder.name) is None]
    return classes, others


def _class_label(folder: FolderTree) -> int:
    """Return the label of a folder that is known to be a class folder."""
    label = parse_class_label(folder.name)
    assert label is not None, "only class folders are asked for their label"
    return label


def _check_numbered_folders(classes: Sequence[FolderTree], others: Sequence[FolderTree]) -> None:
    """Refuse folders 0 and 1 beside 2, 3, …: those are patients rather than classes."""
    numbers = [folder.name for folder in others if folder.name.strip().isdecimal()]
    if numbers and any(folder.name.strip() in ("0", "1") for folder in classes):
        raise DatasetError(
            "Expected folders 0 and 1 to be the only numbered ones, but found also "
            f"{_join_names(numbers)}: call the class folders fracture and normal, with patients "
            "inside."
        )


def _explain_unrecognised(tree: FolderTree) -> str:
    """Describe a folder without class folders, and where class folders might be."""
    loose = len(tree.files) + len(tree.external_links)
    if not tree.folders and not loose:
        return "The folder is empty: expected one folder of slices a class, fracture and normal."
    for folder in tree.folders:
        if not parse_split(folder.name) and any(
            parse_class_label(sub.name) is not None or parse_split(sub.name)
            for sub in folder.folders
        ):
            return (
                f"No class folder here, but there seem to be some inside {folder.name!r}: "
                "give that folder instead."
            )
    names = [folder.name for folder in tree.folders]
    found = f"the folders {_join_names(names)}" if names else "no folder"
    return (
        f"No class folder recognised: found {found} and {loose} files. Expected one folder a "
        f"class, named {ACCEPTED_NAMES}; or labels.csv with the columns path,label."
    )


def _describe_class_folders(
    by_split: Sequence[tuple[str, FolderTree]], ignored: Sequence[str]
) -> Iterator[_Remark]:
    """Describe the folders that were ignored or merged, and the links out of the root."""
    if ignored:
        what = "folder that is not a class folder"
        if len(ignored) > 1:
            what = "folders that are not class folders"
        yield _Remark(
            f"Left out {len(ignored)} {what}.",
            f"Left out {_join_names(sorted(ignored))}: not a class folder.",
        )
    for split in sorted({split for split, _ in by_split}):
        for label, meaning in enumerate(CLASS_NAMES):
            same = sorted(
                folder.name
                for other, folder in by_split
                if other == split and _class_label(folder) == label
            )
            if len(same) > 1:
                where = f" of {split}" if split else ""
                yield _Remark(
                    f"Read {len(same)} folders{where} as one class, {meaning}.",
                    f"Read the folders {_join_names(same)}{where} as one class, {meaning}.",
                )
    yield from _describe_external_links(folder for _, folder in by_split)


def _describe_external_links(folders: Iterable[FolderTree]) -> Iterator[_Remark]:
    if outside := sum(folder.count_external_links() for folder in folders):
        yield _Remark(f"Left out {outside} links that lead out of the folder.")


# --- labels.csv ----------------------------------------------------------------------------


def _list_from_table(root: Path, table: Path) -> _Layout:
    """Read ``labels.csv``: one row a slice, paths relative to the root."""
    files: dict[str, LabelledFile] = {}
    missing: list[Unreadable] = []
    listed = ListedFiles(root)
    repeated = 0
    for line, row in read_table(table, ("path", "label")):
        where = f"{table.name} line {line}"
        label = parse_class_label(row["label"])
        if label is None:
            raise DatasetError(
                f"{where}: unknown label {row['label']!r}, expected {ACCEPTED_NAMES}."
            )
        path = _resolve_listed_path(listed, row["path"], where)
        if path is None:
            missing.append(Unreadable(row["path"], f"{where} lists it, but there is no such file"))
            continue
        if path in files:
            if files[path].label != label:
                raise DatasetError(f"{where}: {path} has both labels, keep one of its rows.")
            repeated += 1
            continue
        split = parse_split(row.get("split", ""))
        files[path] = LabelledFile(path, label, Path(path).parent.parts, split, row)
    if missing and not files:
        raise DatasetError(
            f"{table.name} lists {len(missing)} files, and none of them is there, first "
            f"{missing[0].path}; paths are relative to the folder."
        )
    if not files:
        raise DatasetError(f"{table.name} has no rows: expected one row a slice.")
    remarks = []
    if repeated:
        remarks.append(_Remark(f"Left out {repeated} repeated rows of {LABELS_TABLE}."))
    if missing:
        remarks.append(
            _Remark(f"Left out {len(missing)} rows of {LABELS_TABLE} whose files are not there.")
        )
    return _Layout(list(files.values()), remarks, missing)


def _resolve_listed_path(listed: ListedFiles, written: str, where: str) -> str | None:
    """Return a path of ``labels.csv`` relative to the root, with forward slashes; None where no
    file is there.

    Raises
    ------
    DatasetError
        If it is empty or leads out of the root.
    """
    if not written or "\0" in written:
        raise DatasetError(f"{where}: the path is empty, expected one relative to the folder.")
    try:
        return listed.find(written)
    except ValueError:
        raise DatasetError(
            f"{where}: {written} leads out of the folder, expected a path inside it."
        ) from None


# --- labels.csv of scans -------------------------------------------------------------------


def _list_scans(tree: FolderTree, table: Path) -> _Layout:
    """Read ``labels.csv`` with a column ``study``: one row a scan, a level or a range of slices."""
    files: list[LabelledFile] = []
    missing: list[Unreadable] = []
    study_of: dict[str, str] = {}
    for study, rows in scan_labels.read_scan_labels(table).items():
        folder = _find_folder(tree, study)
        if folder is None:
            reason = f"{rows[0].where} lists it, but there is no such folder"
            missing.append(Unreadable(study, reason))
            continue
        paths = _list_slices(tree, folder)
        if other := next((study_of[path] for path in paths if path in study_of), ""):
            raise DatasetError(
                f"{rows[0].where}: {study} holds slices of {other} too: expected one folder a "
                "scan, none inside another."
            )
        study_of |= dict.fromkeys(paths, study)
        labels = scan_labels.label_slices(rows, len(paths))
        row = {"study": study, "patient": next((r.patient for r in rows if r.patient), "")}
        files += [
            LabelledFile(path, label.label, Path(study).parts, "", row, study, label.bag)
            for path, label in zip(paths, labels, strict=True)
            if label is not None
        ]
    if not files:
        raise DatasetError(_explain_no_scans(table.name, missing))
    return _Layout(files, list(_describe_scans(files, len(study_of), len(missing))), missing)


def _list_slices(tree: FolderTree, folder: FolderTree) -> list[str]:
    """Return the files of a scan, relative to the root, in the natural order of their names."""
    _require_readable(folder)
    paths = (path.relative_to(tree.path).as_posix() for path, _ in folder.iterate_files())
    return sorted(paths, key=natural_sort_key)


def _explain_no_scans(table: str, missing: Sequence[Unreadable]) -> str:
    """Return why a table of scans labels no slice."""
    if not missing:
        return f"No row of {table} labels a slice: expected one row a scan, or several."
    return (
        f"No study of {table} is a folder with slices, first {missing[0].path}: give folders "
        "relative to the folder of the table. Volumes become such folders by spinefrac import."
    )


def _describe_scans(
    files: Sequence[LabelledFile], n_found: int, n_missing: int
) -> Iterator[_Remark]:
    """Describe what the labels are of, and what has none."""
    scans, weak = len({file.study for file in files}), sum(bool(file.bag) for file in files)
    yield _Remark(
        f"The labels are of {scans:,} scans: {weak:,} of {len(files):,} slices have the label of "
        "their scan or level, which says that one of its slices at least shows a fracture."
    )
    if unlabelled := n_found - len(files):
        yield _Remark(f"Left out {unlabelled} slices that no row of {LABELS_TABLE} labels.")
    if n_missing:
        yield _Remark(f"Left out {n_missing} studies whose folders are not there.")


def _find_folder(tree: FolderTree, path: str) -> FolderTree | None:
    """Return the folder of a path relative to the root; None where there is none."""
    for part in path.split("/"):
        found = next((folder for folder in tree.folders if folder.name == part), None)
        if found is None:
            return None
        tree = found
    return tree


# --- RSNA 2022 -----------------------------------------------------------------------------


def _list_rsna(root: Path, images: FolderTree) -> _Layout:
    """Read a download of RSNA 2022; slices without a label are left out, with the reason."""
    fractured, rows = read_rsna_tables(root)
    while inner := next((sub for sub in images.folders if sub.name == IMAGES_FOLDER), None):
        images = inner  # some programs unpack it inside another of its name
    _require_readable(images)
    boxed = {(row.study, row.slice) for row in rows}
    files: list[LabelledFile] = []
    left_out: Counter[str] = Counter()
    for study in images.folders:
        for path, _ in study.iterate_files():
            label = label_rsna_slice(fractured.get(study.name), study.name, path.stem, boxed)
            if isinstance(label, str):
                left_out[label] += 1
            else:
                relative = path.relative_to(root).as_posix()
                files.append(LabelledFile(relative, label, (study.name,)))
    if not files:
        raise DatasetError(
            "No slice in train_images has a label by train.csv and train_bounding_boxes.csv: "
            "expected train_images/<StudyInstanceUID>/<slice number>.dcm."
        )
    remarks = [
        _Remark(f"Left out {count} slices {reason}.") for reason, count in sorted(left_out.items())
    ]
    return _Layout(files, [*remarks, *_describe_external_links(images.folders)])


# --- helpers -------------------------------------------------------------------------------


def _find_table(tree: FolderTree, name: str) -> Path | None:
    """Return the file of that name in the root, matched without case; a link out is none."""
    return next((tree.path / file for file in tree.files if file.casefold() == name), None)


def _require_readable(tree: FolderTree) -> None:
    if tree.error:
        raise DatasetError(f"{tree.path} cannot be read: {tree.error}. Check its permissions.")


def _check_classes(files: Sequence[LabelledFile], remarks: Sequence[_Remark]) -> None:
    """Raise unless both classes are there, and say what was left out."""
    counts = Counter(file.label for file in files)
    if len(counts) == 1:
        (label,) = counts
        notes = [remark.detail or remark.note for remark in remarks]
        raise DatasetError(
            f"Expected two classes, but all {counts[label]} files mean {CLASS_NAMES[label]!r}: "
            "the other class is empty, missing or has a name that is not known. "
            f"{' '.join([*notes, 'Accepted names'])}: {ACCEPTED_NAMES}."
        )


def _join_names(names: Sequence[str], max_names: int = 6) -> str:
    """Join names for a message, the first few of many."""
    shown = ", ".join(names[:max_names])
    return shown if len(names) <= max_names else f"{shown} and {len(names) - max_names} more"
