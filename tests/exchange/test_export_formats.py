"""Formats of an export are loaded again and compared, or not exported."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from spinefrac.errors import ModelError
from spinefrac.exchange import export, export_formats, threshold_agreement
from spinefrac.store import repository
from spinefrac.store.card import FileRecord


def test_a_format_with_other_probabilities_is_not_exported(small_model, tmp_path, monkeypatch):
    expected = export_formats.predict_reference_logits
    monkeypatch.setattr(
        export_formats,
        "predict_reference_logits",
        lambda *arguments: expected(*arguments) + 0.01,
    )
    with pytest.raises(ModelError, match=r"loaded again, by 0\.00"):
        export.export_model(small_model, tmp_path / "x.zip")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def verify_onnx(tmp_path):
    """Return a function that verifies `content` as the ONNX file of an export of a model."""

    def verify(model, content=None):
        work = Path(tempfile.mkdtemp(dir=tmp_path))
        folder, scratch = work / "bundle", work / "scratch"
        (folder / "model").mkdir(parents=True)
        scratch.mkdir()
        (folder / "model" / "serving.onnx").write_bytes(content or model.onnx_path.read_bytes())
        (entry,) = export_formats.FormatExporter(model, folder, scratch).export(("onnx",))
        return entry

    return verify


def with_threshold(model, threshold):
    point = replace(model.card.operating_point, threshold=threshold)
    return replace(model, card=replace(model.card, operating_point=point))


def change_logits(content, source, nodes, **numbers):
    """Return a serving file whose logits pass through `nodes`, from `source` to ``logits``."""
    model = onnx.load_model_from_string(content)
    for node in model.graph.node:
        for position, name in enumerate(node.output):
            if name == "logits":
                node.output[position] = source
    model.graph.initializer.extend(
        numpy_helper.from_array(np.float32(value), name) for name, value in numbers.items()
    )
    model.graph.node.extend(nodes)
    return model.SerializeToString()


def add_to_logits_near(content, logit, shift):
    """Return a serving file that adds `shift` to every logit within 0.2 of `logit`."""
    nodes = [
        helper.make_node("Greater", ["own", "low"], ["is_above"]),
        helper.make_node("Less", ["own", "high"], ["is_below"]),
        helper.make_node("And", ["is_above", "is_below"], ["is_near"]),
        helper.make_node("Cast", ["is_near"], ["factor"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", ["factor", "shift"], ["added"]),
        helper.make_node("Add", ["own", "added"], ["logits"]),
    ]
    return change_logits(content, "own", nodes, low=logit - 0.2, high=logit + 0.2, shift=shift)


@pytest.fixture
def steep_model(small_model, tmp_path):
    """A model whose logits reach from -12 on the synthetic slices to 45 on changes of them."""
    nodes = [
        helper.make_node("Mul", ["narrow", "gain"], ["wide"]),
        helper.make_node("Add", ["wide", "offset"], ["logits"]),
    ]
    content = change_logits(
        small_model.onnx_path.read_bytes(), "narrow", nodes, gain=150.0, offset=30.0
    )
    path = tmp_path / "steep" / "serving.onnx"
    path.parent.mkdir()
    path.write_bytes(content)
    files = {path.name: FileRecord(*repository.hash_file(path))}
    return replace(small_model, path=path.parent, card=replace(small_model.card, files=files))


def test_a_format_is_verified_on_the_synthetic_slices(small_model, verify_onnx):
    entry = verify_onnx(small_model)
    assert (entry.format, entry.file) == ("onnx", "model/serving.onnx")
    assert entry.bytes == small_model.onnx_path.stat().st_size
    assert entry.slices == 24 and entry.loss is None
    assert 0 <= entry.largest_difference < 1e-6 < entry.milliseconds
    found = entry.agreement
    assert found.above >= 4 and found.below >= 4 and found.above + found.below == 24
    assert found.near >= 8 and 0 <= (found.near_difference or 0) < 1e-3
    assert found.changed == found.beyond_tolerance == 0


@pytest.mark.parametrize(
    ("threshold", "wanted"),
    [
        (0.00005, "onnx file differs at the threshold"),
        (0.5, "other probabilities"),
        (0.99995, "onnx file differs at the threshold"),
    ],
)
def test_a_file_that_differs_at_the_threshold_is_not_exported(
    steep_model, verify_onnx, threshold, wanted
):
    """Next to 1, and to 0, its probabilities differ by less than is accepted elsewhere."""
    model = with_threshold(steep_model, threshold)
    logit = threshold_agreement.to_logit(threshold)
    own = model.onnx_path.read_bytes()
    found = verify_onnx(model).agreement
    assert found.above >= 4 and found.below >= 4 and found.beyond_tolerance == 0
    with pytest.raises(ModelError, match=wanted):
        verify_onnx(model, add_to_logits_near(own, logit, 0.4))


@pytest.mark.parametrize(("threshold", "side"), [(1.0, "below"), (0.0, "at or above")])
def test_slices_on_one_side_only_are_said(small_model, verify_onnx, threshold, side):
    entry = verify_onnx(with_threshold(small_model, threshold))
    assert entry.slices == 16 and entry.agreement.is_one_sided
    assert f"All 16 slices are {side} the threshold" in entry.agreement.describe()
    assert "not known" in entry.agreement.describe()


def test_the_threshold_before_calibration_keeps_every_predicted_class(saved_model):
    """`saved_model` has a temperature of 1.5."""
    logit = export_formats._uncalibrated_threshold_logit(saved_model)
    calibrated = 1 / (1 + np.exp(-logit / saved_model.temperature))
    assert calibrated == pytest.approx(saved_model.threshold)
    assert 1 / (1 + np.exp(-logit)) != pytest.approx(saved_model.threshold)
