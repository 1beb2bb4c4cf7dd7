"""The groups of a data set, which no fold splits: patients, or what identifies one.

The grouping rule is chosen once for the whole data set and stated in one sentence. In order:

1. the ``patient`` column of ``labels.csv``;
2. DICOM PatientID, or StudyInstanceUID where that is empty, or SeriesInstanceUID and
   FrameOfReferenceUID where both are empty;
3. the scan, where ``labels.csv`` labels scans;
4. folder and file names, without the suffixes of augmented copies;
5. none: each slice (with its augmented copies) is a group of its own, and the rule states it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from spinefrac.data.class_names import parse_class_label
from spinefrac.data.folder_layouts import LabelledFile
from spinefrac.data.pseudonyms import PSEUDONYM_PREFIX, pseudonymize
from spinefrac.errors import DatasetError
from spinefrac.records import SliceTags

# --- the vocabulary of file names ----------------------------------------------------------

_SEPARATORS = r"[\s_\-.]"
#: What augmentation tools append to a slice's name, with an optional amount: ``-rotated3``.
_COPY_SUFFIX = re.compile(
    rf"{_SEPARATORS}+(?:rotated|rotation|rotate|rot|sharpened|sharpen|sharp|flipped|flip|hflip|"
    r"vflip|fliph|flipv|mirrored|mirror|blurred|blur|noisy|noise|brightness|brighter|bright|"
    r"darker|dark|contrast|zoomed|zoom|shifted|shift|translated|cropped|crop|resized|resize|"
    r"scaled|equalized|clahe|gamma|augmented|aug|kopie|copy)"
    rf"(?:{_SEPARATORS}*-?\d+(?:\.\d+)?(?:deg)?)?(?:\s*\(\d+\))?$",
    re.IGNORECASE,
)
_EXTENSION = re.compile(r"\.(?:png|jpe?g|tiff?|bmp|dcm|dicom|ima|nii|gz)$", re.IGNORECASE)
#: A patient named as such: ``P012``, ``patient 7``, ``sub-verse012``.
_PATIENT = re.compile(
    rf"(?:^|{_SEPARATORS})(sub-[a-z0-9]+|(?:patient|subject|subj|pat|pt|p){_SEPARATORS}?\d+)"
    rf"(?={_SEPARATORS}|\(|$)",
    re.IGNORECASE,
)
#: A case or study named as such: ``case_7``.
_CASE = re.compile(
    rf"(?:^|{_SEPARATORS})((?:case|study|series|scan|volume|vol){_SEPARATORS}?\d+)"
    rf"(?={_SEPARATORS}|\(|$)",
    re.IGNORECASE,
)
#: ``IMG-0001-00023``: image 23 of series 1, as DICOM viewers export it.
_VIEWER_EXPORT = re.compile(r"^(im(?:g|age)?[-_]\d{4})[-_]\d{4,5}$", re.IGNORECASE)
#: Names that mean nothing to people: UUIDs, hashes, DICOM UIDs.
_OPAQUE = (
    r"(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16,64}|[A-Z]{0,3}\.?\d+(?:\.\d+){5,})"
)
_OPAQUE_NAME = re.compile(rf"^({_OPAQUE})(?:[\s_\-]+(?:slice|img|im|z)?[\s_\-]*\d{{1,4}})?$", re.I)
#: A slice number at the end: `` (18)``, ``_03``, ``-slice3``.
_SLICE_NUMBER = re.compile(
    rf"(?:(?:\s*\(\d+\))+|{_SEPARATORS}+(?:slice|slc|sl|image|img|im|frame|fr|z|s|i|no|nr)?"
    rf"{_SEPARATORS}*\d+)$",
    re.IGNORECASE,
)
#: Words that name no patient, in file names and as folders.
_GENERIC_WORDS = frozenset(
    """
    slice slices slc sl image images img imgs im picture pictures pic frame frames fr scan scans
    ct axial sagittal coronal bone spine spinal cervical vertebra vertebrae screenshot file files
    png jpg jpeg tif tiff bmp dcm dicom dicoms data dataset original originals orig augmented aug
    copies train training val valid validation test testing batch part new folder patients fx nofx
    frac fractures not
    """.split()  # noqa: SIM905 - a word list reads better as words
)
#: What de-identification leaves in PatientID instead of an identity.
_ANONYMOUS_IDS = {"", "0", "anon", "anonymous", "anonymized", "anonymised", "unknown", "none", "na"}


#: How the rule begins where no slice has a patient.
EACH_ALONE = "each slice is a group of its own"

# --- the rules -----------------------------------------------------------------------------


def assign_groups(
    files: Sequence[LabelledFile], tags: Sequence[SliceTags], group_by: str = "auto"
) -> tuple[tuple[str, ...], str]:
    """Give every file its group, by one rule for the whole data set.

    PatientIDs and UIDs of DICOM headers are patient data. They become pseudonyms, as in
    ``dicom-1a2b3c4d`` (see `spinefrac.data.pseudonyms`), so that none lands in a model's card or
    tables. Names of files and folders and
    the values of ``labels.csv`` are the user's own words and stay as they are.

    Parameters
    ----------
    files : sequence of LabelledFile, length N
    tags : sequence of SliceTags, length N
        Header tags of the same files.
    group_by : str
        ``auto``, the rules of this module in order; ``file``, folder and file names only, for
        headers that do not distinguish patients; ``csv:COLUMN``, a column of ``labels.csv``.

    Returns
    -------
    groups : tuple of str, length N
    rule : str
        What defines a group, to follow "Groups:", in clauses that a semicolon separates.

    Raises
    ------
    DatasetError
        If `group_by` is none of these, or its column is missing or incomplete.
    """
    groups, rule = _apply_rule(files, tags, group_by)
    group_of: dict[str, str] = {}
    for file, group in zip(files, groups, strict=True):
        if file.study and group_of.setdefault(file.study, group) != group:
            raise DatasetError(
                f"Slices of the scan {file.study} belong to several groups {rule}, expected one "
                "patient a scan: give the patients in a column patient of labels.csv."
            )
    return groups, rule


def _apply_rule(
    files: Sequence[LabelledFile], tags: Sequence[SliceTags], group_by: str
) -> tuple[tuple[str, ...], str]:
    """Apply the rule that was asked for, see `assign_groups`."""
    if group_by.startswith("csv:"):
        return _group_by_column(files, group_by.removeprefix("csv:").strip().casefold())
    if group_by not in ("auto", "file"):
        raise DatasetError(f"Expected group-by auto, file or csv:COLUMN, got {group_by!r}.")
    if group_by == "auto":
        if any(file.row.get("patient") for file in files):
            return _group_by_column(files, "patient")
        if any(_header_keys(tag) or _series_keys({0: tag}) for tag in tags):
            return _group_by_header(files, tags)
    if any(file.study for file in files):
        return tuple(file.study for file in files), "by the scan, one patient each"
    return _group_by_name(files)


def _group_by_column(files: Sequence[LabelledFile], column: str) -> tuple[tuple[str, ...], str]:
    """Group by a column of ``labels.csv``."""
    if not all(column in file.row for file in files):
        known = sorted({name for file in files for name in file.row if name})
        raise DatasetError(
            f"Expected a column {column!r} in labels.csv to group by, found "
            f"{', '.join(known) or 'no labels.csv'}."
        )
    empty = [file.path for file in files if not file.row[column]]
    if empty:
        raise DatasetError(
            f"The column {column!r} of labels.csv is empty for {len(empty)} slices, {empty[0]} "
            "first: fill it in, or group by another rule."
        )
    groups = tuple(unicodedata.normalize("NFC", file.row[column]) for file in files)
    return groups, f"by the column {column} of labels.csv"


def _group_by_header(
    files: Sequence[LabelledFile], tags: Sequence[SliceTags]
) -> tuple[tuple[str, ...], str]:
    """Group by DICOM headers; files without a header go by their names."""
    from scipy.cluster.hierarchy import DisjointSet

    patients = DisjointSet(range(len(files)))
    first: dict[str, int] = {}
    keys_of = {row: keys for row, tag in enumerate(tags) if (keys := _header_keys(tag))}
    by_series = _series_keys({row: tag for row, tag in enumerate(tags) if row not in keys_of})
    for row, keys in (keys_of | by_series).items():
        for key in keys:
            patients.merge(row, first.setdefault(key, row))
    key_of = {row: keys[0] for row, keys in (keys_of | by_series).items()}
    first_row = {row: min(rows) for rows in patients.subsets() for row in rows}
    bare = [row for row in range(len(files)) if row not in key_of]
    named, names_rule = _group_by_name([files[row] for row in bare]) if bare else ((), "")
    name_of = dict(zip(bare, named, strict=True))
    groups = tuple(
        name_of[row]
        if row in name_of
        else f"{PSEUDONYM_PREFIX}{pseudonymize('group', key_of[first_row[row]])}"
        for row in range(len(files))
    )
    rule = "by DICOM PatientID, or StudyInstanceUID where that is empty"
    if by_series:
        rule += ", or SeriesInstanceUID and FrameOfReferenceUID where both are empty"
    if bare:
        rule += f"; {continue_rule(len(bare), len(files), 'none of these', names_rule)}"
    return groups, rule


def continue_rule(count: int, total: int, lacking: str, rule: str) -> str:
    """Return a clause on the slices that the rule before does not reach.

    >>> continue_rule(20, 90, "none of these", "by the patient folder")
    '20 of 90 slices have none of these and are grouped by the patient folder'
    >>> continue_rule(1, 90, "no such name", "")
    '1 of 90 slices has no such name and forms a group of its own'
    """
    one = count == 1
    slices = f"{count:,} of {total:,} slices {'has' if one else 'have'} {lacking}"
    if rule and not rule.startswith(EACH_ALONE):
        return f"{slices} and {'is' if one else 'are'} grouped {rule}"
    alone = "forms a group of its own" if one else "form groups of their own"
    return f"{slices} and {alone}{rule.removeprefix(EACH_ALONE)}"


def unknown_extent(rule: str) -> str:
    """Return of how many slices the rule does not know the patient: ``all``, ``some`` or none."""
    if EACH_ALONE in rule:
        return "all"
    return "some" if re.search(r"forms? (?:a group of its|groups of their) own", rule) else ""


def _header_keys(tag: SliceTags) -> list[str]:
    """Return what a header knows of a slice's patient; a shared key makes one group.

    The study is a key beside the patient, so that a slice without PatientID joins those of its
    own study that have one.
    """
    keys = []
    if tag.patient_id.strip().casefold() not in _ANONYMOUS_IDS:
        keys.append(f"patient {tag.patient_id.strip()}")
    if tag.study_instance_uid.strip():
        keys.append(f"study {tag.study_instance_uid.strip()}")
    return keys


def _series_keys(tags: Mapping[int, SliceTags]) -> dict[int, list[str]]:
    """Return what headers without patient and study know, by row; the series precedes.

    Series with one frame of reference are of one examination, unless all have the same one:
    programs that remove identities may write a fixed UID.
    """
    frames = {tag.frame_of_reference_uid for tag in tags.values()} - {""}
    series = {tag.series_instance_uid for tag in tags.values()} - {""}
    found = {}
    for row, tag in tags.items():
        keys = [f"series {tag.series_instance_uid}"] if tag.series_instance_uid else []
        if tag.frame_of_reference_uid and (len(frames) > 1 or len(series) <= 1):
            keys.append(f"frame of reference {tag.frame_of_reference_uid}")
        if keys:
            found[row] = keys
    return found


def derive_series(file: LabelledFile, tags: SliceTags) -> str:
    """Return a slice's series: its scan, a pseudonym of its UID, its name's, or empty."""
    if file.study:
        return file.study
    if uid := tags.series_instance_uid.strip():
        return f"series-{pseudonymize('series', uid)}"
    return series_from_name(file) or ""


# --- names ---------------------------------------------------------------------------------


def _group_by_name(files: Sequence[LabelledFile]) -> tuple[tuple[str, ...], str]:
    """Group by the rule that reads most of the names, the first such one."""
    rules: list[tuple[str, Callable[[LabelledFile], str | None]]] = [
        ("by the patient folder", _patient_folder),
        ("by the patient in the file name", _patient_in_name),
        ("by the folder inside the class folder", _first_specific_folder),
        ("by the file name without its slice number", series_from_name),
    ]
    keys: list[str | None] = [None] * len(files)
    chosen = ""
    for rule, read in rules:
        read_keys = [read(file) for file in files]
        if _distinguishes_patients(read_keys, files) and _count_known(read_keys) > _count_known(
            keys
        ):
            keys, chosen = read_keys, rule

    spelling: dict[str, str] = {}
    for key in keys:
        if key is not None:
            spelling.setdefault(_normalize_key(key), key)
    groups = tuple(
        spelling[_normalize_key(key)] if key is not None else _single_slice_group(file, spelling)
        for file, key in zip(files, keys, strict=True)
    )
    alone = len(files) - _count_known(keys)
    if not chosen:
        return groups, (
            f"{EACH_ALONE}, because names do not identify the patient: slices of one patient may "
            "be on both sides of a split, and metrics far too high"
        )
    example = next(i for i, key in enumerate(keys) if key is not None)
    rule = f"{chosen} ({PurePosixPath(files[example].path).name} belongs to {groups[example]})"
    if alone:
        rule += f"; {continue_rule(alone, len(files), 'no such name', '')}"
    return groups, rule


def _count_known(keys: Sequence[str | None]) -> int:
    return sum(key is not None for key in keys)


def _normalize_key(key: str) -> str:
    """Return a key without case and separators, as names of one patient are compared."""
    key = unicodedata.normalize("NFC", key)  # file systems keep accented letters in two forms
    return re.sub(rf"{_SEPARATORS}+", "", key).casefold() or key


def _distinguishes_patients(keys: Sequence[str | None], files: Sequence[LabelledFile]) -> bool:
    """Whether keys are names of patients rather than one word for the whole set or a class.

    One word for all slices, or one for each class, identifies no patient, unless it looks like an
    identifier: letters and digits.
    """
    known = {
        (_normalize_key(key), file.label) for key, file in zip(keys, files, strict=True) if key
    }
    names = {name for name, _ in known}
    if any(re.search(r"[a-z]", name) and re.search(r"\d", name) for name in names):
        return True
    per_class = Counter(label for _, label in known)
    one_each = len(names) == len(known) and all(count == 1 for count in per_class.values())
    return len(names) > 1 and not one_each


def _patient_folder(file: LabelledFile) -> str | None:
    return next((m.group(1) for part in file.folders if (m := _PATIENT.search(part))), None)


def _patient_in_name(file: LabelledFile) -> str | None:
    match = _PATIENT.search(original_stem(file.path))
    return match.group(1) if match else None


def _first_specific_folder(file: LabelledFile) -> str | None:
    """Return the outermost folder inside the class folder that is not a general word."""
    return next((part for part in file.folders if not _is_generic_word(part)), None)


def series_from_name(file: LabelledFile) -> str | None:
    """Return the series, case or patient in a file's name, or None.

    Examples: ``CSFDV1B10 (18)-sharpened-rotated3.png`` gives ``CSFDV1B10``, ``case_7-02.png``
    gives ``case_7``, ``IMG-0001-00023.jpg`` gives ``IMG-0001``, ``slice_12.png`` gives None.
    """
    stem = original_stem(file.path)
    if opaque := _OPAQUE_NAME.match(stem):
        return opaque.group(1) if opaque.group(1) != stem else None
    for pattern in (_PATIENT, _CASE, _VIEWER_EXPORT):
        if match := pattern.search(stem):
            return match.group(1)
    series = _SLICE_NUMBER.sub("", stem)
    if series == stem:
        return None
    words = [word for word in re.split(rf"{_SEPARATORS}+", series) if word]
    telling = [word for word in words if not _is_generic_word(word)]
    if any(not _is_vertebra(word) for word in telling):
        telling = [word for word in telling if not _is_vertebra(word)]
    return "_".join(telling) or None


def original_stem(path: str) -> str:
    """Return a file's name without extension and without the suffixes of augmented copies.

    >>> original_stem("fracture/P012_03-sharpened-rotated3.png")
    'P012_03'
    """
    stem = PurePosixPath(path).name
    while (shorter := _EXTENSION.sub("", stem)) != stem and shorter:
        stem = shorter
    while (shorter := _COPY_SUFFIX.sub("", stem)) != stem and shorter:
        stem = shorter
    return stem.strip() or stem


def augmented_name(path: str, number: int) -> str:
    """Return the name for an augmented copy of a file, which `original_stem` reads as that file.

    ``P012_03.dcm`` gives ``P012_03-augmented1.png`` for the first copy. A name that ends with a
    separator, such as ``P012_.dcm``, is the exception: the copy's is read as ``P012``.

    >>> augmented_name("fracture/P012_03.dcm", 1)
    'P012_03-augmented1.png'
    """
    stem = PurePosixPath(path).name
    while (shorter := _EXTENSION.sub("", stem)) != stem and shorter:
        stem = shorter
    return f"{stem}-augmented{number}.png"


def _single_slice_group(file: LabelledFile, spelling: dict[str, str]) -> str:
    """Return the group of a slice whose name identifies no patient: the name of its original.

    The split level is left out, so that a copy in ``val`` stays with its slice in ``train``.
    A name that is another slice's key joins it: ``img12.png`` and ``img12 (2).png``.
    """
    stem = original_stem(file.path)
    if _normalize_key(stem) in spelling:
        return spelling[_normalize_key(stem)]
    folders = [part for part in file.folders if not _is_generic_word(part)]
    return "/".join([("normal", "fracture")[file.label], *folders, stem])


def _is_generic_word(word: str) -> bool:
    """Whether a word names a class or a kind of file rather than a patient."""
    return word.isalpha() and (
        parse_class_label(word) is not None or word.casefold() in _GENERIC_WORDS
    )


def _is_vertebra(word: str) -> bool:
    return (
        re.fullmatch(r"(?:c[1-7]|t(?:h)?(?:[1-9]|1[0-2])|l[1-5]|s1)", word.casefold()) is not None
    )
