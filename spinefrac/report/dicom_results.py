"""An answer as DICOM: the overlay as Secondary Capture, the numbers as a structured report.

Both are made by highdicom, refer to the slices they are of (PS3.3, A.8 and A.35.3; PS3.16,
TID 1500), belong to the slices' study, and carry of the patient only what was ticked.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spinefrac import imaging
from spinefrac.errors import SpinefracError
from spinefrac.inference import uncertainty
from spinefrac.records import NOT_A_MEDICAL_DEVICE
from spinefrac.report.prediction_report import IDENTITY, Reported, require_dicom
from spinefrac.store.repository import SavedModel
from spinefrac.viz import heatmap

if TYPE_CHECKING:
    from pydicom import Dataset

_MAKER = "spinefrac"
_STRENGTH = 0.7

#: Concepts that no public dictionary has; designators from 99 on are for private use (PS3.16, 8).
_SCHEME = "99SPINEFRAC"

#: Numbers of the two new series, above what a scanner gives.
_CAPTURE_SERIES, _REPORT_SERIES = 9901, 9902

#: Kept of a slice's header: where it belongs in its study, and nothing of the patient.
_PLACE = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "Modality",
    "Rows",
    "Columns",
    "InstanceNumber",
    "SpecificCharacterSet",
    "ImageOrientationPatient",
    "NumberOfFrames",
)


@dataclass(frozen=True, slots=True)
class DicomFile:
    """A file that was made: its name, and its bytes with the DICOM preamble."""

    name: str
    content: bytes


def results(
    slices: Sequence[Reported], model: SavedModel, *, ticked: Sequence[str] = ()
) -> tuple[DicomFile, ...]:
    """Return one Secondary Capture a slice, and one structured report a study.

    Parameters
    ----------
    slices : sequence of Reported
        Each with the DICOM file it was read from.
    model : SavedModel
    ticked : sequence of str
        Keywords of `slices.IDENTITY` to carry over. The UIDs that refer to the study and its
        slices are always there: without them the results belong to nothing.

    Returns
    -------
    tuple of DicomFile

    Raises
    ------
    SpinefracError
        A slice did not come as DICOM, or its header lacks what a reference needs.
    """
    require_dicom(slices)
    import highdicom

    headers = [_reference(one, ticked) for one in slices]
    files = []
    studies: dict[str, list[tuple[Reported, Dataset]]] = {}
    for one, header in zip(slices, headers, strict=True):
        studies.setdefault(str(header.StudyInstanceUID), []).append((one, header))
    for study, members in enumerate(studies.values(), 1):
        captures, document = highdicom.UID(), highdicom.UID()
        for number, (one, header) in enumerate(members, 1):
            made = _capture(one, header, captures, number)
            files.append(DicomFile(f"capture-{study}-{number:03d}.dcm", _bytes(made)))
        made = _document(members, model, document)
        files.append(DicomFile(f"report-{study}.dcm", _bytes(made)))
    return tuple(files)


def _reference(one: Reported, ticked: Sequence[str]) -> Dataset:
    """Return the header of a slice, reduced to its place in the study and to what was ticked."""
    import pydicom

    header = pydicom.dcmread(
        io.BytesIO(one.content or b""), stop_before_pixels=True, force=True,
        specific_tags=[*_PLACE, *IDENTITY],
    )  # fmt: skip
    kept = pydicom.Dataset()
    for name in _PLACE:
        if name in header:
            setattr(kept, name, header[name].value)
    for name in IDENTITY:
        if name in ticked and name in header:
            setattr(kept, name, header[name].value)
        elif name not in kept:
            setattr(kept, name, "")  # type 2: there, but empty
    for name in ("StudyTime", "ReferringPhysicianName", "StudyID"):
        setattr(kept, name, "")
    missing = [
        name
        for name in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
        if not kept.get(name)
    ]
    if missing:
        raise SpinefracError(
            f"expected a DICOM slice with {missing[0]}, which this one lacks, so nothing can refer "
            "to it: take the HTML, PDF or JSON report"
        )
    return kept


def _capture(one: Reported, header: Dataset, series: str, number: int) -> Dataset:
    """Return the slice with its heat map as an RGB Secondary Capture of the slice's own size."""
    import highdicom
    from pydicom.uid import ExplicitVRLittleEndian

    grey = imaging.display(one.ct)
    heat = one.prediction.heatmap
    picture = (
        np.repeat(grey[..., None], 3, axis=2)
        if heat is None
        else heatmap.overlay(grey, heat, _STRENGTH)
    )
    orientation = _orientation(header)
    spacing: Any = one.ct.spacing_mm  # highdicom's hint says whole numbers, the standard does not
    made: Any = highdicom.sc.SCImage.from_ref_dataset(
        header,
        np.ascontiguousarray(picture),
        "RGB",
        8,
        "PATIENT",
        series,
        _CAPTURE_SERIES,
        highdicom.UID(),
        number,
        _MAKER,
        patient_orientation=orientation or ("L", "P"),
        pixel_spacing=spacing,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    if orientation is None:
        made.PatientOrientation = None  # not known, and then rightly empty (type 2C)
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BurnedInAnnotation = "NO"
    made.DerivationDescription = "Grey picture with the heat map of a network's evidence over it"
    made.ImageComments = NOT_A_MEDICAL_DEVICE
    made.SeriesDescription = "spinefrac heat map"
    reference = _image_reference(one, header)
    made.SourceImageSequence = [reference]
    return made


def _orientation(header: Dataset) -> tuple[str, str] | None:
    """Return where rows and columns point, such as ("L", "P"); None where it is not known."""
    cosines = header.get("ImageOrientationPatient")
    if not cosines or len(cosines) != 6:
        return None
    letters = []
    for direction in (np.array(cosines[:3], float), np.array(cosines[3:], float)):
        axis = int(np.argmax(np.abs(direction)))
        letters.append("LPH"[axis] if direction[axis] > 0 else "RAF"[axis])
    return letters[0], letters[1]


def _image_reference(one: Reported, header: Dataset) -> Dataset:
    """Return the item of a sequence that refers to a slice (PS3.3, 10.3 Image SOP Instance)."""
    from pydicom import Dataset

    reference = Dataset()
    reference.ReferencedSOPClassUID = header.SOPClassUID
    reference.ReferencedSOPInstanceUID = header.SOPInstanceUID
    if frames := _frames(one, header):
        reference.ReferencedFrameNumber = frames[0]
    return reference


def _frames(one: Reported, header: Dataset) -> list[int] | None:
    """Return the frame, counted from 1, of a file that holds several; None for other files."""
    return [one.ct.position + 1] if int(header.get("NumberOfFrames") or 1) > 1 else None


def _document(
    members: Sequence[tuple[Reported, Dataset]], model: SavedModel, series: str
) -> Dataset:
    """Return the measurement report (TID 1500) on slices of one study."""
    import highdicom
    from highdicom import sr
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    device = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=[_MAKER, model.card_hash]),
            name=model.id,
            manufacturer_name=_MAKER,
        ),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=device),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[_group(one, header, model) for one, header in members],
        title=codes.DCM.ImagingMeasurementReport,
    )
    evidence = list({str(header.SOPInstanceUID): header for _, header in members}.values())
    made = sr.ComprehensiveSR(
        evidence=evidence,
        content=content[0],
        series_instance_uid=series,
        series_number=_REPORT_SERIES,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=_MAKER,
        is_complete=True,
        is_verified=False,
    )
    made.SeriesDescription = "spinefrac, not a medical device"
    return made


def _group(one: Reported, header: Dataset, model: SavedModel) -> Any:
    """Return one slice's numbers and calls as a group of TID 1501."""
    from highdicom import sr
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    prediction = one.prediction
    said = [_said("call", "Model calls it a fracture", prediction.label == "fracture")]
    if model.measured:
        said.append(
            _said("refer", "Refer to a human", uncertainty.of(model).refers(prediction.probability))
        )
    if prediction.input_check is not None:
        typical = prediction.input_check.typical
        said.append(_said("typical", "Slice is like the training slices", typical))
    numbers = {
        "probability": ("Probability of fracture", prediction.probability),
        "threshold": ("Threshold of the probability", prediction.threshold),
    }
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(identifier=one.name[:64]),
        finding_type=Code("125605004", "SCT", "Fracture of bone"),
        algorithm_id=sr.AlgorithmIdentification(
            name=f"{_MAKER} {model.id}"[:64],
            version=model.card_hash[:16],
            parameters=[NOT_A_MEDICAL_DEVICE],
        ),
        measurements=[
            sr.Measurement(Code(code, _SCHEME, name), round(value, 6), codes.UCUM.NoUnits)
            for code, (name, value) in numbers.items()
        ],
        qualitative_evaluations=said,
        source_images=[
            sr.SourceImageForMeasurementGroup(
                str(header.SOPClassUID), str(header.SOPInstanceUID), _frames(one, header)
            )
        ],
    )


def _said(code: str, meaning: str, yes: bool) -> Any:
    """Return a yes or no to something of our own."""
    from highdicom import sr
    from pydicom.sr.coding import Code

    answer = Code("373066001", "SCT", "Yes") if yes else Code("373067005", "SCT", "No")
    return sr.QualitativeEvaluation(Code(code, _SCHEME, meaning), answer)


def zipped(files: Sequence[DicomFile]) -> bytes:
    """Return files as one ZIP."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(file.name, file.content)
    return buffer.getvalue()


def _bytes(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
