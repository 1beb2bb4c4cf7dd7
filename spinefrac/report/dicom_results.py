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
from spinefrac.report.prediction_report import IDENTITY_KEYWORDS, ReportSlice, require_dicom
from spinefrac.store.repository import SavedModel
from spinefrac.viz import heatmap

if TYPE_CHECKING:
    from pydicom import Dataset

_MANUFACTURER = "spinefrac"
_OVERLAY_ALPHA = 0.7

#: Concepts that no public dictionary has; designators from 99 on are for private use (PS3.16, 8).
_CODING_SCHEME_DESIGNATOR = "99SPINEFRAC"

#: Numbers of the two new series, above what a scanner gives.
_CAPTURE_SERIES_NUMBER, _REPORT_SERIES_NUMBER = 9901, 9902

#: Kept of a slice's header: where it belongs in its study, and nothing of the patient.
_REFERENCE_KEYWORDS = (
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


def build_dicom_results(
    slices: Sequence[ReportSlice], model: SavedModel, *, identity_keywords: Sequence[str] = ()
) -> tuple[DicomFile, ...]:
    """Return one Secondary Capture a slice, and one structured report a study.

    Parameters
    ----------
    slices : sequence of Reported
        Each with the DICOM file it was read from.
    model : SavedModel
    identity_keywords : sequence of str
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

    headers = [_build_reference_header(one, identity_keywords) for one in slices]
    files = []
    studies: dict[str, list[tuple[ReportSlice, Dataset]]] = {}
    for one, header in zip(slices, headers, strict=True):
        studies.setdefault(str(header.StudyInstanceUID), []).append((one, header))
    for study, members in enumerate(studies.values(), 1):
        captures, document = highdicom.UID(), highdicom.UID()
        for number, (one, header) in enumerate(members, 1):
            made = _build_secondary_capture(one, header, captures, number)
            files.append(DicomFile(f"capture-{study}-{number:03d}.dcm", _encode_dataset(made)))
        made = _build_measurement_report(members, model, document)
        files.append(DicomFile(f"report-{study}.dcm", _encode_dataset(made)))
    return tuple(files)


def _build_reference_header(report_slice: ReportSlice, identity_keywords: Sequence[str]) -> Dataset:
    """Return the header of a slice, reduced to its place in the study and to what was ticked."""
    import pydicom

    header = pydicom.dcmread(
        io.BytesIO(report_slice.content or b""), stop_before_pixels=True, force=True,
        specific_tags=[*_REFERENCE_KEYWORDS, *IDENTITY_KEYWORDS],
    )  # fmt: skip
    kept = pydicom.Dataset()
    for name in _REFERENCE_KEYWORDS:
        if name in header:
            setattr(kept, name, header[name].value)
    for name in IDENTITY_KEYWORDS:
        if name in identity_keywords and name in header:
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


def _build_secondary_capture(
    report_slice: ReportSlice, header: Dataset, series_instance_uid: str, instance_number: int
) -> Dataset:
    """Return the slice with its heat map as an RGB Secondary Capture of the slice's own size."""
    import highdicom
    from pydicom.uid import ExplicitVRLittleEndian

    grey = imaging.to_display(report_slice.ct)
    heat = report_slice.prediction.heatmap
    picture = (
        np.repeat(grey[..., None], 3, axis=2)
        if heat is None
        else heatmap.overlay_heatmap(grey, heat, _OVERLAY_ALPHA)
    )
    orientation = _patient_orientation(header)
    spacing: Any = (
        report_slice.ct.spacing_mm
    )  # highdicom's hint says whole numbers, the standard does not
    made: Any = highdicom.sc.SCImage.from_ref_dataset(
        header,
        np.ascontiguousarray(picture),
        "RGB",
        8,
        "PATIENT",
        series_instance_uid,
        _CAPTURE_SERIES_NUMBER,
        highdicom.UID(),
        instance_number,
        _MANUFACTURER,
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
    reference = _build_source_image_item(report_slice, header)
    made.SourceImageSequence = [reference]
    return made


def _patient_orientation(header: Dataset) -> tuple[str, str] | None:
    """Return where rows and columns point, such as ("L", "P"); None where it is not known."""
    cosines = header.get("ImageOrientationPatient")
    if not cosines or len(cosines) != 6:
        return None
    letters = []
    for direction in (np.array(cosines[:3], float), np.array(cosines[3:], float)):
        axis = int(np.argmax(np.abs(direction)))
        letters.append("LPH"[axis] if direction[axis] > 0 else "RAF"[axis])
    return letters[0], letters[1]


def _build_source_image_item(report_slice: ReportSlice, header: Dataset) -> Dataset:
    """Return the item of a sequence that refers to a slice (PS3.3, 10.3 Image SOP Instance)."""
    from pydicom import Dataset

    reference = Dataset()
    reference.ReferencedSOPClassUID = header.SOPClassUID
    reference.ReferencedSOPInstanceUID = header.SOPInstanceUID
    if frames := _referenced_frame_numbers(report_slice, header):
        reference.ReferencedFrameNumber = frames[0]
    return reference


def _referenced_frame_numbers(report_slice: ReportSlice, header: Dataset) -> list[int] | None:
    """Return the frame, counted from 1, of a file that holds several; None for other files."""
    return [report_slice.ct.slice_index + 1] if int(header.get("NumberOfFrames") or 1) > 1 else None


def _build_measurement_report(
    study_slices: Sequence[tuple[ReportSlice, Dataset]], model: SavedModel, series_instance_uid: str
) -> Dataset:
    """Return the measurement report (TID 1500) on slices of one study."""
    import highdicom
    from highdicom import sr
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    device = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=[_MANUFACTURER, model.card_hash]),
            name=model.id,
            manufacturer_name=_MANUFACTURER,
        ),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=device),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[
            _build_measurement_group(one, header, model) for one, header in study_slices
        ],
        title=codes.DCM.ImagingMeasurementReport,
    )
    evidence = list({str(header.SOPInstanceUID): header for _, header in study_slices}.values())
    made = sr.ComprehensiveSR(
        evidence=evidence,
        content=content[0],
        series_instance_uid=series_instance_uid,
        series_number=_REPORT_SERIES_NUMBER,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=_MANUFACTURER,
        is_complete=True,
        is_verified=False,
    )
    made.SeriesDescription = "spinefrac, not a medical device"
    return made


def _build_measurement_group(report_slice: ReportSlice, header: Dataset, model: SavedModel) -> Any:
    """Return one slice's numbers and calls as a group of TID 1501."""
    from highdicom import sr
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    prediction = report_slice.prediction
    said = [
        _build_qualitative_evaluation(
            "call", "Model calls it a fracture", prediction.label == "fracture"
        )
    ]
    if model.has_out_of_fold:
        said.append(
            _build_qualitative_evaluation(
                "refer",
                "Refer to a human",
                uncertainty.uncertainty_profile(model).needs_review(prediction.probability),
            )
        )
    if prediction.input_check is not None:
        typical = prediction.input_check.typical
        said.append(
            _build_qualitative_evaluation("typical", "Slice is like the training slices", typical)
        )
    numbers = {
        "probability": ("Probability of fracture", prediction.probability),
        "threshold": ("Threshold of the probability", prediction.threshold),
    }
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(identifier=report_slice.name[:64]),
        finding_type=Code("125605004", "SCT", "Fracture of bone"),
        algorithm_id=sr.AlgorithmIdentification(
            name=f"{_MANUFACTURER} {model.id}"[:64],
            version=model.card_hash[:16],
            parameters=[NOT_A_MEDICAL_DEVICE],
        ),
        measurements=[
            sr.Measurement(
                Code(code, _CODING_SCHEME_DESIGNATOR, name), round(value, 6), codes.UCUM.NoUnits
            )
            for code, (name, value) in numbers.items()
        ],
        qualitative_evaluations=said,
        source_images=[
            sr.SourceImageForMeasurementGroup(
                str(header.SOPClassUID),
                str(header.SOPInstanceUID),
                _referenced_frame_numbers(report_slice, header),
            )
        ],
    )


def _build_qualitative_evaluation(code: str, meaning: str, value: bool) -> Any:
    """Return a yes or no to something of our own."""
    from highdicom import sr
    from pydicom.sr.coding import Code

    answer = Code("373066001", "SCT", "Yes") if value else Code("373067005", "SCT", "No")
    return sr.QualitativeEvaluation(Code(code, _CODING_SCHEME_DESIGNATOR, meaning), answer)


def zip_files(files: Sequence[DicomFile]) -> bytes:
    """Return files as one ZIP."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(file.name, file.content)
    return buffer.getvalue()


def _encode_dataset(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
