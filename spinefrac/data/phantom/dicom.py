"""A phantom slice as a DICOM CT image (PS3.3, A.3 CT Image IOD)."""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING

import numpy as np

from spinefrac.data.phantom.plan import GENERATOR_VERSION
from spinefrac.data.phantom.series import PhantomSlice, Series
from spinefrac.imaging.hounsfield import AIR_HU, BONE_WINDOW

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_NAMESPACE = uuid.UUID("5f1f0a52-6d2c-5c4e-9a58-0c3f5b6d7e21")
_DATE, _TIME = "20000101", "120000"
_BODY_PARTS = {
    "cervical": "CSPINE",
    "thoracic": "TSPINE",
    "lumbar": "LSPINE",
    "atlas": "CSPINE",
    "skull": "SKULL",
}


def to_dicom(image: PhantomSlice, series: Series, patient: int, slice_index: int) -> bytes:
    """Return a slice as the bytes of a DICOM file.

    Explicit VR little endian, 12 bits of 16, rescaled by -1024. All identifiers follow from
    the phantom's parameters; name, dates and identifiers are synthetic.

    Parameters
    ----------
    image : PhantomSlice
    series : Series
        The phantom that it belongs to.
    patient, slice_index : int
        Its place there.

    Returns
    -------
    bytes
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(_uid(series, patient, "image", slice_index))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = Dataset()
    ds.file_meta = meta
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    _set_patient_and_study(ds, series, patient)
    _set_series_and_equipment(ds, series, patient, image.region)
    _set_image_plane(ds, image, slice_index)
    _set_pixels(ds, image)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _set_patient_and_study(ds: Dataset, series: Series, patient: int) -> None:
    """Set the modules Patient and General Study (C.7.1.1, C.7.2.1)."""
    ds.PatientName = f"Phantom^{patient:03d}"
    ds.PatientID = f"PHANTOM-{patient:03d}"
    ds.PatientBirthDate = ""
    ds.PatientSex = ""
    ds.StudyInstanceUID = _uid(series, patient, "study")
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = _DATE
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = _TIME
    ds.ReferringPhysicianName = ""
    ds.StudyID = f"{patient}"
    ds.AccessionNumber = ""
    ds.StudyDescription = "Synthetic spine phantom, not a patient"


def _set_series_and_equipment(ds: Dataset, series: Series, patient: int, region: str) -> None:
    """Set General Series, Frame of Reference and General Equipment (C.7.3.1, C.7.4.1, C.7.5.1)."""
    ds.Modality = "CT"
    ds.SeriesInstanceUID = _uid(series, patient, "series")
    ds.SeriesNumber = 1
    ds.SeriesDescription = f"phantom {series.difficulty}"
    ds.BodyPartExamined = _BODY_PARTS[region]
    ds.PatientPosition = "HFS"
    ds.FrameOfReferenceUID = _uid(series, patient, "frame")
    ds.PositionReferenceIndicator = ""
    ds.Manufacturer = "spinefrac phantom"
    ds.ManufacturerModelName = f"generator {GENERATOR_VERSION}"
    ds.SoftwareVersions = f"{GENERATOR_VERSION}"


def _set_image_plane(ds: Dataset, image: PhantomSlice, slice_index: int) -> None:
    """Set General Image and Image Plane (C.7.6.1, C.7.6.2); lengths in millimetres."""
    ds.InstanceNumber = slice_index + 1
    ds.AcquisitionNumber = 1
    ds.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    ds.DerivationDescription = "Synthetic image"
    ds.BurnedInAnnotation = "NO"
    ds.PixelSpacing = [f"{image.spacing_mm:.6f}"] * 2
    ds.SliceThickness = f"{image.thickness_mm:.4f}"
    corner = -image.spacing_mm * (image.hu.shape[0] - 1) / 2
    height = -slice_index * image.thickness_mm
    ds.ImagePositionPatient = [f"{corner:.4f}", f"{corner:.4f}", f"{height:.4f}"]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.SliceLocation = f"{height:.4f}"


def _set_pixels(ds: Dataset, image: PhantomSlice) -> None:
    """Set CT Image and Image Pixel (C.8.2.1, C.7.6.3): 12 bits, offset by the value of air."""
    size = image.hu.shape[0]
    ds.KVP = "120"
    ds.RescaleIntercept = f"{AIR_HU:g}"
    ds.RescaleSlope = "1"
    ds.RescaleType = "HU"
    ds.ReconstructionDiameter = f"{image.spacing_mm * size:.3f}"
    ds.WindowCenter, ds.WindowWidth = (f"{value:g}" for value in BONE_WINDOW)
    ds.WindowCenterWidthExplanation = "BONE"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = ds.Columns = size
    ds.BitsAllocated = 16
    ds.BitsStored = 12
    ds.HighBit = 11
    ds.PixelRepresentation = 0
    ds.PixelData = np.clip(np.round(image.hu) - AIR_HU, 0, 4095).astype("<u2").tobytes()


def _uid(series: Series, patient: int, kind: str, number: int = 0) -> str:
    """Return a UID of the 2.25 root (PS3.5, B.2) that follows from what it names."""
    variety = "" if series.variety == "narrow" else f"/{series.variety}"
    name = f"{GENERATOR_VERSION}/{series}/{patient}/{kind}/{number}{variety}"
    return f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"
