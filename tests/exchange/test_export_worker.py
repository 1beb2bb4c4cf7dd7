"""The child processes of an export: every format returns the probabilities of its network."""

import numpy as np
import pytest

from spinefrac.exchange import export_worker


@pytest.fixture(scope="module")
def inputs(tiny) -> np.ndarray:
    return tiny.inputs(6, seed=4)


def test_the_onnx_file_of_a_saved_model_is_run(small, inputs):
    from spinefrac.evaluation.calibration import sigmoid
    from spinefrac.inference.predictor import Predictor

    result = export_worker.run_exported_model("onnx", small.onnx_path, inputs)
    logits, _ = Predictor(small).run(inputs)
    np.testing.assert_allclose(result["probabilities"], sigmoid(logits.mean(axis=1)), atol=1e-6)
    assert result["milliseconds"] > 0


@pytest.mark.slow
def test_every_converted_format_is_run(tiny, inputs, tmp_path):
    from spinefrac.exchange import ensemble

    (tmp_path / "model").mkdir()
    model = ensemble.build_probability_model(tiny.fold_models())
    model.save(tmp_path / export_worker.ARCHIVE_PATHS["keras"])
    np.save(tmp_path / "inputs.npy", inputs)
    formats = ["h5", "savedmodel", "litert"]
    task = {"folder": str(tmp_path), "scratch": str(tmp_path), "formats": formats}
    assert export_worker.handle_task(task | {"do": "convert"}) == {}
    found = export_worker.handle_task(task | {"do": "predict", "inputs": "inputs.npy"})
    expected = np.asarray(model(inputs[..., None].astype(np.float32), training=False))[:, 0]
    assert set(found) == set(formats)
    for name in formats:
        np.testing.assert_allclose(found[name]["probabilities"], expected, atol=1e-5, err_msg=name)
