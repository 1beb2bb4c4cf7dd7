"""Which files of a folder are slices, and of which class: the layouts on disk.

Nothing is decoded here. A layout is recognised by what stands in the root, in this order:

* RSNA 2022: ``train.csv`` and ``train_images/<StudyInstanceUID>/<n>.dcm``;
* ``labels.csv`` with the columns ``path,label[,patient][,split]``;
* class folders ``<class>/**/*``, or ``{train,val,valid,test}/<class>/**/*`` read as one set.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spinefrac.errors import DatasetError
from spinefrac.records import CLASS_NAMES

#: Accepted names of the two classes, normalised as `normalise_name` does.
POSITIVE_NAMES = ("fracture", "fractured", "positive", "abnormal", "yes", "1")
NEGATIVE_NAMES = (
    "normal", "no fracture", "nofracture", "not fractured", "negative", "healthy", "no", "0",
)  # fmt: skip
#: Folder names of a split level, and the split they stand for.
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

_LABEL_OF = dict.fromkeys(NEGATIVE_NAMES, 0) | dict.fromkeys(POSITIVE_NAMES, 1)
_JUNK_NAMES = {"thumbs.db", "desktop.ini", "__macosx"}
_ACCEPTED_NAMES = f"{', '.join(POSITIVE_NAMES)} against {', '.join(NEGATIVE_NAMES)}"


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A file that the layout says is a slice of a class.

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
    """

    path: str
    label: int
    folders: tuple[str, ...] = ()
    split: str = ""
    row: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The labelled files of a folder, sorted by path, and what was left out on the way."""

    root: Path
    files: tuple[LabelledFile, ...]
    notes: tuple[str, ...] = ()


def normalise_name(name: str) -> str:
    """Return a class name in lower case, with one blank for blanks, ``_`` and ``-``."""
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold())).strip()


def parse_class_label(name: str) -> int | None:
    """Return the label that a class name stands for, or None where it is none.

    >>> parse_class_label("Fractured"), parse_class_label("no-fracture"), parse_class_label("notes")
    (1, 0, None)
    """
    return _LABEL_OF.get(normalise_name(name))


def list_labelled_files(folder: str | os.PathLike[str]) -> FolderListing:
    """List the labelled files of a folder.

    Parameters
    ----------
    folder : path
        Root of the data set, in one of the layouts of this module.

    Returns
    -------
    Listing

    Raises
    ------
    DatasetError
        If the folder is missing or empty, has none of the layouts, or holds one class only.
    """
    root = Path(folder).expanduser()
    if not root.exists():
        raise DatasetError(f"Expected a folder of slices, but {folder} does not exist.")
    if not root.is_dir():
        raise DatasetError(f"Expected a folder of slices, but {folder} is a file: give its folder.")
    root = root.resolve()
    try:
        if _find_file(root, "train.csv") and "train_images" in (
            path.name for path in _list_folders(root)
        ):
            listing = _list_rsna(root)
        elif table := _find_file(root, "labels.csv"):
            listing = _list_from_table(root, table)
        else:
            listing = _list_class_folders(root)
    except PermissionError as error:
        raise DatasetError(
            f"{folder} cannot be read: {error.strerror}. Check its rights."
        ) from None
    _check_classes(listing.files)
    ordered = tuple(sorted(listing.files, key=lambda file: file.path))
    return FolderListing(root, ordered, listing.notes)


# --- class folders -------------------------------------------------------------------------


def _list_class_folders(root: Path) -> FolderListing:
    """Read ``<class>/**/*`` and ``<split>/<class>/**/*``."""
    here = _list_folders(root)
    places = [("", folder) for folder in here if parse_class_label(folder.name) is not None]
    others = [folder for folder in here if parse_class_label(folder.name) is None]
    _check_numbered_folders(places, others)
    ignored: list[str] = []
    for folder in others:
        split = SPLIT_NAMES.get(normalise_name(folder.name))
        inside = _list_folders(folder) if split else []
        classes = [(split or "", sub) for sub in inside if parse_class_label(sub.name) is not None]
        places += classes
        if not classes:
            ignored.append(folder.name)
        else:
            ignored += [
                f"{folder.name}/{s.name}" for s in inside if parse_class_label(s.name) is None
            ]
    if not places:
        raise DatasetError(_explain_unrecognised(root, here))

    outside: list[str] = []
    files = [
        LabelledFile(
            path=path.relative_to(root).as_posix(),
            label=_folder_label(folder.name),
            folders=path.parent.relative_to(folder).parts,
            split=split,
        )
        for split, folder in places
        for path in _iterate_files(folder, root, outside)
    ]
    if not files:
        names = ", ".join(sorted({folder.name for _, folder in places}))
        raise DatasetError(f"The class folders ({names}) are empty: put the slices into them.")
    return FolderListing(root, tuple(files), tuple(_folder_notes(places, ignored, outside)))


def _check_numbered_folders(places: list[tuple[str, Path]], others: list[Path]) -> None:
    """Refuse folders 0 and 1 beside 2, 3, …: those are patients rather than classes."""
    numbers = [folder.name for folder in others if folder.name.strip().isdecimal()]
    if numbers and any(folder.name.strip() in ("0", "1") for _, folder in places):
        raise DatasetError(
            "Expected folders 0 and 1 to be the only numbered ones, but found also "
            f"{_join_names(numbers)}: call the class folders fracture and normal, with patients inside."
        )


def _explain_unrecognised(root: Path, here: list[Path]) -> str:
    """Say what a folder without class folders holds, and where class folders might be."""
    if not here and not any(_is_visible(path.name) for path in root.iterdir()):
        return "The folder is empty: expected one folder of slices a class, fracture and normal."
    for folder in here:
        below = {normalise_name(path.name) for path in _list_folders(folder)}
        if below & (_LABEL_OF.keys() | SPLIT_NAMES.keys()) and normalise_name(folder.name) not in (
            SPLIT_NAMES
        ):
            return (
                f"No class folder here, but there seem to be some inside {folder.name!r}: "
                "give that folder instead."
            )
    loose = sum(1 for path in root.iterdir() if path.is_file() and _is_visible(path.name))
    found = f"the folders {_join_names([path.name for path in here])}" if here else "no folder"
    return (
        f"No class folder recognised: found {found} and {loose} files. Expected one folder a "
        f"class, named {_ACCEPTED_NAMES}; or labels.csv with the columns path,label."
    )


def _folder_notes(
    places: list[tuple[str, Path]], ignored: list[str], outside: list[str]
) -> Iterator[str]:
    """Say which folders were ignored, merged, or led out of the root."""
    if ignored:
        yield f"Left out {_join_names(sorted(ignored))}: not a class folder."
    for split in sorted({split for split, _ in places}):
        names = [folder.name for s, folder in places if s == split]
        for label, meaning in enumerate(CLASS_NAMES):
            same = [name for name in names if _folder_label(name) == label]
            if len(same) > 1:
                where = f" of {split}" if split else ""
                yield f"Read the folders {_join_names(sorted(same))}{where} as one class, {meaning}."
    if outside:
        yield f"Left out {len(outside)} links that lead out of the folder."


# --- labels.csv ----------------------------------------------------------------------------


def _list_from_table(root: Path, table: Path) -> FolderListing:
    """Read ``labels.csv``: one row a slice, paths relative to the root."""
    files: list[LabelledFile] = []
    line_of: dict[str, int] = {}
    repeated = 0
    for line, row in read_table(table, ("path", "label")):
        label = parse_class_label(row["label"])
        if label is None:
            raise DatasetError(
                f"{table.name} line {line}: unknown label {row['label']!r}, expected {_ACCEPTED_NAMES}."
            )
        path = _resolve_listed_path(root, row["path"], f"{table.name} line {line}")
        if path in line_of:
            first = line_of[path]
            if files[first].label != label:
                raise DatasetError(
                    f"{table.name} line {line}: {path} has both labels, keep one of its rows."
                )
            repeated += 1
            continue
        line_of[path] = len(files)
        split = SPLIT_NAMES.get(normalise_name(row.get("split", "")), "")
        files.append(LabelledFile(path, label, Path(path).parent.parts, split, row))
    if not files:
        raise DatasetError(f"{table.name} has no rows: expected one row a slice.")
    notes = [f"Left out {repeated} repeated rows of {table.name}."] if repeated else []
    return FolderListing(root, tuple(files), tuple(notes))


def read_table(table: Path, columns: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file's rows with their line numbers.

    A byte order mark, CRLF and semicolons instead of commas are taken as they come. Column
    names are matched without case; values are stripped.

    Parameters
    ----------
    table : Path
    columns : iterable of str
        Lower-case names of the columns that must be there.

    Raises
    ------
    DatasetError
        If the file is not UTF-8 text, or a column is missing.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            head = stream.readline()
            stream.seek(0)
            delimiter = ";" if ";" in head and "," not in head else ","
            reader = csv.reader(stream, delimiter=delimiter)
            names = [name.strip().lstrip("\ufeff").casefold() for name in next(reader, [])]
            missing = [column for column in columns if column not in names]
            if missing:
                raise DatasetError(
                    f"{table.name} lacks the column {' and '.join(missing)}: expected "
                    f"{','.join(columns)}, found {','.join(names) or 'nothing'}."
                )
            rows = []
            for values in reader:
                if any(value.strip() for value in values):
                    padded = [value.strip() for value in values] + [""] * len(names)
                    rows.append((reader.line_num, dict(zip(names, padded, strict=False))))
            return rows
    except UnicodeDecodeError:
        raise DatasetError(f"{table.name} is not UTF-8 text: save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise DatasetError(f"{table.name} is not a CSV table: {error}.") from None


def _resolve_listed_path(root: Path, written: str, where: str) -> str:
    """Return a path of ``labels.csv`` relative to the root, with forward slashes.

    Raises
    ------
    DatasetError
        If it is empty, leads out of the root, or no file is there.
    """
    if not written or "\0" in written:
        raise DatasetError(f"{where}: the path is empty, expected one relative to the folder.")
    candidates = [written] if "\\" not in written else [written, written.replace("\\", "/")]
    for candidate in candidates:
        path = Path(os.path.normpath(root / candidate))
        if not path.is_relative_to(root) or not path.resolve().is_relative_to(root):
            raise DatasetError(
                f"{where}: {written} leads out of the folder, expected a path inside it."
            )
        if path.is_file():
            return path.relative_to(root).as_posix()
    raise DatasetError(f"{where}: there is no file {written}; paths are relative to the folder.")


# --- RSNA 2022 -----------------------------------------------------------------------------


def _list_rsna(root: Path) -> FolderListing:
    """Read the layout of the RSNA 2022 Cervical Spine Fracture Detection challenge.

    ``train.csv`` labels whole studies (``patient_overall``), ``train_bounding_boxes.csv``
    marks fractures slice by slice. Slices inside a box are positive, slices of studies
    without a fracture negative. A slice of a fractured study outside every box may or may not
    show a fracture (not every study has boxes), so it is left out.
    """
    fractured, rows = read_rsna_tables(root)
    boxed = {(row.study, row.slice) for row in rows}
    files: list[LabelledFile] = []
    left: Counter[str] = Counter()
    outside: list[str] = []
    for study in _list_folders(root / "train_images"):
        for path in _iterate_files(study, root, outside):
            label = label_rsna_slice(fractured.get(study.name), study.name, path.stem, boxed)
            if isinstance(label, str):
                left[label] += 1
            else:
                relative = path.relative_to(root).as_posix()
                files.append(LabelledFile(relative, label, (study.name,)))
    if not files:
        raise DatasetError(
            "No slice in train_images has a label by train.csv and train_bounding_boxes.csv: "
            "expected train_images/<StudyInstanceUID>/<slice number>.dcm."
        )
    notes = [f"Left out {count} slices {reason}." for reason, count in sorted(left.items())]
    if outside:
        notes.append(f"Left out {len(outside)} links that lead out of the folder.")
    return FolderListing(root, tuple(files), tuple(notes))


@dataclass(frozen=True, slots=True)
class RsnaBox:
    """A row of ``train_bounding_boxes.csv``: edges and sizes in pixels."""

    study: str
    slice: int
    x: float
    y: float
    width: float
    height: float


def read_rsna_tables(root: Path) -> tuple[dict[str, bool], list[RsnaBox]]:
    """Read the tables of RSNA 2022: whether each study is fractured, and the boxes.

    Raises
    ------
    DatasetError
        If one is missing or not what it should be.
    """
    table, boxes = (_find_file(root, name) for name in ("train.csv", "train_bounding_boxes.csv"))
    if table is None:
        raise DatasetError("Expected train.csv in the folder of RSNA 2022, found none.")
    if boxes is None:
        raise DatasetError(
            "train.csv and train_images are here but train_bounding_boxes.csv is not: without "
            "it no single slice of a fractured study has a label. Put it beside train.csv."
        )
    fractured: dict[str, bool] = {}
    for line, row in read_table(table, ("studyinstanceuid", "patient_overall")):
        value = _parse_int(row["patient_overall"], f"{table.name} line {line}: patient_overall")
        fractured[row["studyinstanceuid"]] = value != 0
    found = []
    for line, row in read_table(boxes, ("studyinstanceuid", "slice_number")):
        number = _parse_int(row["slice_number"], f"{boxes.name} line {line}: slice_number")
        edges = (_parse_float(row.get(name, "")) for name in ("x", "y", "width", "height"))
        found.append(RsnaBox(row["studyinstanceuid"], number, *edges))
    return fractured, found


def _parse_float(text: str) -> float:
    """Return an edge of a box; not a number where the table has none, as labels need none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


#: Why a slice of a fractured study outside every box has no label.
OUTSIDE_BOXES_REASON = (
    "of fractured studies outside any fracture box (whether they show it is unknown)"
)


def label_rsna_slice(
    fractured: bool | None, study: str, stem: str, boxed_slices: Container[tuple[str, int]]
) -> int | str:
    """Return a slice's label, or the reason why it has none."""
    if fractured is None:
        return "of studies that train.csv does not name"
    if not stem.isdecimal():
        return "whose file name is no slice number"
    inside = (study, int(stem)) in boxed_slices
    if inside and not fractured:
        return "with a fracture box in a study that train.csv calls free of fractures"
    if fractured and not inside:
        return OUTSIDE_BOXES_REASON
    return int(inside)


def _parse_int(text: str, what: str) -> int:
    """Return a whole number from a table, or raise a DatasetError that names the place."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        raise DatasetError(f"{what} is {text!r}, expected a whole number.") from None


# --- helpers -------------------------------------------------------------------------------


def _folder_label(name: str) -> int:
    """Return the label of a folder that is known to be a class folder."""
    return _LABEL_OF[normalise_name(name)]


def _check_classes(files: Iterable[LabelledFile]) -> None:
    """Raise unless both classes are there."""
    counts = Counter(file.label for file in files)
    if len(counts) == 1:
        (label,) = counts
        raise DatasetError(
            f"Expected two classes, but all {counts[label]} files mean {CLASS_NAMES[label]!r}: "
            f"the other class is {'empty or missing'}. Accepted names: {_ACCEPTED_NAMES}."
        )


def _is_visible(name: str) -> bool:
    """Whether a name is neither hidden nor what an operating system leaves behind."""
    return not name.startswith(".") and name.casefold() not in _JUNK_NAMES


def _list_folders(folder: Path) -> list[Path]:
    """Return the visible folders inside a folder, without links, by name."""
    return sorted(
        path
        for path in folder.iterdir()
        if _is_visible(path.name) and path.is_dir() and not path.is_symlink()
    )


def _iterate_files(folder: Path, root: Path, outside: list[str]) -> Iterator[Path]:
    """Yield the visible files below a folder; links out of the root go to `outside`."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_visible(name))
        for name in sorted(filter(_is_visible, names)):
            path = Path(parent, name)
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                outside.append(name)
            elif path.is_file():
                yield path


def _find_file(root: Path, name: str) -> Path | None:
    """Return the file of that name in the root, matched without case.

    A link that leads out of the root is none: a message must not quote what it leads to.
    """
    return next(
        (
            path
            for path in sorted(root.iterdir())
            if path.name.casefold() == name
            and path.is_file()
            and path.resolve().is_relative_to(root.resolve())
        ),
        None,
    )


def _join_names(names: list[str], max_names: int = 6) -> str:
    """Join names for a message, the first few of many."""
    shown = ", ".join(names[:max_names])
    return shown if len(names) <= max_names else f"{shown} and {len(names) - max_names} more"
