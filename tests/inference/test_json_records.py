"""Predictions as JSON."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from spinefrac.inference import json_records
from spinefrac.inference.batch import SlicePrediction
from spinefrac.inference.predictor import Predictor
from spinefrac.records import CtSlice


def test_a_slice_says_its_plane_and_the_verdict_only_where_they_matter(small):
    predictor = Predictor(small)
    ct = CtSlice(np.zeros((64, 64), np.float32), calibrated=True, format="dicom", plane="axial")
    prediction = predictor.predict(ct)
    plain = json_records.describe_slice(small, ct, prediction, "a.dcm")
    assert plain["file"] == "a.dcm" and not {"plane", "audit_verdict"} & set(plain)
    warned = replace(small, card=replace(small.card, audit_verdict="caution"))
    found = json_records.describe_slice(warned, replace(ct, plane="sagittal"), prediction, "a.dcm")
    assert found == plain | {"audit_verdict": "caution", "plane": "sagittal"}


def test_one_of_many_slices_has_its_number(small):
    part = SimpleNamespace(file=SimpleNamespace(name="a.dcm"), frame=2)
    error = json_records.describe_part(small, part, SlicePrediction("x", error="no"))
    assert error == {"file": "a.dcm", "error": "no", "slice": 3}
    good = SlicePrediction("x", probability=0.7, threshold=0.5)
    assert json_records.describe_part(small, part, good)["label"] == "fracture"


def test_names_of_files_are_one_line():
    assert json_records.describe_error("a", "two\nlines\x07")["error"].count("\n") == 0


def test_a_model_without_out_of_fold_predictions_has_no_series_threshold(small):
    assert json_records.find_series_threshold(small) is None
