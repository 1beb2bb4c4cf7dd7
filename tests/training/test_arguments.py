"""Whatever is passed to the seven functions works, or ends in one line that says what to pass."""

from __future__ import annotations

import contextlib
import io
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import spinefrac
from spinefrac.errors import ImageError, ModelError, SpinefracError, TrainingError
from spinefrac.imaging import read
from spinefrac.training import arguments
from tests.training.conftest import slice_picture

SIDE = 16


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(0)
    parts = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    return keras.Sequential(
        [keras.Input((SIDE, SIDE, 1)), *parts, keras.layers.Dense(1, activation="sigmoid")]
    )


@pytest.fixture
def picture(tmp_path) -> Path:
    assert cv2.imwrite(str(tmp_path / "slice.PNG"), slice_picture(1, broken=True))
    return tmp_path / "slice.PNG"


def in_hand(path: Path) -> dict:
    """Return everything that people hold where a path is meant."""
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    return {
        "text": str(path),
        "bytes": path.read_bytes(),
        "memory": io.BytesIO(path.read_bytes()),
        "picture": Image.open(path),
        "colour picture": Image.open(path).convert("RGB"),
        "print picture": Image.open(path).convert("CMYK"),
        "integers": grey,
        "channel": grey[..., None],
        "colour": np.repeat(grey[..., None], 3, axis=2),
        "channel first": np.repeat(grey[None], 3, axis=0),
        "batch": grey[None, ..., None].astype(np.float32),
        "shares": grey / 255,
        "signed shares": grey / 127.5 - 1,
        "lists": grey.tolist(),
    }


def test_whatever_people_have_in_hand_is_the_same_slice(picture, model) -> None:
    want = spinefrac.predict_fracture(picture, model).probability
    image = spinefrac.load_and_preprocess_image(picture)
    for name, source in in_hand(picture).items():
        got = spinefrac.predict_fracture(source, model).probability
        assert got == pytest.approx(want, abs=0.01), name
        assert np.abs(spinefrac.load_and_preprocess_image(source) - image).max() <= 2, name
    with picture.open("rb") as file:
        file.read()
        assert spinefrac.predict_fracture(file, model).probability == want


def test_a_prepared_image_is_not_prepared_again(picture, model) -> None:
    want = spinefrac.predict_fracture(picture, model)
    image = spinefrac.load_and_preprocess_image(picture, SIDE)
    assert spinefrac.predict_fracture(image, model) == want
    assert spinefrac.predict_fracture(image[None], model) == want


def test_an_array_of_hounsfield_units_is_windowed() -> None:
    hu = np.full((40, 40), -1000, np.int16)
    hu[10:30, 10:30] = 900
    ct = arguments.slice_from_array(hu)
    assert ct.calibrated and ct.pixels.max() == 900
    assert not arguments.slice_from_array((hu + 1024).astype(np.uint16)).calibrated


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((0, 4)), "size zero"),
        (np.zeros((2, 8, 8, 1)), "one by one"),
        (np.full((8, 8), np.nan), "finite"),
        (np.linspace(-2, 3, 64).reshape(8, 8), "standardised"),
        (np.zeros(8), "one image"),
        (np.array([["a", "b"]]), "of numbers"),
    ],
)
def test_arrays_that_are_no_slice_are_named(array, said, model) -> None:
    with pytest.raises(ImageError, match=said):
        spinefrac.predict_fracture(array, model)


class _Failing:
    """An object whose every use fails."""

    def __array__(self, *_: object, **__: object) -> None:
        raise RuntimeError("no array")

    def read(self) -> None:
        raise RuntimeError("no content")


def zoo(folder: Path, model) -> list:
    """Return arguments of every kind, most of which are wrong everywhere."""
    (folder / "text.png").write_text("hello")
    (folder / "empty.h5").write_bytes(b"")
    (folder / "one").mkdir()
    closed = (folder / "text.png").open("rb")
    closed.close()
    return [
        *(None, True, False, 0, -1, 1.5, float("nan"), 10**30, 3j, "", " ", "no/such/file.png"),
        *("~nobody-of-that-name/x.h5", "a\0b.keras", "x" * 5000 + ".h5", "model.pkl", "25", "~"),
        *(b"", b"hello", Path(), folder, folder / "text.png", str(folder / "empty.h5")),
        *(folder / "one", [], (), {}, {"x": 1}, set(), [None], (1, 2), ("a", "b"), [[1, 2], [3]]),
        *(np.zeros((8, 8)), np.array([]), np.array(["a"]), np.array([object()]), np.float32(3)),
        *(object(), int, len, spinefrac.build_cnn_model, lambda: None, iter([1]), _Failing()),
        *(io.StringIO("text"), io.BytesIO(), closed, Image.new("RGB", (3, 1)), model, Exception()),
        *(range(3), slice(2), np.dtype("f4"), Image.new("F", (4, 4)), memoryview(b"abc")),
    ]


CALLS = {
    "load_and_preprocess_image": lambda a, b, m: spinefrac.load_and_preprocess_image(a, b),
    "build_cnn_model": lambda a, b, m: spinefrac.build_cnn_model(a, b),
    "train, arguments": lambda a, b, m: spinefrac.train_model_with_cross_validation(a, b),
    "train, numbers": lambda a, b, m: spinefrac.train_model_with_cross_validation(
        m, "no such folder", a, b
    ),
    "train, options": lambda a, b, m: spinefrac.train_model_with_cross_validation(
        m, "no such folder", settings=a, initial_weights=b, verbose=b
    ),
    "evaluate_model": lambda a, b, m: spinefrac.evaluate_model(a, b),
    "evaluate_model, data": lambda a, b, m: spinefrac.evaluate_model(m, a),
    "evaluate_model, pair": lambda a, b, m: spinefrac.evaluate_model(m, (a, b)),
    "evaluate_model, class": lambda a, b, m: spinefrac.evaluate_model(m, b, positive_class=a),
    "save_model": lambda a, b, m: spinefrac.save_model(a, b),
    "save_model, path": lambda a, b, m: spinefrac.save_model(m, a),
    "load_model": lambda a, b, m: spinefrac.load_model(a),
    "predict_fracture": lambda a, b, m: spinefrac.predict_fracture(a, b),
    "predict_fracture, path": lambda a, b, m: spinefrac.predict_fracture(a, m),
}


@pytest.mark.parametrize("name", CALLS)
def test_only_our_errors_leave_the_functions(tmp_path, monkeypatch, model, name) -> None:
    """Every pair of arguments of the zoo, each of which works or is refused in one line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    animals = zoo(tmp_path, model)
    shifted = itertools.islice(itertools.cycle(animals), 7, 7 + len(animals))
    pairs = [*zip(animals, shifted, strict=True), *((a, a) for a in animals)]
    for first, second in pairs:
        with contextlib.suppress(SpinefracError):
            try:
                CALLS[name](first, second, model)
            except SpinefracError as error:
                assert len(str(error).splitlines()) == 1 and len(str(error)) < 700, error
                raise


def test_wrong_orders_are_named(picture, model) -> None:
    calls = (
        lambda: spinefrac.predict_fracture(model, str(picture)),
        lambda: spinefrac.evaluate_model(str(picture.parent), model),
        lambda: spinefrac.save_model("model.h5", model),
        lambda: spinefrac.train_model_with_cross_validation(picture.parent, model),
    )
    for call in calls:
        with pytest.raises(SpinefracError, match="in another order than expected: call "):
            call()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("model.h5", "load the file with load_model"),
        (spinefrac.build_cnn_model, r"call it, as in build_cnn_model\(\)"),
        (None, "got None: build one"),
    ],
)
def test_what_is_no_model_is_named(picture, value, said) -> None:
    with pytest.raises(ModelError, match=said):
        spinefrac.predict_fracture(picture, value)


@pytest.mark.parametrize("epochs", [0, -3, 1.5, "25", True, None, [25], np.float64(2)])
def test_epochs_and_folds_are_whole_numbers(model, tmp_path, epochs) -> None:
    with pytest.raises(TrainingError, match="whole number of 1 or more for epochs"):
        spinefrac.train_model_with_cross_validation(model, tmp_path, epochs=epochs)
    if epochs is not None:
        with pytest.raises(TrainingError, match=r"whole number of 1 or more for folds|folds must"):
            spinefrac.train_model_with_cross_validation(model, tmp_path, folds=epochs)
    assert arguments.require_count("epochs", np.int64(3)) == 3


def test_a_size_may_be_the_shape_that_keras_takes() -> None:
    assert arguments.require_size((64, 64)) == arguments.require_size((64, 64, 1)) == 64
    with pytest.raises(TrainingError, match="one grey channel"):
        arguments.require_size((64, 64, 3))
    with pytest.raises(TrainingError, match="8 to 2048 pixels for size, got 4"):
        arguments.require_size(4)


def test_a_home_is_expanded(monkeypatch, tmp_path, model, picture) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = spinefrac.save_model(model, "~/Model.H5")
    assert path == tmp_path / "Model.H5" and path.is_file()
    loaded = spinefrac.load_model("~/Model.H5")
    assert spinefrac.predict_fracture(f"~/{picture.name}", loaded)
    assert spinefrac.predict_fracture(picture, spinefrac.load_model(path.read_bytes()))
    assert read(picture).pixels.shape == (64, 64)
