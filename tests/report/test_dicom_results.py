"""DICOM results that others read back, with nothing of the patient that was not selected."""

import io
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from spinefrac import imaging
from spinefrac.errors import ImageError, SpinefracError
from spinefrac.report import dicom_results
from spinefrac.viz import heatmap
from tests.support import dying_decoder

SECRETS = ("Doe^Jane", "MRN-4711", "19481231", "ACC-99", "Dr^House", "Ward 7")


def test_the_capture_is_the_overlay_and_refers_to_its_slice(parts, predictor):
    files = dicom_results.build_dicom_results(parts, predictor.model)
    assert [file.name for file in files] == [
        "capture-1-001.dcm",
        "capture-1-002.dcm",
        "report-1.dcm",
    ]
    for part, file in zip(parts, files, strict=False):
        source = pydicom.dcmread(io.BytesIO(part.content))
        made = pydicom.dcmread(io.BytesIO(file.content))
        assert made.SOPClassUID.name == "Secondary Capture Image Storage"
        assert made.StudyInstanceUID == source.StudyInstanceUID
        assert made.SeriesInstanceUID != source.SeriesInstanceUID
        (reference,) = made.SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert reference.ReferencedSOPClassUID == source.SOPClassUID
        expected = heatmap.overlay_heatmap(
            imaging.to_display(part.ct), part.prediction.heatmap, 0.7
        )
        assert np.array_equal(made.pixel_array, expected)
        assert made.PatientOrientation == ["L", "P"] and UID(made.SOPInstanceUID).is_valid
        assert made.BurnedInAnnotation == "NO" and "Not a medical device" in made.ImageComments
        assert [float(v) for v in made.PixelSpacing] == pytest.approx(part.ct.spacing_mm)
        read_again = imaging.read(file.content)
        assert read_again.colour and read_again.pixels.shape == part.ct.pixels.shape


def with_header(part, **values):
    """The same slice, whose file has other elements; None removes one."""
    header = pydicom.dcmread(io.BytesIO(part.content))
    for name, value in values.items():
        if value is None:
            delattr(header, name)
        else:
            setattr(header, name, value)
    buffer = io.BytesIO()
    header.save_as(buffer)
    return replace(part, content=buffer.getvalue())


@pytest.mark.parametrize(
    ("said", "passed_on"), [("YES", "YES"), ("NO", "NO"), (None, None), ("JANE DOE", None)]
)
def test_what_the_source_says_of_its_pixels_is_passed_on(parts, predictor, said, passed_on):
    part = with_header(
        parts[0], BurnedInAnnotation=said, LossyImageCompression="01",
        LossyImageCompressionRatio=12.5, LossyImageCompressionMethod="ISO_10918_1",
    )  # fmt: skip
    (file, _) = dicom_results.build_dicom_results([part], predictor.model)
    made = pydicom.dcmread(io.BytesIO(file.content))
    assert made.get("BurnedInAnnotation") == passed_on
    assert made.LossyImageCompression == "01" and made.LossyImageCompressionRatio == 12.5
    assert made.LossyImageCompressionMethod == "ISO_10918_1"


def test_what_the_source_does_not_say_is_not_claimed(parts, predictor):
    part = with_header(parts[0], BurnedInAnnotation=None, Modality="OT")
    capture, report = (
        pydicom.dcmread(io.BytesIO(file.content))
        for file in dicom_results.build_dicom_results([part], predictor.model)
    )
    assert not {"BurnedInAnnotation", "LossyImageCompression"} & set(capture.dir())
    assert "Computed" not in str(report) and "PatientIdentityRemoved" not in capture


def test_identity_on_request_is_said_in_each_file(parts, predictor):
    made = dicom_results.build_dicom_results(
        parts, predictor.model, identity_keywords=("PatientID",)
    )
    for file in made:
        read = pydicom.dcmread(io.BytesIO(file.content))
        assert read.PatientID == "MRN-4711" and not read.PatientName
        assert "identity on request" in read.SeriesDescription


def test_text_in_place_of_an_identifier_is_not_passed_on(parts, predictor):
    part = with_header(parts[0], SeriesInstanceUID="Jane.Doe")
    with pytest.raises(SpinefracError, match="valid SeriesInstanceUID"):
        dicom_results.build_dicom_results([part], predictor.model)


def test_the_structured_report_is_read_back_by_highdicom(parts, predictor):
    from highdicom import sr

    content = dicom_results.build_dicom_results(parts, predictor.model)[-1].content
    made = sr.srread(io.BytesIO(content))
    assert isinstance(made, sr.ComprehensiveSR)
    assert made.VerificationFlag == "UNVERIFIED"
    groups = made.content.get_image_measurement_groups()
    assert len(groups) == 2
    for part, group in zip(parts, groups, strict=True):
        source = pydicom.dcmread(io.BytesIO(part.content))
        measured = {m.name.meaning: m.value for m in group.get_measurements()}
        assert measured["Probability of fracture"] == pytest.approx(
            part.prediction.probability, abs=1e-6
        )
        said = {e.name.value: e.value.meaning for e in group.get_qualitative_evaluations()}
        assert said["call"] == ("Yes" if part.prediction.label == "fracture" else "No")
        assert set(said) == {"call", "refer", "typical"}
        (reference,) = group.source_images
        assert reference.referenced_sop_instance_uid == source.SOPInstanceUID
    (study,) = made.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == source.StudyInstanceUID


def test_slices_of_two_studies_give_two_reports(parts, predictor):
    header = pydicom.dcmread(io.BytesIO(parts[1].content))
    header.StudyInstanceUID = "1.2.3.4"
    buffer = io.BytesIO()
    header.save_as(buffer)
    files = dicom_results.build_dicom_results(
        [parts[0], replace(parts[1], content=buffer.getvalue())], predictor.model
    )
    reports = [pydicom.dcmread(io.BytesIO(f.content)) for f in files if "report" in f.name]
    assert len({report.StudyInstanceUID for report in reports}) == 2


def test_what_is_no_dicom_or_belongs_nowhere_is_refused(parts, predictor):
    with pytest.raises(SpinefracError, match="not every slice here is DICOM"):
        dicom_results.build_dicom_results([replace(parts[0], content=None)], predictor.model)
    header = pydicom.dcmread(io.BytesIO(parts[0].content))
    del header.StudyInstanceUID
    buffer = io.BytesIO()
    header.save_as(buffer)
    with pytest.raises(SpinefracError, match="StudyInstanceUID"):
        dicom_results.build_dicom_results(
            [replace(parts[0], content=buffer.getvalue())], predictor.model
        )


def test_texts_of_another_character_set_are_passed_on_in_utf_8(parts, predictor):
    part = with_header(parts[0], SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    for file in dicom_results.build_dicom_results(
        [part], predictor.model, identity_keywords=("PatientName",)
    ):
        made = pydicom.dcmread(io.BytesIO(file.content))
        assert made.PatientName == "Müller^Jörg" and made.SpecificCharacterSet == "ISO_IR 192"


def test_a_header_that_kills_its_decoder_costs_one_sentence(deadly_decoder, parts, predictor):
    part = replace(parts[0], content=dying_decoder.CRASH)
    with pytest.raises(ImageError, match="could not be decoded safely"):
        dicom_results.build_dicom_results([part], predictor.model)
