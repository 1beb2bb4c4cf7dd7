"""A prediction as DICOM: the overlay as Secondary Capture, the numbers as a structured report.

Both are made by highdicom, refer to their slices (PS3.3, A.8 and A.35.3; PS3.16, TID 1500),
belong to the slices' study, and hold of the patient only the selected elements. Of the pixels
they state what the source states: burned-in annotation and lossy compression stay in them.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spinefrac import imaging
from spinefrac.errors import SpinefracError
from spinefrac.imaging import decoder_pool
from spinefrac.inference import uncertainty
from spinefrac.records import CLASS_NAMES, NOT_A_MEDICAL_DEVICE
from spinefrac.redaction import Output, is_kept
from spinefrac.report.prediction_report import (
    IDENTITY_KEYWORDS,
    IDENTITY_KINDS,
    ReportSlice,
    require_dicom,
)
from spinefrac.store.repository import SavedModel
from spinefrac.viz import heatmap

if TYPE_CHECKING:
    from pydicom import Dataset

_MANUFACTURER = "spinefrac"
_OVERLAY_ALPHA = 0.7

#: Concepts that no public dictionary has; designators from 99 on are for private use (PS3.16, 8).
_CODING_SCHEME_DESIGNATOR = "99SPINEFRAC"

#: Numbers of the two new series, above those of scanners.
_CAPTURE_SERIES_NUMBER, _REPORT_SERIES_NUMBER = 9901, 9902

#: Copied from a slice's header: its place in the study, and nothing of the patient.
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
    "ImageOrientationPatient",
    "NumberOfFrames",
)


#: Copied to the Secondary Capture where the source has one of these values: its pixels are the
#: source's (PS3.3, C.7.6.1). An absent one is left out, for nobody has looked.
_PIXEL_STATEMENTS = {
    "BurnedInAnnotation": ("YES", "NO"),
    "LossyImageCompression": ("00", "01"),
    "LossyImageCompressionMethod": (
        *("ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_15", "ISO_18181_1"),
        *("ISO_13818_2", "ISO_14496_10", "ISO_23008_2"),
    ),
}
_COMPRESSION_RATIO = "LossyImageCompressionRatio"

#: Elements without which no result can refer to a slice, and how an identifier is written
#: (PS3.5, 9.1): text in its place may be anything.
_UID_KEYWORDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True, slots=True)
class DicomFile:
    """A DICOM file: its name, and its bytes with the DICOM preamble."""

    name: str
    content: bytes


def build_dicom_results(
    slices: Sequence[ReportSlice], model: SavedModel, *, identity_keywords: Sequence[str] = ()
) -> tuple[DicomFile, ...]:
    """Return one Secondary Capture a slice, and one structured report a study.

    Parameters
    ----------
    slices : sequence of ReportSlice
        Each with the DICOM file it was read from.
    model : SavedModel
    identity_keywords : sequence of str
        Keywords of `IDENTITY_KEYWORDS` to copy. The UIDs that refer to the study and its slices
        are always copied: the results are linked by them.

    Returns
    -------
    tuple of DicomFile

    Raises
    ------
    SpinefracError
        A slice is not DICOM, or its header lacks what a reference needs.
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
            _describe_identity(made, identity_keywords)
            files.append(DicomFile(f"capture-{study}-{number:03d}.dcm", _encode_dataset(made)))
        made = _build_measurement_report(members, model, document)
        _describe_identity(made, identity_keywords)
        files.append(DicomFile(f"report-{study}.dcm", _encode_dataset(made)))
    return tuple(files)


def _build_reference_header(report_slice: ReportSlice, identity_keywords: Sequence[str]) -> Dataset:
    """Return the header of a slice, reduced to its place in the study and the selected elements."""
    from pydicom import Dataset

    header = _read_header(report_slice.content or b"")
    kept = Dataset()
    for name in _REFERENCE_KEYWORDS:
        if name in header and (header[name].VR != "UI" or _is_uid(header[name].value)):
            setattr(kept, name, header[name].value)
    kept.SpecificCharacterSet = header.SpecificCharacterSet
    _copy_pixel_statements(header, kept)
    for name, information in IDENTITY_KINDS.items():
        requested = name in identity_keywords
        is_shown = is_kept(Output.DICOM_RESULTS, information, requested=requested)
        if requested and is_shown and name in header:
            setattr(kept, name, header[name].value)
        elif name not in kept:
            setattr(kept, name, "")  # type 2: there, but empty
    for name in ("StudyTime", "ReferringPhysicianName", "StudyID"):
        setattr(kept, name, "")
    if missing := [name for name in _UID_KEYWORDS if not kept.get(name)]:
        raise SpinefracError(
            f"expected a DICOM slice with a valid {missing[0]}, got one without, so no result can "
            "refer to it: write the report as HTML, PDF or JSON"
        )
    return kept


def _read_header(content: bytes) -> Dataset:
    """Return the elements of a slice's header that results may hold, its texts in UTF-8.

    A decoder process reads them; what is no value of its element is left out.
    """
    from pydicom import Dataset
    from pydicom.datadict import dictionary_VR

    wanted = (*_REFERENCE_KEYWORDS, *_PIXEL_STATEMENTS, _COMPRESSION_RATIO, *IDENTITY_KEYWORDS)
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    for name, texts in decoder_pool.read_values(content, wanted).items():
        with suppress(ValueError, TypeError, OverflowError):
            values = [int(text) if dictionary_VR(name) == "US" else text for text in texts]
            setattr(header, name, values if len(values) > 1 else values[0])
    return header


def _describe_identity(made: Dataset, identity_keywords: Sequence[str]) -> None:
    """Say in a result that elements which identify the patient were included on request."""
    if identity_keywords:
        made.SeriesDescription = f"{made.SeriesDescription}, identity on request"


def _is_uid(value: object) -> bool:
    return _UID.fullmatch(str(value)) is not None


def _copy_pixel_statements(source: Dataset, target: Dataset) -> None:
    """Copy what a data set states of its pixels; see `_PIXEL_STATEMENTS`."""
    for name, allowed in _PIXEL_STATEMENTS.items():
        values = source.get(name)
        stated = [values] if isinstance(values, str) else list(values or ())
        if stated and all(value in allowed for value in stated):
            setattr(target, name, values)
    if "LossyImageCompression" in target:
        with suppress(ValueError, TypeError, KeyError):  # not there, or not a number
            setattr(target, _COMPRESSION_RATIO, source[_COMPRESSION_RATIO].value)


def _build_secondary_capture(
    report_slice: ReportSlice, header: Dataset, series_instance_uid: str, instance_number: int
) -> Dataset:
    """Return the slice with its heat map as an RGB Secondary Capture of the slice's own size."""
    import highdicom
    from pydicom.uid import ExplicitVRLittleEndian

    grey = imaging.to_display(report_slice.ct)
    heat = report_slice.prediction.heatmap
    image = heatmap.render_slice(grey, heat, _OVERLAY_ALPHA)
    orientation = _patient_orientation(header)
    # highdicom's type says whole numbers, the standard decimal ones.
    spacing: Any = report_slice.ct.spacing_mm
    capture: Any = highdicom.sc.SCImage.from_ref_dataset(
        header,
        np.ascontiguousarray(image),
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
        capture.PatientOrientation = None  # not known: empty (type 2C)
    capture.ImageType = ["DERIVED", "SECONDARY"]
    _copy_pixel_statements(header, capture)
    capture.DerivationDescription = "Slice with the heat map of a network"
    capture.ImageComments = NOT_A_MEDICAL_DEVICE
    capture.SeriesDescription = "spinefrac heat map"
    capture.SourceImageSequence = [_build_source_image_item(report_slice, header)]
    return capture


def _patient_orientation(header: Dataset) -> tuple[str, str] | None:
    """Return the directions of rows and columns, such as ("L", "P"); None if not known."""
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
    """Return the frame, from 1, of a file with several frames; None for other files."""
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
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion
        if all(header.get("Modality") == "CT" for _, header in study_slices)
        else codes.SCT.ImagingProcedure,
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


def _build_evaluations(report_slice: ReportSlice, model: SavedModel) -> list[Any]:
    """Return predicted class, need for review and input check, each as yes or no."""
    prediction = report_slice.prediction
    statements = [("call", "Predicted class is fracture", prediction.label == CLASS_NAMES[1])]
    if model.has_slice_predictions:
        profile = uncertainty.uncertainty_profile(model)
        review = profile.needs_review(prediction.probability, prediction.input_check)
        statements.append(("refer", "Needs review by a reader", review))
    if prediction.input_check is not None:
        typical = prediction.input_check.typical
        statements.append(("typical", "Slice is in distribution", typical))
    return [_build_qualitative_evaluation(*statement) for statement in statements]


def _build_measurement_group(report_slice: ReportSlice, header: Dataset, model: SavedModel) -> Any:
    """Return the numbers and classes of one slice as a group of TID 1501."""
    from highdicom import sr
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    prediction = report_slice.prediction
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
        qualitative_evaluations=_build_evaluations(report_slice, model),
        source_images=[
            sr.SourceImageForMeasurementGroup(
                str(header.SOPClassUID),
                str(header.SOPInstanceUID),
                _referenced_frame_numbers(report_slice, header),
            )
        ],
    )


def _build_qualitative_evaluation(code: str, meaning: str, value: bool) -> Any:
    """Return yes or no to a concept of the private coding scheme."""
    from highdicom import sr
    from pydicom.sr.coding import Code

    yes_or_no = Code("373066001", "SCT", "Yes") if value else Code("373067005", "SCT", "No")
    return sr.QualitativeEvaluation(Code(code, _CODING_SCHEME_DESIGNATOR, meaning), yes_or_no)


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
