"""A report on slices: nothing of the patient unticked, DICOM that others read back."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from spinefrac.inference import uncertainty
from spinefrac.records import InputCheck
from spinefrac.report import dicom_results, html, pdf, prediction_report
from spinefrac.wording import NARROW_NBSP
from tests.report.conftest import SECRETS


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


def test_an_untypical_slice_and_a_network_without_heat_map_are_said(parts, predictor):
    odd = replace(
        parts[0].prediction, input_check=InputCheck(100.0, False, "like a document"), heatmap=None
    )
    part = replace(parts[0], prediction=odd, occlusion_test=None)
    text = words(prediction_report.build_prediction_report([part], predictor.model))
    assert "do not rely on this prediction" in text and "like a document" in text
    assert "With the heat map" not in text
    captured = pydicom.dcmread(
        io.BytesIO(dicom_results.build_dicom_results([part], predictor.model)[0].content)
    )
    assert (captured.pixel_array[..., 0] == captured.pixel_array[..., 2]).all()


def test_a_series_says_its_score_and_what_could_not_be_read(parts, predictor):
    series = prediction_report.SeriesSummary(np.array([0.1, np.nan, 0.9]), 0.5, "Mean of all.", 0.4)
    text = words(prediction_report.build_prediction_report(parts, predictor.model, series=series))
    assert (
        "50.0 %, at or above its threshold of 40.0 %" in text.replace(NARROW_NBSP, " ")
        and "Mean of all." in text
    )
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
