"""Whatever Keras evaluates on is read for what it is, or refused for the true cause."""

import cv2
import numpy as np
import pytest

import spinefrac
from spinefrac.errors import DatasetError
from spinefrac.records import Preprocessing
from spinefrac.training import labelled_images

SIDE = 32
LABELS = np.array([1] * 5 + [0] * 7)
IMAGES = np.random.default_rng(0).normal(60, 5, (12, SIDE, SIDE)).astype(np.float32)
IMAGES[:5] += 140
#: Which class is which shows in nothing but these.
EXPECTED = [[7, 0], [0, 5]]


@pytest.fixture(scope="module")
def model():
    """A model that says fracture where a slice is bright, of images in 0…255."""
    return make_model(1, 1)


def make_model(channels: int, units: int):
    import keras
    from keras import layers

    image = keras.Input((SIDE, SIDE, channels))
    pooled = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(image))
    head = layers.Dense(units, activation="sigmoid" if units == 1 else "softmax")
    built = keras.Model(image, head(pooled))
    weights, bias = np.zeros((channels, units)), np.zeros(units)
    weights[:, -1], bias[-1] = 20 / channels, -10
    head.set_weights([weights, bias])
    return built


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Class folders that the alphabet puts in the other order: fracture is 0."""
    root = tmp_path_factory.mktemp("slices")
    for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        name = "fracture" if label else "normal"
        (root / name).mkdir(exist_ok=True)
        large = cv2.resize(image, (64, 64)).astype(np.uint8)
        assert cv2.imwrite(str(root / name / f"P{number:02}.png"), large)
    return root


def make_pydataset(labels):
    import keras

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            rows = slice(4 * index, 4 * index + 4)
            return IMAGES[rows, ..., None], labels[rows]

    return Batches()


def iterate_folder(folder, rescale=None, size: int = SIDE, **options):
    import tensorflow as tf

    generator = tf.keras.preprocessing.image.ImageDataGenerator(rescale=rescale)
    return generator.flow_from_directory(folder, target_size=(size, size), **options)


def read_folder(folder, size: int = SIDE, **options):
    import keras

    return keras.utils.image_dataset_from_directory(
        folder, image_size=(size, size), verbose=False, **options
    )


def accepted(folder) -> dict:
    """Return the same slices in every form that people's scripts have."""
    import tensorflow as tf

    one_hot = np.eye(2)[LABELS]
    names = np.where(LABELS, "fracture", "no_fracture")
    return {
        "pair": (IMAGES, LABELS),
        "list": [IMAGES[..., None], LABELS[:, None]],
        "colour, one-hot": (np.repeat(IMAGES[..., None], 3, axis=3), one_hot),
        "channels first": (IMAGES[:, None], LABELS == 1),
        "names": (list(IMAGES), list(names)),
        "tensors": (tf.constant(IMAGES), tf.constant(LABELS)),
        "batches": [(IMAGES[:4], LABELS[:4]), (IMAGES[4:], LABELS[4:])],
        "PyDataset": make_pydataset(LABELS),
        "PyDataset, one-hot": make_pydataset(one_hot),
        "iterator": iterate_folder(folder, class_mode="binary", batch_size=5),
        "iterator, one-hot, 0…1": iterate_folder(folder, 1 / 255, class_mode="categorical"),
        "iterator, another size": iterate_folder(folder, 1 / 255, size=48, class_mode="sparse"),
        "data set": read_folder(folder),
        "data set, one-hot": read_folder(folder, label_mode="categorical", size=100),
        "data set, mapped": read_folder(folder, label_mode="binary")
        .map(lambda x, y: (x / 255, y))
        .prefetch(1),
        "data set, no batches": tf.data.Dataset.from_tensor_slices((IMAGES[..., None], LABELS)),
        "folder": folder,
        "folder as text": str(folder),
    }


def test_every_form_of_the_same_slices_is_evaluated_alike(model, folder) -> None:
    for name, data in accepted(folder).items():
        assert spinefrac.evaluate_model(model, data)["confusion_matrix"] == EXPECTED, name
    colour = make_model(3, 2)  # two outputs, three channels
    for name in ("pair", "iterator, one-hot, 0…1", "data set"):
        got = spinefrac.evaluate_model(colour, accepted(folder)[name])
        assert got["confusion_matrix"] == EXPECTED, name


def test_what_was_changed_is_said(model, folder) -> None:
    data = iterate_folder(folder, 1 / 255, size=48, class_mode="binary")
    notes = " ".join(spinefrac.evaluate_model(model, data)["notes"])
    assert "were in 0…1 and were scaled to 0…255" in notes
    assert "12 images of another size were cropped to the bone and resized to 32 × 32" in notes
    assert "Label 0 of the data is 'fracture'" in notes


def test_a_model_of_the_other_class_is_suspected_and_can_be_declared(model) -> None:
    data = (np.tile(IMAGES, (4, 1, 1)), np.tile(1 - LABELS, 4))
    measured = spinefrac.evaluate_model(model, data)
    assert measured["auc"] == 0 and "pass positive_class=0" in measured["notes"][-1]
    turned = spinefrac.evaluate_model(model, data, positive_class=0)
    assert turned["auc"] == 1 and not any("positive_class" in note for note in turned["notes"])
    assert spinefrac.predict_fracture(IMAGES[0], model).label == "fracture"
    assert spinefrac.predict_fracture(IMAGES[0], model, positive_class=0).label == "no fracture"


def refused(folder) -> list:
    import tensorflow as tf

    pair = (IMAGES, LABELS)
    other = tf.data.Dataset.from_tensor_slices(pair).batch(4)
    other.class_names = ["cats", "dogs"]
    masks = tf.data.Dataset.from_tensor_slices((IMAGES, np.eye(3)[np.arange(12) % 3])).batch(4)
    masks.class_names = ["fracture", "masks", "normal"]
    return [
        ((LABELS, IMAGES), "got the labels first"),
        (IMAGES, "an array alone"),
        (iterate_folder(folder, class_mode=None), "have no labels; ask for them"),
        (iterate_folder(folder, class_mode="input"), "one label an image"),
        (read_folder(folder).repeat(), r"repeats without an end: leave out \.repeat"),
        ((batch for batch in [pair]), "generator may never end"),
        ((IMAGES, np.eye(3)[np.arange(12) % 3]), "two classes, got one-hot rows of 3"),
        ((IMAGES, np.full((12, 2), 0.5)), "single 1 each"),
        ((IMAGES, LABELS + 1), "got 1, 2"),
        ((IMAGES, 2 * LABELS - 1), "got -1, 1"),
        ((IMAGES, LABELS * 0.9), "got 0, 0.9"),
        ((IMAGES, ["cat"] * 12), "got 'cat': rename it"),
        (other, "got 'cats', 'dogs': rename the folders"),
        (masks, r"leave the others out, with classes=\['normal', 'fracture'\]"),
        ((["a.png", "b.png"], [0, 1]), "got texts: pass paths one by one"),
        ((IMAGES[:0], LABELS[:0]), "got none"),
        ((IMAGES / 255, LABELS), "values in 0…1: multiply the images by 255"),
        ((IMAGES / 127.5 - 1, LABELS), "values in -1…1"),
        ((IMAGES - 123, LABELS), "preprocess_input had subtracted means"),
        ((IMAGES, LABELS[:3]), "3 images, one a label, got 12"),
        ((IMAGES * np.nan, LABELS), "gaps"),
        ((IMAGES[:, :16], LABELS), "resize them"),
        ({"images": IMAGES}, "got a dict"),
        (3, "got 3"),
    ]


def test_everything_else_is_refused_for_the_true_cause(model, folder) -> None:
    for data, said in refused(folder):
        with pytest.raises(DatasetError, match=said):
            spinefrac.evaluate_model(model, data)


def test_a_scale_is_not_guessed_for_a_model_that_does_not_tell(folder) -> None:
    data = iterate_folder(folder, 1 / 255, class_mode="binary")
    with pytest.raises(DatasetError, match=r"keras\.layers\.Rescaling"):
        labelled_images.collect(data, Preprocessing(size=SIDE), takes_0_255=False)


def test_a_file_that_keras_cannot_read_costs_itself_only(model, folder, tmp_path) -> None:
    import shutil

    copied = shutil.copytree(folder, tmp_path / "slices")
    (copied / "fracture" / "empty.png").write_bytes(b"")
    for data in (read_folder(copied), iterate_folder(copied, class_mode="binary")):
        measured = spinefrac.evaluate_model(model, data)
        assert measured["confusion_matrix"] == EXPECTED
        assert "1 of 13 files cannot be read and were left out (empty.png)" in measured["notes"][0]


def test_what_a_users_own_source_raises_is_named(model) -> None:
    import keras

    class Broken(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            raise KeyError("column")

    with pytest.raises(DatasetError, match=r"Broken.* raised KeyError \('column'\)"):
        spinefrac.evaluate_model(model, Broken())
