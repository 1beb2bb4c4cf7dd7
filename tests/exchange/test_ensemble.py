"""The folds' networks joined for people and for serving, and their comparison."""

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange import ensemble


@pytest.fixture(scope="module")
def images(tiny) -> np.ndarray:
    return tiny.inputs(5, seed=9)


@pytest.fixture(scope="module")
def folds(tiny) -> list:
    return tiny.fold_models()


@pytest.fixture(scope="module")
def files(folds, tmp_path_factory):
    """The serving model, and the two files of the ensemble."""
    folder = tmp_path_factory.mktemp("ensemble")
    serving = ensemble.build_serving_model(folds)
    ensemble.build_probability_model(folds).save(folder / "model.keras")
    ensemble.write_onnx(serving, folder / "serving.onnx")
    return serving, folder / "model.keras", folder / "serving.onnx"


def run(model, images: np.ndarray) -> list[np.ndarray]:
    return [np.asarray(value) for value in model(images[..., None].astype(np.float32))]


def test_the_probability_is_that_of_the_mean_logit(folds, images):
    logits = np.mean([run(fold, images)[0] for fold in folds], axis=0)
    model = ensemble.build_probability_model(folds)
    np.testing.assert_allclose(run(model, images), 1 / (1 + np.exp(-logits)), atol=1e-6)
    names = [layer.name for layer in model.layers if layer.name.startswith(ensemble.FOLD_PREFIX)]
    assert names == ["fold_0", "fold_1"]


def test_serving_returns_the_logit_of_each_fold_and_the_mean_heat_map(folds, images):
    found = ensemble.build_serving_model(folds)(images[..., None].astype(np.float32))
    expected = [run(fold, images) for fold in folds]
    np.testing.assert_allclose(
        found["logits"], np.concatenate([logit for logit, _ in expected], axis=1), atol=1e-5
    )
    np.testing.assert_allclose(
        found["heatmaps"], np.mean([heatmap for _, heatmap in expected], axis=0), atol=1e-5
    )


def test_one_fold_is_an_ensemble_too(folds, images):
    (logit, heatmap), one = run(folds[0], images), folds[:1]
    found = ensemble.build_serving_model(one)(images[..., None].astype(np.float32))
    np.testing.assert_allclose(found["logits"], logit, atol=1e-6)
    np.testing.assert_allclose(found["heatmaps"], heatmap, atol=1e-6)
    probability = run(ensemble.build_probability_model(one), images)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-logit)), atol=1e-6)


def test_equal_files_are_accepted_with_their_difference(files, images):
    assert 0 <= ensemble.verify_onnx_export(*files, images) <= ensemble.LOGIT_TOLERANCE


def test_a_file_that_onnx_runtime_does_not_open_is_refused(files, images, tmp_path):
    serving, keras_path, _ = files
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="ONNX Runtime refuses the exported network"):
        ensemble.verify_onnx_export(serving, keras_path, tmp_path / "bad.onnx", images)


def test_another_keras_file_is_refused(files, images, tiny, tmp_path):
    from spinefrac.training import heads

    serving, _, onnx_path = files
    others = [heads.add_heatmap_output(tiny.network(seed)) for seed in (98, 99)]
    ensemble.build_probability_model(others).save(tmp_path / "model.keras")
    with pytest.raises(ModelError, match="ONNX Runtime and Keras differ by"):
        ensemble.verify_onnx_export(serving, tmp_path / "model.keras", onnx_path, images)


def test_a_maximum_between_two_equal_pixels_may_move():
    expected = np.zeros((1, 10, 10))
    expected[0, 2, 2] = 1.0
    moved = np.roll(expected, 1, axis=2)
    assert ensemble._max_heatmap_difference(moved, expected) == 0
    assert ensemble._max_heatmap_difference(2 * expected, expected) == 1


def test_the_hash_changes_with_any_weight(folds):
    model = ensemble.build_logit_model(folds[0])
    digest, size = ensemble.hash_weights(model)
    assert size == sum(weight.nbytes for weight in model.get_weights())
    assert ensemble.hash_weights(ensemble.build_logit_model(folds[0])) == (digest, size)
    assert ensemble.hash_weights(ensemble.build_logit_model(folds[1])) != (digest, size)


def make_frozen_folds(network: str) -> list:
    """Two fold networks with equal backbones, and heads of their own."""
    from spinefrac.training import heads, networks

    models = [networks.build_network(network, 32, seed=seed) for seed in (1, 2)]
    for seed, model in enumerate(models):
        dense, rng = model.get_layer("logit"), np.random.default_rng(seed)
        dense.set_weights([rng.normal(0, 0.1, w.shape) for w in dense.get_weights()])
    return [heads.add_heatmap_output(model) for model in models]


@pytest.mark.parametrize(
    ("network", "backbones"), [("lite0", ["lite0"]), ("compact_lite0", ["lite0"])]
)
def test_folds_share_the_backbones_that_are_equal(network, backbones, tiny, tmp_path):
    """Both files hold them once, and the logits are those of the folds by themselves."""
    import onnx

    from spinefrac.exchange import weights_file

    folds = make_frozen_folds(network)
    assert ensemble._list_shared_backbones(folds) == backbones
    slices = np.random.default_rng(0).integers(0, 256, (5, 32, 32), np.uint8)
    expected = [run(fold, slices) for fold in folds]
    serving = ensemble.build_serving_model(folds)
    ensemble.build_probability_model(folds).save(tmp_path / "model.keras")
    ensemble.write_onnx(serving, tmp_path / "serving.onnx")
    found = serving(slices[..., None].astype(np.float32))
    for index, (logit, _) in enumerate(expected):
        np.testing.assert_allclose(found["logits"][:, index], logit[:, 0], atol=1e-4)
    np.testing.assert_allclose(
        found["heatmaps"], np.mean([heatmap for _, heatmap in expected], axis=0), atol=1e-4
    )
    ensemble.verify_onnx_export(
        serving, tmp_path / "model.keras", tmp_path / "serving.onnx", slices
    )
    nodes = onnx.load(tmp_path / "serving.onnx").graph.node
    assert sum(node.op_type == "Conv" and "lite0" in node.name for node in nodes) <= 23
    read_back = weights_file.read_fold_weights(tmp_path / "model.keras")
    for weights, fold in zip(read_back, folds, strict=True):
        own = ensemble.build_logit_model(fold).get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(weights, own, strict=True))
