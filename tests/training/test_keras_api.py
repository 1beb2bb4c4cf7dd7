"""The seven functions, in the order in which users of Keras call them."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import spinefrac
from spinefrac.errors import DatasetError, ImageError, ModelError
from spinefrac.training.settings import TrainingSettings


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_the_seven_in_order(folder, tmp_path, suffix, capsys):
    path = next(folder.glob("fracture/*.png"))
    image = spinefrac.load_and_preprocess_image(path, size=32)
    assert image.shape == (32, 32, 1) and image.dtype == np.float32 and image.max() > 100
    model = spinefrac.build_cnn_model(size=32)
    result = spinefrac.train_model_with_cross_validation(model, folder, epochs=1, folds=2)
    assert result.metrics.n == 48 and result.metrics.groups == 12
    assert "fold 1, epoch 1" in capsys.readouterr().out
    measured = spinefrac.evaluate_model(model, folder)
    assert {"f1", "auc", "confusion_matrix", "ci"} <= measured.keys()
    saved = spinefrac.save_model(model, tmp_path / f"model{suffix}")
    loaded = spinefrac.load_model(saved)
    first = spinefrac.predict_fracture(path, model)
    again = spinefrac.predict_fracture(path, loaded)
    assert first.label == ("fracture" if first.probability >= 0.5 else "no fracture")
    assert again.probability == pytest.approx(first.probability, abs=1e-6)
    # The model stays an ordinary Keras model.
    assert model.predict(image[None], verbose=0).shape == (1, 1)
    loss, accuracy = model.evaluate(image[None], np.ones((1, 1)), verbose=0)
    assert np.isfinite(loss) and 0 <= accuracy <= 1


@pytest.mark.slow
def test_a_network_of_the_users_own(folder):
    """Three convolution blocks and a colour input, as in most scripts."""
    import keras
    from keras import layers

    blocks = [keras.Input((32, 32, 3)), layers.Rescaling(1 / 255)]
    for filters in (8, 16, 32):
        blocks += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D()]
    blocks += [layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential(blocks)
    before = [weights.copy() for weights in model.get_weights()]
    result = spinefrac.train_model_with_cross_validation(
        model, folder, epochs=2, folds=3, verbose=False, settings=TrainingSettings(batch_size=8)
    )
    assert len(result.history) == 6 and np.isfinite(result.out_of_fold.logits).all()
    assert any(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert spinefrac.evaluate_model(model, folder)["n"] == 48


def test_arrays_can_be_evaluated():
    model = spinefrac.build_cnn_model(size=32)
    images = np.random.default_rng(0).uniform(0, 255, (20, 32, 32, 1)).astype(np.float32)
    measured = spinefrac.evaluate_model(model, (images, np.arange(20) % 2))
    assert measured["n"] == 20


def test_colour_arrays_count_as_grey_and_others_are_refused_in_words():
    model = spinefrac.build_cnn_model(size=32)
    labels = np.arange(20) % 2
    grey = np.random.default_rng(0).uniform(0, 255, (20, 32, 32)).astype(np.float32)
    colour = np.repeat(grey[..., None], 3, axis=3)
    want = spinefrac.evaluate_model(model, (grey, labels))
    got = spinefrac.evaluate_model(model, (colour, labels))
    assert got["auc"] == pytest.approx(want["auc"], abs=1e-6)
    for wrong, message in (
        (grey / 255, "multiply the images by 255"),
        (grey[:, :16], "resize them"),
        (grey[:10], "one a label"),
        (np.full_like(grey, np.nan), "finite numbers"),
    ):
        with pytest.raises(DatasetError, match=message):
            spinefrac.evaluate_model(model, (wrong, labels))


def test_a_model_of_another_shape_is_refused(folder):
    import keras

    model = keras.Sequential(
        [keras.Input((32, 32, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    with pytest.raises(ModelError, match="one output per slice"):
        spinefrac.train_model_with_cross_validation(model, folder)


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_files_that_are_no_model(tmp_path, content):
    for suffix in (".keras", ".h5"):
        path = tmp_path / f"bad{suffix}"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ModelError):
            spinefrac.load_model(path)


def test_a_model_that_brings_code_is_refused(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((32, 32, 1)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(tmp_path / "code.keras")
    with pytest.raises(ModelError, match=r"code\.keras cannot be loaded"):
        spinefrac.load_model(tmp_path / "code.keras")


def test_names_and_pictures_that_do_not_fit(tmp_path):
    model = spinefrac.build_cnn_model(size=32)
    with pytest.raises(ModelError, match=r"ending in \.keras or \.h5"):
        spinefrac.save_model(model, tmp_path / "model.pkl")
    with pytest.raises(ModelError, match="cannot write"):
        spinefrac.save_model(model, tmp_path / "missing" / "model.keras")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ImageError):
        spinefrac.predict_fracture(tmp_path / "text.png", model)
    with pytest.raises(AttributeError):
        _ = spinefrac.no_such_function


@pytest.mark.slow
def test_saving_over_a_file_never_loses_it(tmp_path):
    path = tmp_path / "model.keras"
    script = (
        "import spinefrac, sys\n"
        "model = spinefrac.build_cnn_model(size=32)\n"
        "while True:\n"
        f"    spinefrac.save_model(model, {str(path)!r}); print('saved', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "saved\n"
    time.sleep(0.31)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert spinefrac.load_model(path).count_params() > 0
