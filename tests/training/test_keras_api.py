"""The seven functions, in the order in which users of Keras call them."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import spinefrac
from spinefrac.errors import DatasetError, ImageError, ModelError, TrainingError
from spinefrac.training import networks
from spinefrac.training.keras_api import FracturePrediction
from spinefrac.training.settings import TrainingSettings
from tests.training.conftest import slice_picture


def write_jpegs(folder, patients: range) -> None:
    for patient in patients:
        for label, name in enumerate(("normal", "fracture")):
            (folder / name).mkdir(parents=True, exist_ok=True)
            image = slice_picture(10 * patient + label, broken=bool(label))
            assert cv2.imwrite(str(folder / name / f"P{patient:02}_{label}.jpg"), image)


@pytest.mark.slow
def test_the_example_of_the_readme_runs_word_for_word(tmp_path, monkeypatch, capsys):
    """Two patients: the plain call makes two folds of them."""
    import keras

    write_jpegs(tmp_path / "path_to_image_directory", range(2))
    write_jpegs(tmp_path / "path_to_validation_directory", range(2, 4))
    for name in ("path_to_ct_image.jpg", "path_to_new_ct_scan_image.jpg"):
        assert cv2.imwrite(str(tmp_path / name), slice_picture(99, broken=True))
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
    example = re.search(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)[1]
    steps = [
        "image = load_and_preprocess_image('path_to_ct_image.jpg')",
        "model = build_cnn_model()",
        "trained_model = train_model_with_cross_validation("
        "model, 'path_to_image_directory', epochs=25)",
        "evaluate_model(trained_model, validation_generator)",
        "save_model(trained_model, 'fracture_detection_model.h5')",
        "model = load_model('fracture_detection_model.h5')",
        "prediction = predict_fracture('path_to_new_ct_scan_image.jpg', model)",
        'print(f"Prediction for {new_image_path}: {prediction}")',
    ]
    assert example.strip().splitlines()[-8:] == steps
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert "2 folds, not 5: the most that keep whole groups of both classes" in "\n".join(printed)
    assert re.fullmatch(
        r"Prediction for path_to_new_ct_scan_image\.jpg: (no )?fracture "
        r"\(probability of fracture .* %\)",
        printed[-1],
    )
    trained = names["trained_model"]
    assert isinstance(trained, keras.Model)
    measured = trained.cross_validation
    assert measured.metrics.n == 4 and measured.metrics.groups == 2
    assert trained.metrics.auc == measured.metrics.auc and len(measured.history) == 50
    assert len(trained.predict(names["image"][None], verbose=0)) == 1


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


@pytest.mark.slow
def test_a_pretrained_model_with_two_outputs(folder, capsys):
    """As in transfer learning: a frozen backbone, a new head with a softmax, mixed precision."""
    import keras
    from keras import layers

    backbone = keras.Sequential(
        [keras.Input((32, 32, 3)), layers.Conv2D(4, 3, dtype="mixed_float16"), layers.ReLU()]
    )
    backbone.trainable = False
    kept = [weights.copy() for weights in backbone.get_weights()]
    image = keras.Input((32, 32, 3))
    scaled = keras.applications.mobilenet_v2.preprocess_input(image)
    pooled = layers.GlobalAveragePooling2D()(backbone(scaled))
    head = layers.Dense(2, activation="softmax", dtype="float32")
    model = keras.Model(image, head(pooled))
    model.compile("adam", "categorical_crossentropy", metrics=[keras.metrics.AUC()])
    trained = spinefrac.train_model_with_cross_validation(model, folder, 1, 2)
    again = spinefrac.train_model_with_cross_validation(model, folder, 1, 2, verbose=False)
    assert trained is model is again and not backbone.trainable
    for got, want in zip(backbone.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(got, want)
    # The second time no fold knows what it is evaluated on: the state before the first one.
    assert "trained on slices of this data set before" in again.cross_validation.notes[0]
    np.testing.assert_allclose(
        again.cross_validation.out_of_fold.logits, trained.out_of_fold.logits, atol=0.2
    )
    # It was compiled for one-hot labels, and is again.
    model.evaluate(np.zeros((2, 32, 32, 3)), np.eye(2), verbose=0)
    assert "fold 2, epoch 1" in capsys.readouterr().out


def test_a_training_that_fails_leaves_the_model_as_it_was(folder):
    import keras

    # Its outputs overflow once it has learned something.
    parts = [keras.layers.Flatten(), keras.layers.Dense(1), keras.layers.Rescaling(1e38)]
    model = keras.Sequential([keras.Input((32, 32, 1)), *parts])
    before = [weights.copy() for weights in model.get_weights()]
    with pytest.raises(TrainingError, match="no longer a number"):
        spinefrac.train_model_with_cross_validation(model, folder, 1, 2, verbose=False)
    for got, want in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.874, "87 %"), (0.0, "0 %"), (0.001, "less than 1 %"), (0.999, "more than 99 %")],
)
def test_a_prediction_reads_well(probability, said):
    label = "fracture" if probability >= 0.5 else "no fracture"
    prediction = FracturePrediction(label, probability)
    assert f"{prediction}" == f"{label} (probability of fracture {said})"
    assert tuple(prediction) == (label, probability) and float(prediction) == probability


def test_models_that_cannot_be_followed_are_named():
    import keras

    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    unbuilt = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    image = keras.Input((8, 8, 1))
    named = keras.Model(image, {"p": keras.layers.Dense(1)(keras.layers.Flatten()(image))})
    picture = slice_picture(1, broken=True)
    for model, said in (
        (named, r"a dictionary with \['p'\]"),
        (unbuilt, "begin it with keras.Input"),
        (Own(), "a subclass of keras.Model"),
    ):
        with pytest.raises(ModelError, match=said):
            spinefrac.predict_fracture(picture, model)


def test_a_model_file_that_is_open_as_text_is_named(tmp_path):
    (tmp_path / "model.h5").write_text("text")
    with (tmp_path / "model.h5").open() as file, pytest.raises(ModelError, match="open as text"):
        spinefrac.load_model(file)


def test_any_square_input_is_given_the_usual_size():
    import keras

    model = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1)]
    )
    assert spinefrac.predict_fracture(slice_picture(1, broken=True), model).label


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
        [keras.Input((32, 32, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
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


def test_initial_weights_of_a_built_model(folder, tmp_path):
    """Those of the package by default, random ones and those of a file by name."""
    spine, again = spinefrac.build_cnn_model(size=32), spinefrac.build_cnn_model(size=32)
    drawn = spinefrac.build_cnn_model(size=32, weights="none")
    assert np.array_equal(spine.get_weights()[0], again.get_weights()[0])
    assert not np.array_equal(spine.get_weights()[0], drawn.get_weights()[0])
    networks.build_network("compact", 32, seed=1).save_weights(tmp_path / "own.weights.h5")
    own = spinefrac.build_cnn_model(size=32, weights=tmp_path / "own.weights.h5")
    expected = networks.build_network("compact", 32, seed=1).get_weights()
    assert np.array_equal(own.get_weights()[0], expected[0])
    with pytest.raises(TrainingError, match="no weights named 'imagenet'"):
        spinefrac.build_cnn_model(weights="imagenet")
    with pytest.raises(TrainingError, match="Expected a name or a file for weights, got 3"):
        spinefrac.build_cnn_model(weights=3)
