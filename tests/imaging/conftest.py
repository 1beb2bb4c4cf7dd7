"""Small DICOM files made with pydicom, compressed with GDCM."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

DicomMaker = Callable[..., bytes]


@pytest.fixture(scope="session")
def stored_values() -> np.ndarray:
    """Stored values of a small CT slice: 12 bits, air, a disc of muscle, a ring of bone."""
    rows, columns = np.mgrid[:48, :40]
    radius = np.hypot(rows - 24, columns - 20)
    values = np.where(radius < 18, 1064, 24) + np.where(abs(radius - 10) < 2, 900, 0)
    return (values + (rows * 7 + columns * 3) % 23).astype(np.uint16)


@pytest.fixture(scope="session")
def make_dicom() -> DicomMaker:
    """Return a maker of DICOM files: pixels, transfer syntax, and elements to set (None: drop)."""

    def make(
        pixels: np.ndarray,
        syntax: str = ExplicitVRLittleEndian,
        *,
        bare: bool = False,
        **elements: Any,
    ) -> bytes:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.MediaStorageSOPClassUID = elements.get("SOPClassUID", CTImageStorage)
        dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = "1.2.3"
        dataset.Modality = "CT"
        dataset.PatientName = "Secret^Name"
        dataset.PatientID = "P7"
        bits = pixels.dtype.itemsize * 8
        dataset.SamplesPerPixel = 3 if pixels.shape[-1] == 3 else 1
        shape = pixels.shape[:-1] if pixels.shape[-1] == 3 else pixels.shape
        if len(shape) == 3:
            dataset.NumberOfFrames = shape[0]
        dataset.Rows, dataset.Columns = shape[-2:]
        dataset.PhotometricInterpretation = "RGB" if pixels.shape[-1] == 3 else "MONOCHROME2"
        if pixels.shape[-1] == 3:
            dataset.PlanarConfiguration = 0
        dataset.BitsAllocated = bits
        dataset.BitsStored = 12 if pixels.dtype == np.uint16 else bits
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        dataset.RescaleSlope, dataset.RescaleIntercept = "1", "-1024"
        dataset.RescaleType = "HU"
        little = syntax != "1.2.840.10008.1.2.2"
        dataset.PixelData = pixels.astype(
            pixels.dtype.newbyteorder("<" if little else ">")
        ).tobytes()
        dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
        for keyword, value in elements.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)
        buffer = io.BytesIO()
        if bare:
            del dataset.file_meta
            dataset.save_as(
                buffer, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=little
            )
        else:
            dataset.save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def compress(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes, str], bytes]:
    """Return a function that brings a DICOM file into a syntax that GDCM knows by name."""
    import gdcm

    folder: Path = tmp_path_factory.mktemp("gdcm")

    def change(content: bytes, syntax: str) -> bytes:
        source, target = folder / "in.dcm", folder / "out.dcm"
        source.write_bytes(content)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(source))
        assert reader.Read()
        changer = gdcm.ImageChangeTransferSyntax()
        changer.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
        changer.SetInput(reader.GetImage())
        assert changer.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(target))
        writer.SetFile(reader.GetFile())
        writer.SetImage(changer.GetOutput())
        assert writer.Write()
        return target.read_bytes()

    return change
