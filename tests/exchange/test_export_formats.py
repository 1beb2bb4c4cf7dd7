"""Formats of an export are loaded again and compared, or not exported."""

import math

import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import export, export_formats


def test_a_format_with_other_probabilities_is_not_exported(small_model, tmp_path, monkeypatch):
    expected = export_formats.predict_reference
    monkeypatch.setattr(
        export_formats, "predict_reference", lambda *arguments: expected(*arguments) + 2e-4
    )
    with pytest.raises(ModelError, match=r"loaded again, by 0\.0002"):
        export.export_model(small_model, tmp_path / "x.zip")
    assert not list(tmp_path.iterdir())


def test_a_format_is_verified_on_the_synthetic_slices(small_model, tmp_path):
    folder, scratch = tmp_path / "bundle", tmp_path / "scratch"
    (folder / "model").mkdir(parents=True)
    scratch.mkdir()
    (folder / "model" / "serving.onnx").write_bytes(small_model.onnx_path.read_bytes())
    exporter = export_formats.FormatExporter(small_model, folder, scratch)
    (entry,) = exporter.export(("onnx",))
    assert (entry.format, entry.file) == ("onnx", "model/serving.onnx")
    assert entry.bytes == small_model.onnx_path.stat().st_size
    assert entry.slices == 16 and entry.loss is None
    assert 0 <= entry.largest_difference < 1e-6 < entry.milliseconds


def test_the_threshold_before_calibration_keeps_every_predicted_class(saved_model):
    """`saved_model` has a temperature of 1.5."""
    threshold = export_formats._uncalibrated_threshold(saved_model)
    logit = math.log(threshold / (1 - threshold))
    calibrated = 1 / (1 + math.exp(-logit / saved_model.temperature))
    assert calibrated == pytest.approx(saved_model.threshold)
    assert threshold != pytest.approx(saved_model.threshold)
