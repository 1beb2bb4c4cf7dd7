"""Nothing of the patient is left at any depth, and what belongs together stays together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

from spinefrac import imaging
from spinefrac.data import deidentify as deidentification
from spinefrac.data.deidentify import deidentify
from spinefrac.errors import DatasetError
from spinefrac.imaging.limits import MAX_FILE_BYTES

SECRET = "DOE"


def write(path: Path, *, burned: str | None = "NO", study: str = "1.2.3", day: str = "20240131"):
    """Write a slice whose header names the patient in plain, nested, private and overlay places."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, study + ".1"
    ds.PatientName, ds.PatientID = f"{SECRET}^JOHN", f"{SECRET}-17"
    ds.PatientBirthDate, ds.StudyDate, ds.StudyTime = "19500102", day, "101112"
    ds.StudyDescription = f"neck of {SECRET}"
    ds.InstitutionName = f"{SECRET} hospital"
    # Texts that the profile leaves as they are.
    ds.LUTLabel, ds.PatientSpeciesDescription = f"for {SECRET}", "Homo sapiens"
    if burned:
        ds.BurnedInAnnotation = burned
    reference = Dataset()
    reference.ReferencedSOPClassUID = CTImageStorage
    reference.ReferencedSOPInstanceUID = study + ".9"
    reference.PatientName = f"{SECRET}^NESTED"
    ds.SourceImageSequence = [reference]
    ds.private_block(0x0011, "MAKER", create=True).add_new(1, "LO", f"{SECRET} private")
    ds.add_new((0x6000, 0x3000), "OW", f"{SECRET} overlay ".encode())
    ds.Rows = ds.Columns = 16
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 1
    ds.RescaleIntercept, ds.RescaleSlope = -1024, 1
    ds.PixelData = np.arange(256, dtype=np.int16).tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.preamble = SECRET.encode().ljust(128, b" ")
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "in"
    write(folder / f"fracture/{SECRET}/a.dcm")
    write(folder / f"fracture/{SECRET}/b.dcm", day="20240210")
    write(folder / f"normal/{SECRET}_c.dcm", burned="YES")
    write(folder / "normal/d.dcm", burned=None)
    (folder / "normal/notes.txt").write_text(f"{SECRET} has no fracture")
    return folder


def test_damaged_files_and_junk_cost_themselves_only(tmp_path):
    folder = tmp_path / "in"
    write(folder / "a.dcm")
    write(folder / "@eaDir/b.dcm")
    (folder / "DICOMDIR").write_bytes(b"x")
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "text.txt").write_text("no slice")
    # Pixels that are not compressed, though the header says so: reading is fine, writing is not.
    content = (folder / "a.dcm").read_bytes()
    damaged = content.replace(b"1.2.840.10008.1.2.1\0", f"{RLELossless}\0".encode())
    (folder / "compressed.dcm").write_bytes(damaged)
    with (folder / "giant.dcm").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    result = deidentify(folder, tmp_path / "out")
    assert result.copied == 1
    reasons = dict(result.skipped)
    assert reasons.keys() == {"compressed.dcm", "empty.dcm", "giant.dcm", "text.txt"}
    assert "damaged" in reasons["compressed.dcm"] and "empty file" in reasons["empty.dcm"]
    assert "at most 512 MB" in reasons["giant.dcm"] and "something else" in reasons["text.txt"]
    (copy,) = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert imaging.read(copy).calibrated


def test_no_byte_tells_of_the_patient(source, tmp_path):
    result = deidentify(source, tmp_path / "out")
    assert (result.copied, len(result.quarantined)) == (2, 2)
    assert [path for path, _ in result.skipped] == ["normal/notes.txt"]
    copies = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(copies) == 5
    for path in copies:
        assert SECRET not in str(path.relative_to(tmp_path)), path
        assert SECRET.encode() not in path.read_bytes(), path
        assert b"19500102" not in path.read_bytes()


def test_header_says_what_was_done_and_keeps_what_belongs_together(source, tmp_path):
    deidentify(source, tmp_path / "out")
    one, two = (pydicom.dcmread(p) for p in sorted((tmp_path / "out/fracture").rglob("*.dcm")))
    assert one.preamble == b"\0" * 128
    assert one.PatientIdentityRemoved == "YES"
    codes = [item.CodeValue for item in one.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107"]
    assert not any(element.tag.is_private for element in one.iterall())
    assert (0x6000, 0x3000) not in one
    assert one.PatientID == two.PatientID and one.StudyInstanceUID == two.StudyInstanceUID
    assert one.StudyInstanceUID.startswith("2.25.")
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    dates = sorted(
        np.datetime64(f"{d[:4]}-{d[4:6]}-{d[6:]}") for d in (one.StudyDate, two.StudyDate)
    )
    assert dates[1] - dates[0] == np.timedelta64(10, "D")
    assert one.StudyDate not in ("20240131", "20240210")
    path = next((tmp_path / "out/fracture").rglob("*.dcm"))
    assert imaging.read(path).pixels.min() == -1024


def test_the_same_key_gives_the_same_copies(source, tmp_path):
    for name in ("one", "two"):
        deidentify(source, tmp_path / name, key=b"k" * 32)
    names = [sorted(p.relative_to(tmp_path / n) for p in (tmp_path / n).rglob("*.dcm"))
             for n in ("one", "two")]  # fmt: skip
    assert names[0] == names[1]
    deidentify(source, tmp_path / "three")
    assert names[0] != sorted(
        p.relative_to(tmp_path / "three") for p in (tmp_path / "three").rglob("*.dcm")
    )


def test_real_files_stay_readable(shared_data, tmp_path):
    source = shared_data / "rsna-2022-dicom"
    result = deidentify(source, tmp_path / "out")
    files = list((tmp_path / "out/quarantine").rglob("*.dcm"))
    assert len(files) == len(result.quarantined) == 14  # none says that no text is burned in
    sums = sorted(float(imaging.read(p).pixels.sum()) for p in files)
    assert sums == sorted(float(imaging.read(p).pixels.sum()) for p in source.rglob("*.dcm"))


def test_out_must_be_new(source, tmp_path):
    with pytest.raises(DatasetError, match="empty folder outside"):
        deidentify(source, source / "copies")
    with pytest.raises(DatasetError, match="Expected a folder of DICOM"):
        deidentify(tmp_path / "missing", tmp_path / "out")


def test_a_file_that_ends_its_process_is_named_and_left_out(tmp_path, monkeypatch):
    limits = replace(deidentification.LIMITS, cpu_s=1)
    monkeypatch.setattr(deidentification, "LIMITS", limits)
    folder = tmp_path / "in"
    write(folder / "b.dcm")
    # A header of a million elements: parsing it takes longer than a file may.
    content = (folder / "b.dcm").read_bytes()
    content = content[: content.index(b"\xe0\x7f\x10\x00")]
    elements = np.zeros(1_000_000, [("tag", "<u2", 2), ("vr", "S2"), ("length", "<u2")])
    numbers = np.arange(len(elements))
    elements["tag"] = np.stack([0x7001 + 2 * (numbers >> 16), numbers & 0xFFFF], axis=1)
    elements["vr"] = b"LO"
    (folder / "a.dcm").write_bytes(content + elements.tobytes())
    result = deidentify(folder, tmp_path / "out")
    assert result.copied == 1
    ((name, reason),) = result.skipped
    assert name == "a.dcm" and "took more than" in reason
