"""Labels of scans, of vertebral levels and of ranges of slices: ``labels.csv`` with ``study``.

A row labels the slices that it names, and a slice has the label of the narrowest row that covers
it:

* ``study,first,last,label``: each slice from ``first`` to ``last``, counted from 1 in the order of
  the file names, has the label;
* ``study,level,first,last,label``: the level is seen on these slices, and with the label fracture
  at least one of them shows it;
* ``study,label`` or ``study,level,label``: the same of the whole scan.

The slices that a row of a level or of a scan labels are a bag: with the label fracture one of them
at least shows it, and nobody says which (Dietterich et al., "Solving the multiple instance problem
with axis-parallel rectangles", Artificial Intelligence 1997).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spinefrac.data.class_names import ACCEPTED_NAMES, parse_class_label
from spinefrac.data.tables import read_table
from spinefrac.errors import DatasetError

#: Columns of a table of scans; the others may be missing.
REQUIRED_COLUMNS = ("study", "label")


@dataclass(frozen=True, slots=True)
class ScanLabel:
    """One row of a table of scans.

    Attributes
    ----------
    study : str
        The folder with the scan's slices, relative to the root, as it is written.
    label : int
        Index into `CLASS_NAMES`.
    level : str
        Vertebral level, such as ``C5``; empty where the row names none.
    first, last : int or None
        The slices, from 1, both included; None for all.
    patient : str
    where : str
        Table and line, for messages.
    """

    study: str
    label: int
    level: str = ""
    first: int | None = None
    last: int | None = None
    patient: str = ""
    where: str = field(default="", compare=False)

    @property
    def is_of_slices(self) -> bool:
        """Whether every slice of the range has the label, and not only one of them."""
        return self.first is not None and not self.level


@dataclass(frozen=True, slots=True)
class SliceLabel:
    """The label of one slice of a scan.

    Attributes
    ----------
    label : int
    bag : str
        Scan and level that the row labels; empty where it labels each of its slices.
    """

    label: int
    bag: str = ""


def read_scan_labels(table: Path) -> dict[str, list[ScanLabel]]:
    """Read a table of scans.

    Returns
    -------
    dict of str to list of ScanLabel
        The rows of each study, in the order of the table.

    Raises
    ------
    DatasetError
        A row has no study, an unknown label, or a range that is none.
    """
    found: dict[str, list[ScanLabel]] = {}
    for line, row in read_table(table, REQUIRED_COLUMNS):
        label = _parse_row(row, f"{table.name} line {line}")
        found.setdefault(label.study, []).append(label)
    if not found:
        raise DatasetError(f"{table.name} has no rows: expected one row a scan, or several.")
    return found


def _parse_row(row: dict[str, str], where: str) -> ScanLabel:
    label = parse_class_label(row["label"])
    if label is None:
        raise DatasetError(f"{where}: unknown label {row['label']!r}, expected {ACCEPTED_NAMES}.")
    study = row["study"].replace("\\", "/").strip("/")
    if not study:
        raise DatasetError(f"{where}: the study is empty, expected the folder of a scan.")
    first, last = (row.get(name, "") for name in ("first", "last"))
    if bool(first) != bool(last):
        raise DatasetError(f"{where}: expected both first and last, or neither; got one of them.")
    numbers: tuple[int | None, int | None] = (None, None)
    if first:
        try:
            numbers = int(first), int(last)
        except ValueError:
            raise DatasetError(
                f"{where}: expected whole numbers as first and last, got {first!r} and {last!r}: "
                "count the slices from 1, in the order of the file names."
            ) from None
    return ScanLabel(study, label, row.get("level", ""), *numbers, row.get("patient", ""), where)


def label_slices(rows: Sequence[ScanLabel], n_slices: int) -> list[SliceLabel | None]:
    """Give every slice of a scan its label.

    Parameters
    ----------
    rows : sequence of ScanLabel
        Of one study.
    n_slices : int
        S, in the order of the file names.

    Returns
    -------
    list of SliceLabel or None, length S
        None for slices that no row covers, and for those that only a row of the whole scan calls
        fractured, or one of a level, while a narrower row says where the fracture is.

    Raises
    ------
    DatasetError
        A range lies outside the scan, or rows contradict each other.

    Examples
    --------
    >>> scan = ScanLabel("P1", 1)
    >>> [slice.bag for slice in label_slices([scan], 2)]
    ['P1', 'P1']
    >>> [slice and slice.label for slice in label_slices([scan, ScanLabel("P1", 1, "", 2, 2)], 3)]
    [None, 1, None]
    """
    _check_rows(rows, n_slices)
    placed = [row for row in rows if row.first is not None]
    whole = [row for row in rows if row.first is None]
    found: list[SliceLabel | None] = [None] * n_slices
    if whole:
        is_fractured = any(row.label for row in whole)
        is_explained = any(row.label for row in placed)
        if not is_fractured:
            found = [SliceLabel(0, rows[0].study)] * n_slices
        elif not is_explained:
            found = [SliceLabel(1, rows[0].study)] * n_slices
    strong = [row for row in placed if row.is_of_slices and row.label]
    marked = {index for row in strong for index in _get_indices(row)}
    for row in sorted(placed, key=lambda row: row.is_of_slices):  # the narrowest last
        is_weak = bool(row.label) and not row.is_of_slices
        is_explained = is_weak and not marked.isdisjoint(_get_indices(row))
        label = SliceLabel(row.label, "" if row.is_of_slices else f"{row.study} {row.level}")
        for index in _get_indices(row):
            found[index] = None if is_explained else label
    return found


def _check_rows(rows: Sequence[ScanLabel], n_slices: int) -> None:
    """Refuse ranges outside the scan, and rows that contradict each other."""
    for row in rows:
        if row.first is None or row.last is None:
            continue
        if not 1 <= row.first <= row.last <= n_slices:
            raise DatasetError(
                f"{row.where}: expected slices within 1 to {n_slices}, which {row.study} has, got "
                f"{row.first} to {row.last}: count them in the order of the file names."
            )
    scans = [row for row in rows if row.first is None and not row.level]
    patients = {row.patient: row.where for row in rows if row.patient}
    if len(patients) > 1:
        raise DatasetError(
            f"{', '.join(patients.values())}: the rows of {rows[0].study} name several patients, "
            "expected one: a scan is of one patient."
        )
    contrary = next((row for row in rows if row.label), None)
    if contrary and any(not row.label for row in scans):
        raise DatasetError(
            f"{contrary.where}: {contrary.study} is called fractured here, and another row calls "
            "the whole scan without a fracture: keep the row that is right."
        )
    for kind in (True, False):
        _check_overlaps(row for row in rows if row.first is not None and row.is_of_slices == kind)


def _check_overlaps(rows: Iterable[ScanLabel]) -> None:
    """Refuse two rows of one kind with different labels for a slice."""
    seen: dict[int, ScanLabel] = {}
    for row in rows:
        for index in _get_indices(row):
            other = seen.setdefault(index, row)
            if (other.label, other.level) != (row.label, row.level):
                raise DatasetError(
                    f"{row.where}: slice {index + 1} of {row.study} is labelled in {other.where} "
                    "too, and differently: keep the row that is right."
                )


def _get_indices(row: ScanLabel) -> range:
    """Return the indices of the slices of a row with a range."""
    assert row.first is not None and row.last is not None
    return range(row.first - 1, row.last)
