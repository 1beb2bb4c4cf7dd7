"""Phantom slices as DICOM: all required attributes, and the rendered Hounsfield units."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

from spinefrac.data.phantom import render, write_phantom
from spinefrac.imaging import read

#: Attributes of type 1 of the CT Image IOD (PS3.3, A.3) that are always required.
TYPE_1 = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality",
    "FrameOfReferenceUID", "ImageType", "PixelSpacing", "ImageOrientationPatient",
    "ImagePositionPatient", "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData",
    "RescaleIntercept", "RescaleSlope", "WindowWidth", "WindowCenter",
]  # fmt: skip


#: Attributes of type 2: must be there, may be empty.
TYPE_2 = [
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "ReferringPhysicianName", "StudyID", "AccessionNumber", "SeriesNumber",
    "PositionReferenceIndicator", "Manufacturer", "InstanceNumber", "SliceThickness", "KVP",
    "AcquisitionNumber", "PatientPosition",
]  # fmt: skip


@pytest.fixture(scope="module")
def dicom(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("phantom") / "dicom"
    write_phantom(out, patients=2, slices=3, seed=7, size=256, format="dicom", workers=1)
    return out


def test_dicom_has_what_the_standard_requires(dicom):
    files = sorted(dicom.rglob("*.dcm"))
    assert len(files) == 6
    headers = [pydicom.dcmread(path) for path in files]
    for header in headers:
        for keyword in TYPE_1:
            assert keyword in header and header[keyword].value not in (None, ""), keyword
        for keyword in TYPE_2:
            assert keyword in header, keyword
        assert header.file_meta.MediaStorageSOPInstanceUID == header.SOPInstanceUID
        assert header.Modality == "CT" and header.BurnedInAnnotation == "NO"
        assert header.SOPInstanceUID.startswith("2.25.") and header.SOPInstanceUID.is_valid
        assert str(header.PatientName).startswith("Phantom^")
        for element in header:
            if element.VR == "DS":
                values = element.value if element.VM > 1 else [element.value]
                assert all(len(str(value)) <= 16 for value in values), element
    assert len({h.SOPInstanceUID for h in headers}) == 6
    assert len({h.SeriesInstanceUID for h in headers}) == len({h.PatientID for h in headers}) == 2
    heights = sorted({h.ImagePositionPatient[2] for h in headers})
    assert np.allclose(np.diff(heights)[0], heights[1] - heights[0])


def test_dicom_reads_back_as_the_rendered_densities(dicom):
    row = json.loads((dicom / "phantom.json").read_text())["slices_truth"][2]
    image = render(0, 2, patients=2, slices=3, seed=7, size=256)
    ct = read(dicom / row["path"])
    assert ct.calibrated and ct.spacing_mm == pytest.approx((image.spacing_mm,) * 2, abs=1e-5)
    assert np.abs(ct.pixels - image.hu).max() <= 0.5
