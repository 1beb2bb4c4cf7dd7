"""Render the six samples of the page Upload & Predict: ``python -m spinefrac.ui.samples.make``.

The phantom has a seed of its own, so no model that was trained with another seed has seen these
patients. The slices are selected by the labels alone, never by a prediction: the middle fractured
slice of each of the first three patients with a fracture, the middle slice of each of the first
three others.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import gdcm
import numpy as np

from spinefrac import imaging
from spinefrac.data.phantom.dicom import to_dicom
from spinefrac.data.phantom.rendering import Series, render
from spinefrac.imaging.hounsfield import BONE_WINDOW

FOLDER = Path(__file__).parent

#: Not 7, the seed of the demonstration model's training phantom.
SERIES = Series(patients=12, slices=12, seed=2026, difficulty="standard", size=512)


def main() -> None:
    """Write ``fracture-1.dcm`` … ``normal-3.png`` beside this file."""
    labels = SERIES.labels  # (patients, slices)
    fractured = np.flatnonzero(labels.any(axis=1))[:3]
    others = np.flatnonzero(~labels.any(axis=1))[:3]
    for number, patient in enumerate(fractured, start=1):
        positive = np.flatnonzero(labels[patient])
        write(f"fracture-{number}", int(patient), int(positive[len(positive) // 2]), number)
    for number, patient in enumerate(others, start=1):
        write(f"normal-{number}", int(patient), SERIES.slices // 2, number)


def write(name: str, patient: int, slice_: int, number: int) -> None:
    """Write one slice: losslessly compressed DICOM and 8-bit PNG alternate."""
    image = render(
        patient,
        slice_,
        patients=SERIES.patients,
        slices=SERIES.slices,
        seed=SERIES.seed,
        difficulty=SERIES.difficulty,
        size=SERIES.size,
    )
    content = to_dicom(image, SERIES, patient, slice_)
    if number % 2 == (image.label == 1):
        (FOLDER / f"{name}.dcm").write_bytes(_compress_jpeg_2000(content))
    else:
        ct = imaging.read(content)
        grey = imaging.apply_window(ct.pixels, *BONE_WINDOW)
        cv2.imwrite(str(FOLDER / f"{name}.png"), grey, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _compress_jpeg_2000(content: bytes) -> bytes:
    """Return a DICOM file compressed by lossless JPEG 2000: about a third of its size."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.dcm", Path(folder) / "target.dcm"
        source.write_bytes(content)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(source))
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEG2000Lossless))
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(target))
        if not reader.Read():
            raise RuntimeError("gdcm cannot read the phantom's DICOM")
        change.SetInput(reader.GetImage())
        if not change.Change():
            raise RuntimeError("gdcm cannot compress to JPEG 2000")
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        if not writer.Write():
            raise RuntimeError("gdcm cannot write the compressed DICOM")
        return target.read_bytes()


if __name__ == "__main__":
    main()
