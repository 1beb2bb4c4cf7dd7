"""What people pass to the functions of `spinefrac`, checked before anything runs."""

from __future__ import annotations

import contextlib
import io
import os
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.errors import ImageError, ModelError, SpinefracError, TrainingError
from spinefrac.imaging.formats.raster import stretch_contrast
from spinefrac.imaging.limits import check_image_size
from spinefrac.records import CtSlice, FloatImage
from spinefrac.training.settings import SETTINGS

#: Whole values from so far below zero on are Hounsfield units: no grey values, not standardised.
_SURELY_HOUNSFIELD = -200.0

#: Accepted sides of a square input, in pixels.
_SIZE_RANGE = (8, 2048)

#: Smoothing and resizing may pass 0 and 255 by so much.
_GREY_TOLERANCE = 1.0


def describe(value: Any) -> str:
    """Return what a value is, for an error: its type, and a short text or number itself."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else f"{value[:77]}...")
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    kind = type(value)
    module = kind.__module__.partition(".")[0]
    return f"a {kind.__name__}" + ("" if module == "builtins" else f" of {module}")


def is_model(value: Any) -> bool:
    """Whether a value is a Keras model."""
    import keras

    return isinstance(value, keras.Model)


def require_model(value: Any, call: str, others: tuple[Any, ...] = ()) -> None:
    """Raise ModelError where the argument `model` of a call is something else.

    Parameters
    ----------
    value : object
    call : str
        As it should be, such as ``predict_fracture(path, model)``.
    others : tuple
        The other arguments, among which the model may be.
    """
    if is_model(value):
        return
    if any(map(is_model, others)):
        raise ModelError(f"The arguments are in another order than expected: call {call}")
    advice = "build one with build_cnn_model() or load one with load_model()"
    if isinstance(value, str | os.PathLike):
        advice = "load the file with load_model() first"
    elif callable(value) and hasattr(value, "__name__"):
        advice = f"call it, as in {value.__name__}()"
    elif type(value).__module__.startswith("tf_keras"):
        advice = "it is of Keras 2 (tf_keras): save it as .h5 and load that with load_model()"
    raise ModelError(f"Expected a keras.Model in {call}, got {describe(value)}: {advice}")


def require_count(name: str, value: Any) -> int:
    """Return a whole number of one or more; TrainingError for anything else."""
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1:
        return int(value)
    raise TrainingError(
        f"Expected a whole number of 1 or more for {name}, got {describe(value)}: pass one, such "
        f"as {name}={SETTINGS[name].default or 5}"
    )


def require_size(value: Any) -> int:
    """Return the side of a square input; TrainingError for anything else.

    A shape such as (224, 224) or (224, 224, 1), as Keras takes it, is its side.
    """
    is_shape = isinstance(value, tuple | list) and all(isinstance(n, Integral) for n in value)
    if is_shape and len(value) in (2, 3) and value[0] == value[1]:
        if len(value) == 3 and value[2] != 1:
            raise TrainingError(
                f"Expected a size in pixels, got the shape {tuple(value)}: the networks of "
                f"build_cnn_model take one grey channel; pass size={value[0]}, or build a network "
                "of your own for colour"
            )
        value = value[0]
    low, high = _SIZE_RANGE
    if isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high:
        return int(value)
    raise TrainingError(
        f"Expected a whole number of {low} to {high} pixels for size, got {describe(value)}: pass "
        f"one, such as size={SETTINGS['size'].default}"
    )


def require_path(
    value: Any, what: str, error: type[SpinefracError], call: str, others: tuple[Any, ...] = ()
) -> Path:
    """Return a path, ``~`` expanded; an error of the given kind for anything else.

    Parameters
    ----------
    value : object
    what : str
        What the path leads to.
    error : type
    call : str
        As it should be.
    others : tuple
        The other arguments, among which the path may be.
    """
    if is_model(value) and any(isinstance(other, str | os.PathLike) for other in others):
        raise error(f"The arguments are in another order than expected: call {call}")
    try:
        path = Path(os.fsdecode(value)).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.stat()  # fails otherwise for a text that is no path: with a NUL, or far too long
    except (TypeError, ValueError, RuntimeError, OSError) as cause:
        raise error(
            f"Expected the path of {what} in {call}, got {describe(value)}: pass it as text or Path"
        ) from cause
    return path


# --- slices ------------------------------------------------------------------------------------


def read_slice(source: Any, call: str, others: tuple[Any, ...] = ()) -> CtSlice:
    """Read a slice from whatever people have in hand.

    Parameters
    ----------
    source : path, bytes, binary file, PIL image or array
        Arrays as in `slice_from_array`.
    call : str
        As it should be, for errors.
    others : tuple
        The other arguments of the call.

    Raises
    ------
    ImageError
        It is none of these, or cannot be read as a slice.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return imaging.read(bytes(source))
    if isinstance(source, str | os.PathLike):
        return imaging.read(require_path(source, "a CT slice", ImageError, call))
    if callable(getattr(source, "read", None)):
        return imaging.read(_read_file(source), name=_get_file_name(source))
    if is_picture(source):
        return _slice_from_picture(source)
    if is_array(source):
        return slice_from_array(to_array(source))
    if is_model(source) and others:
        raise ImageError(f"The arguments are in another order than expected: call {call}")
    raise ImageError(
        f"Expected the path of a CT slice in {call}, or bytes, an open file, a PIL image or an "
        f"array, got {describe(source)}: pass one of these"
    )


def is_picture(value: Any) -> bool:
    """Whether a value is a PIL image."""
    from PIL import Image

    return isinstance(value, Image.Image)


def is_array(value: Any) -> bool:
    """Whether a value is an array, a tensor, or nested lists of numbers."""
    return hasattr(value, "__array__") or isinstance(value, list | tuple)


def to_array(value: Any) -> npt.NDArray[Any]:
    """Return an array; ImageError where a value is none of numbers."""
    try:
        array = np.asarray(value)
    except Exception as error:
        raise ImageError(
            f"Expected an array of numbers, got {describe(value)} that is none: pass grey values"
        ) from error
    if array.dtype.kind in "US":
        raise ImageError("Expected an array of numbers, got texts: pass paths one by one")
    if array.dtype.kind not in "buif":
        raise ImageError(
            f"Expected an array of numbers, got values of type {array.dtype}: pass grey values"
        )
    return array


def _read_file(file: Any) -> bytes:
    """Return the whole content of an open file, from its start where it has one."""
    try:
        if callable(getattr(file, "seek", None)):
            file.seek(0)
        content = file.read()
    except Exception as error:
        raise ImageError(
            f"The open file cannot be read ({type(error).__name__}): open it anew, as in "
            "open(path, 'rb')"
        ) from error
    if not isinstance(content, bytes | bytearray):
        raise ImageError("The file is open as text: open it with open(path, 'rb')")
    return bytes(content)


def _get_file_name(file: Any) -> str:
    name = getattr(file, "name", "")
    return Path(name).name if isinstance(name, str) else ""


def _slice_from_picture(picture: Any) -> CtSlice:
    """Read a PIL image by the same rules as its file."""
    from PIL import ImageOps

    columns, rows = picture.size
    check_image_size(rows, columns, len(picture.getbands()))
    try:
        picture = ImageOps.exif_transpose(picture)
        if picture.mode in ("I", "F"):
            return slice_from_array(np.asarray(picture))
        if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
            picture = picture.convert("RGB")
        content = io.BytesIO()
        picture.save(content, "PNG")
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(
            f"The PIL image cannot be read ({type(error).__name__}): open its file anew"
        ) from error
    return imaging.read(content.getvalue(), name="the image")


def slice_from_array(array: npt.NDArray[Any]) -> CtSlice:
    """Take an array as a slice.

    Parameters
    ----------
    array : array, shape (H, W), (H, W, channels), (channels, H, W) or one of these in a batch of 1
        Grey values in 0…255 or 0…1, Hounsfield units, or values of 16 bits without a scale.

    Raises
    ------
    ImageError
        It has another shape, or values that are none of these.
    """
    pixels = to_grey(array)
    check_image_size(*pixels.shape)
    if not np.isfinite(pixels).all():
        raise ImageError("Expected finite values, got gaps (NaN) or infinity: fill them first")
    low, high = float(pixels.min()), float(pixels.max())
    if low <= _SURELY_HOUNSFIELD:
        return CtSlice(pixels, calibrated=True, format="array", bits=16)
    pixels = to_0_255(pixels, is_float=array.dtype.kind == "f")
    if low < -_GREY_TOLERANCE:
        raise ImageError(
            f"Expected grey values in 0…255 or 0…1, or Hounsfield units, got {low:.3g} to "
            f"{high:.3g}, as if standardised: pass the file itself, or values before that"
        )
    if high > 255 + _GREY_TOLERANCE:  # as in files of 16 bits, which state no scale either
        pixels = stretch_contrast(pixels.copy())
    return CtSlice(np.clip(pixels, 0, 255), calibrated=False, format="array")


def to_0_255(pixels: FloatImage, *, is_float: bool) -> FloatImage:
    """Return values in 0…1 or -1…1 as grey values in 0…255, and others as they are."""
    if not is_float or not pixels.size or pixels.max() > 1 or pixels.min() < -1:
        return pixels
    if pixels.min() < 0:
        return (pixels + np.float32(1)) * np.float32(127.5)
    return pixels * np.float32(255)


def to_grey(array: npt.NDArray[Any]) -> FloatImage:
    """Return one image as (H, W) float32: the mean of its colours, without transparency."""
    shape = array.shape
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 3 and array.shape[2] in (1, 3, 4):
        array = array[..., :3].mean(axis=2, dtype=np.float32)
    if array.ndim != 2:
        raise ImageError(
            f"Expected one image, (H, W) or (H, W, 1 or 3), got an array of shape {shape}: pass "
            "the slices one by one"
        )
    scale = 255 if array.dtype.kind == "b" else 1
    return np.ascontiguousarray(array, np.float32) * np.float32(scale)
