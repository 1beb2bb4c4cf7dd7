"""The basic profile of PS3.15 Annex E, applied to one DICOM file.

Which attribute is removed, emptied, replaced or mapped is taken from the tables of
dicom-anonymizer, which follow the standard's edition; here they are applied at every depth of
the header, so that nothing is left inside sequences. Dates are moved by one number of days a
patient (the Modified Dates Option), UIDs are mapped one to one, both by a secret key.

`data.deidentify` calls it in worker processes, for a file from elsewhere can crash its parser.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spinefrac.data.class_names import parse_class_label, parse_split
from spinefrac.errors import ImageError
from spinefrac.imaging.read import wrap_parser_errors
from spinefrac.imaging.sources import Source, open_source

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset, FileDataset

#: Edition of the standard whose Table E.1-1 is applied.
STANDARD_EDITION = "dicomfields_2026c"
#: PS3.16 CID 7050: code and meaning of what was done.
_METHOD_CODES = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
)
_PATIENT_ID, _BIRTH_DATE = (0x0010, 0x0020), (0x0010, 0x0030)
#: Elements whose words are looked for in the texts that the profile leaves, as names are.
_IDENTIFIER_KEYWORDS = ("PatientID", "OtherPatientIDs", "AccessionNumber")
_TEXT_VRS = frozenset(["AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT", "PN"])
_DUMMY_VALUES = {
    "AS": "000Y",
    "DS": "0",
    "IS": "0",
    "UR": "http://anonymized.invalid",
    "TM": "000000",
}
_NUMERIC_VRS = frozenset(["US", "SS", "UL", "SL", "FL", "FD", "UV", "SV"])


@dataclass(frozen=True, slots=True)
class DeidentifiedFile:
    """A file without what identifies the patient.

    Attributes
    ----------
    content : uint8 array, shape (bytes,)
    quarantine_reason : str
        Why it goes into quarantine; empty where BurnedInAnnotation is NO.
    """

    content: npt.NDArray[np.uint8]
    quarantine_reason: str


def prepare() -> None:
    """Import and load what every file needs, so that the first one does not wait for it."""
    import pydicom  # noqa: F401

    _load_profile()


class PseudonymMapping:
    """Pseudonyms of names, UIDs and dates, one to one, by a secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash_value(self, kind: str, old: str) -> bytes:
        """Return the pseudonym of `old`, which cannot be reversed without the key."""
        return hmac.new(self._key, f"{kind}\0{old}".encode(), hashlib.sha256).digest()

    def map_uid(self, old: str) -> str:
        """Return a UID of the UUID-derived root (PS3.5 B.2)."""
        return f"2.25.{int.from_bytes(self.hash_value('uid', old)[:16], 'big')}"

    def map_patient_id(self, old: str) -> str:
        """Return a patient's pseudonym."""
        return f"P-{self.hash_value('patient', old).hex()[:12]}"

    def shift_date(self, value: str, patient: str) -> str:
        """Return a DICOM date (YYYYMMDD…) moved back by the patient's days, 1 to 10 years."""
        days = 365 + int.from_bytes(self.hash_value("days", patient)[:4], "big") % 3285
        try:
            moved = date(int(value[:4]), int(value[4:6]), int(value[6:8])) - timedelta(days=days)
        except (ValueError, OverflowError):  # not a date
            return ""
        return f"{moved:%Y%m%d}"

    def map_path(self, relative: Path) -> Path:
        """Return the new relative path of a file."""
        folders = [
            part
            if parse_class_label(part) is not None or parse_split(part)
            else f"g-{self.hash_value('folder', part).hex()[:12]}"
            for part in relative.parts[:-1]
        ]
        return Path(*folders, f"{self.hash_value('file', relative.as_posix()).hex()[:16]}.dcm")


def deidentify_file(source: Source, key: bytes) -> DeidentifiedFile:
    """Read a file and remove what identifies the patient; `key` is that of `PseudonymMapping`.

    Raises
    ------
    ImageError
        If it is not a DICOM file that can be read and written, empty or too large.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    mapping, copy = PseudonymMapping(key), io.BytesIO()
    with open_source(source) as file, wrap_parser_errors("dicom"):
        try:
            dataset = pydicom.dcmread(file)
        except InvalidDicomError:
            raise ImageError(
                "expected a DICOM file with its preamble, got something else; it was not copied"
            ) from None
        dataset.decode()
        burned = str(dataset.get("BurnedInAnnotation", "")).strip().upper()
        patient = str(dataset.get("PatientID", "")) or str(dataset.get("StudyInstanceUID", ""))
        words = _collect_identity_words(dataset)
        _apply_profile(dataset, mapping, patient)
        _replace_identity_words(dataset, words)
        _record_deidentification(dataset, mapping)
        dataset.save_as(copy, enforce_file_format=True)
    said = f"is {burned}" if burned == "YES" else "does not say NO"
    reason = "" if burned == "NO" else f"BurnedInAnnotation {said}: look at the pixels"
    return DeidentifiedFile(np.frombuffer(copy.getbuffer(), np.uint8), reason)


def _apply_profile(dataset: Dataset, mapping: PseudonymMapping, patient: str) -> None:
    """Apply the profile to a data set and to everything inside its sequences."""
    rules = _load_profile()
    for element in list(dataset):
        tag = (element.tag.group, element.tag.element)
        repeating = 0x5000 <= tag[0] <= 0x50FF or 0x6000 <= tag[0] <= 0x60FF
        if element.tag.is_private or repeating:  # overlays, curves
            del dataset[element.tag]
            continue
        rule = rules.get(tag, "")
        if rule == "X":
            # Dates are kept, moved: the Modified Dates Option.
            if element.VR in ("DA", "DT") and tag != _BIRTH_DATE:
                _replace_value(element, mapping, patient)
            else:
                del dataset[element.tag]
        elif element.VR == "SQ":
            if rule in ("Z", "D"):
                element.value = []
            for item in element.value:
                _apply_profile(item, mapping, patient)
        elif rule:
            _replace_value(element, mapping, patient, empty=rule == "Z")


def _collect_identity_words(dataset: Dataset) -> frozenset[str]:
    """Return the words of every person's name and of the patient's identifiers, in small letters.

    Initials and other words of one or two ASCII letters stand in every text and are left out.
    """
    values = [
        str(value)
        for element in dataset.iterall()
        if element.VR == "PN" or element.keyword in _IDENTIFIER_KEYWORDS
        for value in (element.value if element.VM > 1 else [element.value])
    ]
    words = {word.casefold() for value in values for word in re.findall(r"\w+", value)}
    return frozenset(word for word in words if len(word) > 2 or not word.isascii())


def _replace_identity_words(dataset: Dataset, words: frozenset[str]) -> None:
    """Replace texts that the profile leaves, such as labels and codes, where a word is in them."""
    for element in dataset.iterall():
        if element.VR in _TEXT_VRS and element.VM:
            found = {word.casefold() for word in re.findall(r"\w+", str(element.value))}
            if found & words:
                element.value = "ANONYMIZED"


def _replace_value(
    element: DataElement, mapping: PseudonymMapping, patient: str, *, empty: bool = False
) -> None:
    """Replace the value of an element by one that does not identify the patient."""
    tag = (element.tag.group, element.tag.element)
    values = element.value if element.VM > 1 else [element.value]
    if element.VR == "UI":
        new = [mapping.map_uid(str(value)) if value else "" for value in values]
        element.value = new if len(new) > 1 else new[0]
    elif tag == _PATIENT_ID:
        element.value = mapping.map_patient_id(patient)
    elif element.VR in ("DA", "DT") and tag != _BIRTH_DATE:
        moved = [mapping.shift_date(str(value), patient) for value in values]
        element.value = moved if len(moved) > 1 else moved[0]
    elif element.VR in _NUMERIC_VRS:
        element.value = 0
    elif empty or element.VM == 0:
        element.value = None
    elif element.VR in _TEXT_VRS:
        element.value = "ANONYMIZED"
    else:
        element.value = _DUMMY_VALUES.get(element.VR)


def _record_deidentification(dataset: FileDataset, mapping: PseudonymMapping) -> None:
    """Record the method in the header, and clear preamble and file meta information."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "PS3.15 Annex E Basic Profile, Modified Dates Option"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    sequence = []
    for code, meaning in _METHOD_CODES:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", meaning
        sequence.append(item)
    dataset.DeidentificationMethodCodeSequence = sequence
    before, meta = dataset.file_meta, FileMetaDataset()
    meta.TransferSyntaxUID = before.TransferSyntaxUID
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", before.MediaStorageSOPClassUID)
    meta.MediaStorageSOPInstanceUID = UID(mapping.map_uid(str(before.MediaStorageSOPInstanceUID)))
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128


@cache
def _load_profile() -> dict[tuple[int, int], str]:
    """Return what the profile does to each attribute: X removed, Z emptied, D replaced,
    U mapped. Where it leaves a choice, what keeps the file valid is taken."""
    from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector

    tables = dicom_anonymization_database_selector(STANDARD_EDITION)
    kinds = {
        "X_TAGS": "X", "Z_TAGS": "Z", "D_TAGS": "D", "U_TAGS": "U", "Z_D_TAGS": "D",
        "X_Z_TAGS": "Z", "X_D_TAGS": "D", "X_Z_D_TAGS": "D", "X_Z_U_STAR_TAGS": "U",
    }  # fmt: skip
    return {tag[:2]: kind for name, kind in kinds.items() for tag in tables[name] if len(tag) == 2}
