"""Invented surnames, and a data set with one of them in every place where a name can stand."""

import io
import random
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

_STARTS = ("Qua", "Żmi", "Vøx", "Tzi", "Ño", "Gjö", "Xhe", "Ęlk", "Wrü", "Bjá")
_MIDDLES = ("brq", "ndö", "štv", "lqu", "zzi", "krø", "ğpa")
_ENDS = ("witz", "øv", "ñez", "ström", "ček", "oğlu", "-Vaux", "'Qan")
#: Every text element of these groups of the dictionary, except what names the scanner.
_TEXT_GROUPS, _TEXT_VRS = (0x08, 0x10, 0x20, 0x32, 0x38, 0x40), ("PN", "LO", "SH", "LT", "ST", "UT")
_SCANNER = ("Manufacturer", "ManufacturerModelName")
SIDE = 64


def make_surnames(seed: int, count: int) -> list[str]:
    """Return different surnames: not ASCII, short, with blanks, hyphens and apostrophes."""
    rng = random.Random(seed)
    names = {"Ğöß", f"van der {rng.choice(_STARTS)}{rng.choice(_ENDS)}"}
    while len(names) < count:
        middle = rng.choice(_MIDDLES) if rng.random() < 0.7 else ""
        names.add(rng.choice(_STARTS) + middle + rng.choice(_ENDS))
    return sorted(names)


class SurnameFolder:
    """A folder of slices of patients whose surnames are everywhere.

    `names` holds every surname that was used; `dicom_file` is a slice with one in each text
    element of its header.
    """

    def __init__(self, parent: Path, seed: int) -> None:
        self.names = make_surnames(seed, 40)
        self._unused = list(self.names)
        self._rng = np.random.default_rng(seed)
        self.root = parent / self.take()
        self._write_patients()
        self._write_oddities()
        self.dicom_file = next(self.root.rglob("*.dcm"))

    def take(self) -> str:
        """Return a surname that stands nowhere yet."""
        return self._unused.pop()

    def _write_patients(self) -> None:
        """Write DICOM and PNG slices of twelve patients, in folders of their names."""
        for patient in range(12):
            folder, file = self.take(), self.take() if patient < 4 else self._unused[-1]
            study, tag = generate_uid(entropy_srcs=[folder]), self.take() if patient < 2 else folder
            for number in range(4):
                place = self.root / ("fracture", "normal")[number % 2] / folder
                place.mkdir(parents=True, exist_ok=True)
                pixels = self.draw(number % 2 == 0)
                if patient < 6:
                    path = place / f"{file}_{number + 1}.dcm"
                    path.write_bytes(to_dicom(pixels, tag, study, number))
                else:
                    write_png(place / f"{file}_{number + 1}.png", pixels)

    def _write_oddities(self) -> None:
        """Write what the notes of a scan are about."""
        write_png(self.root / f"{self.take()}_CT" / "a.png", self.draw(True))
        write_png(self.root / "healthy" / f"{self.take()}_1.png", self.draw(False))
        twice = self.draw(True)
        write_png(self.root / "fracture" / f"{self.take()}_9.png", twice)
        write_png(self.root / "normal" / f"{self.take()}_9.png", twice)
        (self.root / "normal" / f"{self.take()}.dcm").write_bytes(b"no slice")
        write_png(self.root / "normal" / f"\x1b]0;\x07{self.take()}\u202e_1.png", self.draw(False))

    def write_table(self, folder: Path) -> str:
        """Write another data set with a table of names; return the name of its column."""
        column, lines = self.take(), []
        for row in range(24):
            name = self._unused[row % 4]
            write_png(folder / f"{name}_{row}.png", self.draw(row % 2 == 0))
            lines.append(f'"{name}_{row}.png",{row % 2 ^ 1},"{name}"')
        text = "\n".join([f"path,label,{column}", *lines, lines[0]])
        (folder / "labels.csv").write_text(text, encoding="utf-8")
        return column

    def draw(self, broken: bool) -> np.ndarray:
        """Return a noisy bright blob, with a dark line where it is broken."""
        y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
        blob = 140.0 * (np.hypot(y, x) < self._rng.uniform(14, 22))
        image = np.clip(blob + self._rng.normal(30, 12, blob.shape), 0, 255).astype(np.uint8)
        if broken:
            row = int(self._rng.integers(24, 40))
            cv2.line(image, (8, row), (56, row), 60, 4)
        return image


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write a picture under any name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def to_dicom(pixels: np.ndarray, name: str, study: str, number: int) -> bytes:
    """Return a CT slice whose header has the name in every text element."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 192"
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        if tag >> 16 in _TEXT_GROUPS and vr in _TEXT_VRS and not retired and keyword:
            ds.add_new(tag, vr, name[:16])
    for keyword in _SCANNER:
        setattr(ds, keyword, "a scanner")
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, generate_uid(entropy_srcs=[study])
    ds.Modality, ds.InstanceNumber, ds.StudyDate = "CT", number + 1, "20200102"
    ds.PatientSex = ds.PatientBirthDate = ""
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.PixelSpacing, ds.RescaleSlope, ds.RescaleIntercept = [1, 1], 4, -300
    ds.PixelData = pixels.astype("<u2").tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()
