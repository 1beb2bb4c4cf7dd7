"""Labelled images from whatever Keras evaluates on: iterators, data sets, arrays.

What such a source does not say is not guessed where a wrong guess would give wrong metrics: the
class of a label follows from the names of the classes where the source has them, else 1 is a
fracture; the scale of the images follows from their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.data.class_names import ACCEPTED_NAMES, parse_class_label
from spinefrac.errors import DatasetError, ImageError, SpinefracError
from spinefrac.imaging.system_files import is_system_file
from spinefrac.records import CtSlice, Preprocessing
from spinefrac.training import arguments

#: What can be evaluated on, for errors.
_ACCEPTED = (
    "a labelled folder, (images, labels), an iterator of ImageDataGenerator, a "
    "keras.utils.PyDataset or a tf.data.Dataset"
)


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Images as a model takes them, with labels.

    Attributes
    ----------
    pixels : float32 array, shape (N, S, S)
        Grey values in 0…255.
    labels : int64 array, shape (N,)
        Index into `CLASS_NAMES`.
    notes : tuple of str
        What was assumed or changed.
    """

    pixels: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    notes: tuple[str, ...]


def collect(data: Any, preprocessing: Preprocessing, *, takes_0_255: bool) -> LabelledImages:
    """Collect the images and labels of a source.

    Parameters
    ----------
    data : object
        (images, labels) as tuple or list, an iterator of ``ImageDataGenerator``, a
        ``keras.utils.PyDataset``, a ``tf.data.Dataset``, or a sequence of batches.
    preprocessing : Preprocessing
        Applied to images of another size than its own; those of its size are taken as prepared.
    takes_0_255 : bool
        Whether the model is known to take grey values in 0…255, so that others may be scaled.

    Raises
    ------
    DatasetError
        It is none of these, is endless or empty, or has other labels or images.
    """
    names = _find_class_names(data)
    try:
        return _collect_batches(data, names, preprocessing, takes_0_255=takes_0_255)
    except _SourceError as error:
        files = _list_files(data, names)
        if not files:
            raise
        # An unreadable file ends Keras's iterators; the others are read without them.
        return _collect_files(files, preprocessing, error)


class _SourceError(DatasetError):
    """What a user's own source raised."""


def _collect_batches(
    data: Any, names: Mapping[int, str], preprocessing: Preprocessing, *, takes_0_255: bool
) -> LabelledImages:
    images: list[npt.NDArray[np.float32]] = []
    labels: list[npt.NDArray[np.int64]] = []
    is_float = False
    for x, y in _iterate_batches(data):
        batch = _to_labels(y, names)
        greys, floats = _to_greys(x, len(batch))
        is_float |= floats
        images += greys
        labels.append(batch)
    if not images:
        raise DatasetError(
            "Expected labelled images, got none: the data are empty, or an iterator that was used "
            "up before"
        )
    images, notes = _scale(images, is_float, takes_0_255)
    pixels, resized = _prepare(images, preprocessing)
    joined = np.concatenate(labels)
    return LabelledImages(pixels, joined, (*notes, *resized, *_describe_labels(names)))


def _list_files(data: Any, names: Mapping[int, str]) -> list[tuple[Path, int]]:
    """Return the files of a source that reads class folders, with their labels."""
    meaning = {name: parse_class_label(name) for name in names.values()}
    while data is not None:
        paths = getattr(data, "file_paths", None) or getattr(data, "filepaths", None)
        if isinstance(paths, list | tuple):
            break
        data = getattr(data, "_input_dataset", None)
    else:
        return []
    found = []
    for path in map(Path, paths):
        parts = path.parts
        place = next((i for i in reversed(range(len(parts))) if parts[i] in meaning), None)
        label = None if place is None else meaning[parts[place]]
        if label is not None and not is_system_file("/".join(parts[place:])):
            found.append((path, label))
    return found


def _collect_files(
    files: Sequence[tuple[Path, int]], preprocessing: Preprocessing, error: _SourceError
) -> LabelledImages:
    """Read the files that can be read, as slices of a folder are."""
    pixels, labels, left_out = [], [], []
    for path, label in files:
        try:
            pixels.append(imaging.to_input(imaging.read(path), preprocessing).pixels)
            labels.append(label)
        except ImageError:
            left_out.append(path.name)
    if not pixels or not left_out:
        raise error
    named = ", ".join(left_out[:3]) + (" …" if len(left_out) > 3 else "")
    note = (
        f"{len(left_out)} of {len(files)} files cannot be read and were left out ({named}); the "
        "others were read and prepared as slices of a folder, because Keras stops at such a file."
    )
    return LabelledImages(np.stack(pixels).astype(np.float32), np.array(labels, np.int64), (note,))


# --- batches -----------------------------------------------------------------------------------


def _iterate_batches(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (images, labels); what a user's own source raises becomes a DatasetError."""
    try:
        for batch in _open_source(data):
            yield _split_batch(batch)
    except SpinefracError:
        raise
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise _SourceError(
            f"The data cannot be read: {describe_source(data)} raised {type(error).__name__} "
            f"({first}); make sure that every batch can be taken from it"
        ) from error


def describe_source(data: Any) -> str:
    """Return what a source is, for an error."""
    return arguments.describe(data).removeprefix("a ")


def _open_source(data: Any) -> Iterator[Any]:
    """Return an iterator over the batches of a source, each of which it gives once."""
    import keras
    import tensorflow as tf

    if isinstance(data, tf.data.Dataset):
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise DatasetError(
                "The tf.data.Dataset repeats without an end: leave out .repeat(), or limit it with "
                ".take(batches)"
            )
        return iter(data.as_numpy_iterator())
    if isinstance(data, tuple | list):
        return iter(data if _is_list_of_batches(data) else [data])
    if isinstance(data, keras.utils.PyDataset) or _has_batches(data):
        # By number: the iterators of ImageDataGenerator never end.
        return (data[index] for index in range(_count_batches(data)))
    if hasattr(data, "__iter__") and hasattr(data, "__len__") and not _is_plain(data):
        return iter(data)
    if hasattr(data, "__next__"):
        raise DatasetError(
            "A Python generator may never end: pass a list of its batches, as in "
            "list(itertools.islice(generator, batches)), or the data that it reads"
        )
    if arguments.is_array(data):
        raise DatasetError("Expected images with labels, got an array alone: pass (images, labels)")
    raise DatasetError(f"Expected {_ACCEPTED}, got {arguments.describe(data)}: pass one of these")


def _is_plain(data: Any) -> bool:
    return isinstance(data, str | bytes | Mapping | set | frozenset) or hasattr(data, "__array__")


def _has_batches(data: Any) -> bool:
    return hasattr(data, "__getitem__") and hasattr(data, "__len__") and not _is_plain(data)


def _count_batches(data: Any) -> int:
    try:
        return len(data)
    except TypeError as error:  # a PyDataset whose num_batches is None
        raise DatasetError(
            f"{type(data).__name__} has no number of batches, so it may never end: give it a "
            "num_batches"
        ) from error


def _is_list_of_batches(data: Sequence[Any]) -> bool:
    """Whether a sequence holds (images, labels) pairs rather than images and labels."""
    return bool(data) and all(
        isinstance(entry, tuple | list) and len(entry) in (2, 3) and _count_axes(entry[0]) >= 3
        for entry in data
    )


def _count_axes(value: Any) -> int:
    """Return the number of axes of an array or of nested lists, as far as the first entries say."""
    if hasattr(value, "shape"):
        return len(value.shape)
    return 1 + _count_axes(value[0]) if isinstance(value, list | tuple) and value else 0


def _split_batch(batch: Any) -> tuple[Any, Any]:
    """Return the images and labels of a batch; weights, where there are any, are left out."""
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        raise DatasetError(
            f"Expected batches of images and labels, got {arguments.describe(batch)}: the data "
            "have no labels; ask for them with class_mode='binary' or label_mode='binary'"
        )
    images, labels = batch[:2]
    if _count_axes(images) < 3 <= _count_axes(labels):
        raise DatasetError(
            "Expected (images, labels), got the labels first: pass them in the other order"
        )
    if np.ndim(labels) == 0 and _count_axes(images) in (2, 3):  # a data set without batches
        return [images], [labels]
    return images, labels


# --- labels ------------------------------------------------------------------------------------


def _find_class_names(data: Any) -> dict[int, str]:
    """Return the names of a source's classes by their numbers; empty where it has none."""
    indices = getattr(data, "class_indices", None)
    if isinstance(indices, Mapping):
        return {int(number): str(name) for name, number in indices.items()}
    for _ in range(64):  # through map, prefetch and the like to the data set that has read files
        names = getattr(data, "class_names", None)
        if isinstance(names, list | tuple):
            return dict(enumerate(map(str, names)))
        data = getattr(data, "_input_dataset", None)
        if data is None:
            break
    return {}


def _to_labels(values: Any, names: Mapping[int, str]) -> npt.NDArray[np.int64]:
    """Return the labels of a batch (N,), 1 for a fracture, from numbers, one-hot rows or names."""
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    array = array.reshape(1) if array.ndim == 0 else array
    if array.dtype.kind in "US" or (array.dtype.kind == "O" and _are_texts(array)):
        return _parse_names(array.astype(str).ravel().tolist())
    if array.ndim > 2:
        raise DatasetError(
            f"Expected one label an image, got labels of shape {array.shape}: ask for them with "
            "class_mode='binary' or label_mode='binary'"
        )
    if array.dtype.kind not in "buif":
        raise DatasetError(f"Expected labels 0 and 1, got values of type {array.dtype}: pass those")
    meaning = _map_classes(names)
    if array.ndim == 2:
        array = _undo_one_hot(array)
    if not np.isin(array, np.arange(max(2, len(names)))).all():
        wrong = ", ".join(f"{value:g}" for value in np.unique(array.astype(float))[:6])
        raise DatasetError(
            f"Expected labels 0 (no fracture) and 1 (fracture), got {wrong}: pass those"
        )
    return np.array([meaning[int(value)] for value in array], np.int64)


def _are_texts(array: npt.NDArray[Any]) -> bool:
    return all(isinstance(entry, str | bytes) for entry in array.ravel().tolist())


def _parse_names(names: Sequence[str]) -> npt.NDArray[np.int64]:
    labels = [parse_class_label(name) for name in names]
    if None in labels:
        raise DatasetError(
            f"Expected labels of two classes, {ACCEPTED_NAMES}; got "
            f"{arguments.describe(names[labels.index(None)])}: rename it"
        )
    return np.array(labels, np.int64)


def _undo_one_hot(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the column of each row's one."""
    if rows.shape[1] != 2:
        raise DatasetError(
            f"Expected labels of two classes, got one-hot rows of {rows.shape[1]}: leave the other "
            "classes out, or join them to two"
        )
    if not (np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all()):
        raise DatasetError(
            "Expected one-hot rows, a single 1 each, got other values in two columns: pass one "
            "label of 0 or 1 an image"
        )
    return np.asarray(rows.argmax(axis=1))


def _map_classes(names: Mapping[int, str]) -> dict[int, int]:
    """Return the label, 1 for a fracture, of each number of a class."""
    if not names:
        return {0: 0, 1: 1}
    meaning = {number: parse_class_label(name) for number, name in names.items()}
    known = {number: label for number, label in meaning.items() if label is not None}
    if len(known) != len(names) or set(known.values()) != {0, 1}:
        listed = ", ".join(repr(name) for _, name in sorted(names.items()))
        if len(known) == 2 and set(known.values()) == {0, 1}:  # beside masks, for example
            kept = sorted(known, key=lambda number: known[number])
            raise DatasetError(
                f"Expected two classes, got {listed}: leave the others out, with "
                f"classes={[names[number] for number in kept]} in flow_from_directory, or "
                "class_names in image_dataset_from_directory"
            )
        raise DatasetError(
            f"Expected classes named as {ACCEPTED_NAMES}; got {listed}: rename the folders, so "
            "that it is known which label is the fracture"
        )
    return known


def _describe_labels(names: Mapping[int, str]) -> list[str]:
    if not names:
        return []
    meaning = _map_classes(names)
    fracture = next(number for number, label in meaning.items() if label == 1)
    return [f"Label {fracture} of the data is {names[fracture]!r} and counts as fracture."]


# --- images ------------------------------------------------------------------------------------


def _to_greys(images: Any, count: int) -> tuple[list[npt.NDArray[np.float32]], bool]:
    """Return each image of a batch as (H, W), and whether they came as numbers with a fraction."""
    batch = images
    if not isinstance(batch, list | tuple) or _count_axes(batch) == 4:
        batch = np.asarray(batch)
        if batch.ndim not in (3, 4) or batch.dtype.kind not in "buif":
            raise DatasetError(
                f"Expected images (N, side, side) or (N, side, side, 1 or 3), got values of type "
                f"{batch.dtype} and shape {batch.shape}: pass the pixels"
            )
    if len(batch) != count:
        raise DatasetError(
            f"Expected {count} images, one a label, got {len(batch)}: pass as many of both"
        )
    try:
        arrays = [arguments.to_array(image) for image in batch]
        greys = [arguments.to_grey(array) for array in arrays]
    except ImageError as error:
        raise DatasetError(str(error)) from error
    if not all(np.isfinite(grey).all() for grey in greys):
        raise DatasetError("Expected images of finite numbers, got gaps (NaN) or infinity in them.")
    return greys, any(array.dtype.kind == "f" for array in arrays)


def _scale(
    images: list[npt.NDArray[np.float32]], is_float: bool, takes_0_255: bool
) -> tuple[list[npt.NDArray[np.float32]], list[str]]:
    """Return images in 0…255, and what was done to them."""
    low = min((float(image.min()) for image in images if image.size), default=0.0)
    high = max((float(image.max()) for image in images if image.size), default=0.0)
    if is_float and low >= -1 and 0 < high <= 1:
        found = "0…1" if low >= 0 else "-1…1"
        if not takes_0_255:
            raise DatasetError(
                f"Expected grey values in 0…255, got values in {found}: multiply the images by 255 "
                "or leave out rescale=1/255. A model that was trained on others than 0…255 needs "
                "them as its first layer, keras.layers.Rescaling"
            )
        factor, offset = (255.0, 0.0) if low >= 0 else (127.5, 127.5)
        scaled = [image * np.float32(factor) + np.float32(offset) for image in images]
        return scaled, [f"The images were in {found} and were scaled to 0…255, as in training."]
    if low < -1 or high > 256:
        raise DatasetError(
            f"Expected grey values in 0…255, got {low:.4g} to {high:.4g}: as if a preprocess_input "
            "had subtracted means, or in Hounsfield units; pass the images before that, or a folder"
        )
    return images, []


def _prepare(
    images: list[npt.NDArray[np.float32]], preprocessing: Preprocessing
) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Return images of the model's size as they are, and others as slices of a folder are."""
    side = preprocessing.size
    pixels = np.empty((len(images), side, side), np.float32)
    resized = 0
    for row, image in enumerate(images):
        if image.shape == (side, side):
            pixels[row] = image
            continue
        if image.ndim != 2 or image.shape[0] != image.shape[1] or not image.size:
            raise DatasetError(
                f"Expected square images, of {side} × {side} pixels, got {image.shape}: "
                "resize them."
            )
        ct = CtSlice(np.clip(image, 0, 255), calibrated=False, format="array")
        pixels[row] = imaging.to_input(ct, preprocessing).pixels
        resized += 1
    if not resized:
        return pixels, []
    crop = "cropped to the bone and " if preprocessing.bone_crop else ""
    return pixels, [
        f"{resized} images of another size were {crop}resized to {side} × {side}, as in training."
    ]
