"""A report on slices: nothing of the patient unticked, DICOM that others read back."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from spinefrac import imaging
from spinefrac.data.phantom.dicom import to_dicom
from spinefrac.data.phantom.rendering import Series, render
from spinefrac.errors import SpinefracError
from spinefrac.inference import occlusion, uncertainty
from spinefrac.inference.predictor import get_predictor
from spinefrac.records import InputCheck
from spinefrac.report import dicom_results, html, pdf, prediction_report
from spinefrac.viz import heatmap

SECRETS = ("Doe^Jane", "MRN-4711", "19481231", "ACC-99", "Dr^House", "Ward 7")


def secret(content):
    """Return a DICOM file whose header names a patient in many places."""
    header = pydicom.dcmread(io.BytesIO(content))
    header.PatientName, header.PatientID, header.PatientBirthDate = SECRETS[:3]
    header.AccessionNumber, header.ReferringPhysicianName = SECRETS[3:5]
    header.PatientAddress = SECRETS[5]
    header.StudyDate = "20240229"
    buffer = io.BytesIO()
    header.save_as(buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def predictor():
    return get_predictor("phantom-demo")


@pytest.fixture(scope="module")
def parts(predictor):
    series = Series(2, 4, 5, "standard", 256)
    made = []
    for position in range(2):
        image = render(0, position, patients=2, slices=4, seed=5, size=256)
        content = secret(to_dicom(image, series, 0, position))
        ct = imaging.read(content)
        prediction = predictor.predict(ct)
        check = occlusion.run_occlusion_test(predictor, prediction) if position == 0 else None
        made.append(
            prediction_report.ReportSlice(f"Slice {position + 1}", ct, prediction, content, check)
        )
    return made


def words(document):
    return html.render(document).decode()


def test_html_and_pdf_say_the_answer_and_ask_for_nothing_outside(parts, predictor):
    document = prediction_report.build_prediction_report(parts, predictor.model)
    text = words(document)
    assert "Not a medical device" in text and parts[0].prediction.label in text
    assert (
        uncertainty.uncertainty_profile(predictor.model).guarantee in text
        and parts[0].occlusion_test.summary in text
    )
    assert not re.search(r"(src|href)=[\"'](?!data:)", text)
    assert pdf.render(document).startswith(b"%PDF")


def test_nothing_of_the_patient_is_in_it_unless_ticked(parts, predictor):
    model = predictor.model
    outputs = [
        words(prediction_report.build_prediction_report(parts, model)).encode(),
        json.dumps(prediction_report.to_dict(parts, model)).encode(),
        *(file.content for file in dicom_results.build_dicom_results(parts, model)),
    ]
    for output in outputs:
        for word in (*SECRETS, "20240229"):
            assert word.encode() not in output
    ticked = ["PatientName", "StudyDate"]
    text = words(prediction_report.build_prediction_report(parts, model, identity_keywords=ticked))
    assert "Doe^Jane" in text and "20240229" in text and "MRN-4711" not in text
    assert prediction_report.to_dict(parts, model, identity_keywords=ticked)["identity"] == {
        "Patient's name": "Doe^Jane",
        "Date of the study": "20240229",
    }
    for file in dicom_results.build_dicom_results(parts, model, identity_keywords=ticked):
        header = pydicom.dcmread(io.BytesIO(file.content))
        assert header.PatientName == "Doe^Jane" and header.StudyDate == "20240229"
        assert header.PatientID == "" and b"Ward 7" not in file.content
    with pytest.raises(ValueError, match="PatientAddress"):
        prediction_report.build_prediction_report(
            parts, model, identity_keywords=["PatientAddress"]
        )


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
    with pytest.raises(SpinefracError, match="came as DICOM"):
        dicom_results.build_dicom_results([replace(parts[0], content=None)], predictor.model)
    header = pydicom.dcmread(io.BytesIO(parts[0].content))
    del header.StudyInstanceUID
    buffer = io.BytesIO()
    header.save_as(buffer)
    with pytest.raises(SpinefracError, match="StudyInstanceUID"):
        dicom_results.build_dicom_results(
            [replace(parts[0], content=buffer.getvalue())], predictor.model
        )


def test_an_untypical_slice_and_a_network_without_heat_map_are_said(parts, predictor):
    odd = replace(
        parts[0].prediction, input_check=InputCheck(100.0, False, "like a document"), heatmap=None
    )
    part = replace(parts[0], prediction=odd, occlusion_test=None)
    text = words(prediction_report.build_prediction_report([part], predictor.model))
    assert "Do not rely on this answer" in text and "like a document" in text
    assert "With the heat map" not in text
    captured = pydicom.dcmread(
        io.BytesIO(dicom_results.build_dicom_results([part], predictor.model)[0].content)
    )
    assert (captured.pixel_array[..., 0] == captured.pixel_array[..., 2]).all()


def test_a_series_says_its_score_and_what_could_not_be_read(parts, predictor):
    series = prediction_report.SeriesSummary(np.array([0.1, np.nan, 0.9]), 0.5, "Mean of all.", 0.4)
    text = words(prediction_report.build_prediction_report(parts, predictor.model, series=series))
    assert "50.0 %, at or above its threshold of 40.0 %" in text and "Mean of all." in text
    assert "2 slices were read, 1 could not be" in text
    found = prediction_report.to_dict(parts, predictor.model, series=series)
    assert found["series"]["probabilities"] == [0.1, None, 0.9]
    json.dumps(found, allow_nan=False)


def test_the_command_line_writes_each_kind(parts, tmp_path, capsys):
    from spinefrac.cli import main

    file = tmp_path / "Doe_Jane.dcm"
    file.write_bytes(parts[0].content)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    for ending in ("html", "pdf", "json", "zip"):
        out = tmp_path / f"out.{ending}"
        status = main(["predict", str(file), "--report", str(out), "--model", "phantom-demo"])
        assert status == 0 and out.stat().st_size > 500
        assert b"Doe_Jane" not in out.read_bytes() and b"Doe^Jane" not in out.read_bytes()
    out.unlink()
    both = ["predict", str(file), str(tmp_path / "broken.png"), "--model", "phantom-demo"]
    assert main([*both, "--report", str(tmp_path / "two.html"), "--identity", "PatientID"]) == 1
    assert "MRN-4711" in (tmp_path / "two.html").read_text()
    for wrong in (["--report", "a.doc"], ["--identity", "PatientID"], ["--report", "no/a.pdf"]):
        assert main([*both, *wrong]) == 2
    assert main([*both, "--report", str(out), "--identity", "PatientAddress"]) == 2
    assert not list(tmp_path.glob(".*")) and not out.exists()
    assert "Traceback" not in capsys.readouterr().err
