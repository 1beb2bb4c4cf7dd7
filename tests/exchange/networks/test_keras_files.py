"""Keras files are read by their content; what cannot be read is named by its cause."""

import io
import shutil
import warnings
import zipfile

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.exchange.networks import keras_files


@pytest.fixture(scope="module")
def model():
    import keras

    layers = [keras.layers.Flatten(), keras.layers.Dense(1, activation="sigmoid")]
    return keras.Sequential([keras.Input((8, 8, 1)), *layers])


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    for suffix in (".keras", ".h5"):
        model.save(folder / f"model{suffix}")
    return folder


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("model.keras", "UPPER.KERAS"),
        ("model.h5", "Upper.H5"),
        ("model.h5", "other.hdf5"),
        ("model.h5", "really-h5.keras"),
        ("model.keras", "really-keras.h5"),
        ("model.keras", "none"),
    ],
)
def test_the_content_counts_and_not_the_name(saved, model, tmp_path, source, name) -> None:
    shutil.copy(saved / source, tmp_path / name)
    images = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 1)).astype(np.float32)
    loaded = keras_files.load(tmp_path / name)
    np.testing.assert_allclose(loaded(images), model(images), atol=1e-6)


def web_page() -> bytes:
    return b"<!DOCTYPE html><html><body>Sign in</body></html>"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (web_page(), "a web page and not a model"),
        (b"\x80\x04\x95rest", "pickle"),
        (b"hello", "is no Keras file"),
        (None, "There is no file"),
    ],
)
def test_other_files_are_named(tmp_path, content, said) -> None:
    path = tmp_path / "bad.keras"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=said):
        keras_files.load(path)


def test_files_that_are_cut_off_are_named(saved, tmp_path) -> None:
    for name, said in (("model.keras", "cut off after 2,000 bytes"), ("model.h5", "cut off")):
        (tmp_path / name).write_bytes((saved / name).read_bytes()[:2000])
        with pytest.raises(ModelError, match=said):
            keras_files.load(tmp_path / name)


def test_a_folder_and_weights_alone_are_named(model, tmp_path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(ModelError, match="old is a SavedModel"):
        keras_files.load(tmp_path / "old")
    model.save_weights(tmp_path / "some.weights.h5")
    with pytest.raises(ModelError, match="weights without a network"):
        keras_files.load(tmp_path / "some.weights.h5")


def test_a_loss_of_ones_own_costs_the_loss_only(model, tmp_path) -> None:
    import keras

    def focal(y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2)

    images = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 1)).astype(np.float32)
    own = keras.models.clone_model(model)
    own.compile("adam", focal)
    for suffix in (".keras", ".h5"):
        own.save(tmp_path / f"own{suffix}")
        with pytest.warns(UserWarning, match="with a loss, an optimizer or metrics that Keras"):
            loaded = keras_files.load(tmp_path / f"own{suffix}", compile=True)
        assert not loaded.compiled
        np.testing.assert_allclose(loaded(images), own(images), atol=1e-6)


def test_layers_that_are_code_or_unknown_are_named(tmp_path) -> None:
    import keras

    class Own(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    for layer, said in (
        (keras.layers.Lambda(lambda x: x + 1), "never runs it"),
        (Own(), "register_keras_serializable"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keras.Sequential([keras.Input((8, 8, 1)), layer]).save(tmp_path / "code.keras")
        with pytest.raises(ModelError, match=said):
            keras_files.load(tmp_path / "code.keras")


def test_a_keras_file_of_keras_2_is_named(saved, tmp_path) -> None:
    with zipfile.ZipFile(saved / "model.keras") as source:
        members = {name: source.read(name) for name in source.namelist()}
    members["metadata.json"] = b'{"keras_version": "2.15.0"}'
    members["config.json"] = members["config.json"].replace(b'"Dense"', b'"Dance"')
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    (tmp_path / "old.keras").write_bytes(content.getvalue())
    with pytest.raises(ModelError, match="of Keras 2, which Keras 3 does not read"):
        keras_files.load(tmp_path / "old.keras")
