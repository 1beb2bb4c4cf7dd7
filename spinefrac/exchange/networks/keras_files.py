"""Keras files, read as what they are: by their content, in the words of Keras 2 or 3."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spinefrac.errors import ModelError
from spinefrac.exchange.networks import keras2

if TYPE_CHECKING:
    import keras

#: Suffixes of Keras files, in lower case.
SUFFIXES = (".keras", ".h5", ".hdf5")

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
#: What other files begin with.
_OTHERS = (
    (b"version https://git-lfs", "a Git LFS pointer and not the file itself: run `git lfs pull`"),
    (b"<", "a web page and not a model: download the file itself"),
    (b"\x80", "a Python pickle, which may run any code: save the model with model.save('NAME.h5')"),
    (b"TFL3", "a LiteRT (TFLite) file: take the Keras file that it was converted from"),
)


def detect_format(path: Path) -> str:
    """Return ``keras`` or ``h5``, by a file's content.

    Raises
    ------
    ModelError
        The file is missing, empty, or something else.
    """
    name = path.name
    if path.is_dir():
        what = "a SavedModel" if (path / "saved_model.pb").exists() else "a folder"
        raise ModelError(
            f"Expected a .keras or .h5 file, but {name} is {what}: save the model with "
            "model.save('NAME.keras')"
        )
    if not path.is_file():
        raise ModelError(f"There is no file {path}: name an existing .keras or .h5 file")
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise ModelError(f"{name} is empty (0 bytes): copy or save it again")
    if head.startswith(_HDF5_MAGIC):
        return "h5"
    if zipfile.is_zipfile(path):
        return "keras"
    if head.startswith(b"PK"):
        raise ModelError(
            f"{name} is a .keras file that is cut off after {path.stat().st_size:,} bytes: copy or "
            "save it again"
        )
    for magic, what in _OTHERS:
        if head.lstrip().startswith(magic):
            raise ModelError(f"{name} is {what}")
    raise ModelError(
        f"{name} is no Keras file, expected a ZIP (.keras) or HDF5 (.h5): save the model with "
        "model.save('NAME.keras')"
    )


def read_config(path: Path) -> dict[str, Any]:
    """Return the configuration of a network, in words that Keras 3 knows.

    Raises
    ------
    ModelError
        The file is damaged, or has weights only.
    """
    try:
        if detect_format(path) == "keras":
            with zipfile.ZipFile(path) as archive:
                return dict(json.loads(archive.read("config.json")))
        return _read_h5_config(path)[0]
    except (OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path.name} is damaged or holds no network: copy it again") from error


def _read_h5_config(path: Path) -> tuple[dict[str, Any], bool]:
    """Return an HDF5 file's configuration for Keras 3, and whether that is another one."""
    import h5py

    with h5py.File(path, "r") as file:
        content = file.attrs.get("model_config")
        version = file.attrs.get("keras_version")
    if content is None:
        raise ModelError(
            f"{path.name} has weights without a network (no model_config): save the whole model "
            "with model.save('NAME.h5'), or build the network and call its load_weights"
        )
    config = dict(json.loads(content))
    upgraded = keras2.upgrade(config) if keras2.is_keras2(version) else config
    return upgraded, upgraded != config


def load(path: Path, *, compile: bool = False) -> keras.Model:
    """Load a Keras file, without running code from it.

    Parameters
    ----------
    path : Path
        A file of any name.
    compile : bool
        Whether to restore loss, optimizer and metrics. Where Keras cannot, because they are the
        user's own or of Keras 2, the model is not compiled, with a warning.

    Raises
    ------
    ModelError
        It cannot be loaded; the message names the cause.
    """
    import keras

    kind = detect_format(path)
    try:
        with _with_readable_copy(path, kind) as readable:
            if compile:
                try:
                    return keras.models.load_model(readable, compile=True, safe_mode=True)
                except Exception as error:  # noqa: BLE001 - Keras raises any kind for own losses
                    reason = error
            model = keras.models.load_model(readable, compile=False, safe_mode=True)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(explain(error, path, kind)) from error
    if compile:
        warnings.warn(
            f"{path.name} was saved with a loss, an optimizer or metrics that Keras cannot restore "
            f"({type(reason).__name__}): the model predicts as before, and is not compiled as it "
            "was",
            stacklevel=3,
        )
    return model


@contextmanager
def _with_readable_copy(path: Path, kind: str) -> Iterator[Path]:
    """Yield the path of a file that Keras 3 reads: itself, or a copy that is removed again."""
    upgraded, changed = _read_h5_config(path) if kind == "h5" else ({}, False)
    suffix = f".{kind}"
    if not changed and (path.suffix == suffix or (kind == "h5" and path.suffix == ".hdf5")):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="spinefrac-") as folder:
        copy = Path(folder, f"model{suffix}")
        shutil.copyfile(path, copy)
        if changed:
            import h5py

            with h5py.File(copy, "r+") as file:
                file.attrs["model_config"] = json.dumps(upgraded)
        yield copy


def explain(error: Exception, path: Path, kind: str) -> str:
    """Return why Keras refuses a file and what to do, in one line."""
    text = str(error)
    name = path.name
    if kind == "keras" and _is_written_by_keras2(path):
        return (
            f"{name} is a .keras file of Keras 2, which Keras 3 does not read: load it with "
            "Keras 2 and save it as .h5"
        )
    if "Lambda" in text and "TFOpLambda" not in text and ("unsafe" in text or "code" in text):
        return (
            f"{name} cannot be loaded: it has a Lambda layer, which is program code from the file, "
            "and spinefrac never runs it; replace it with built-in layers and save the model again"
        )
    unknown = re.search(
        r"(?:Unknown (?:layer|object)|Could not locate (?:class|function)):? ?'([^']+)'", text
    )
    if unknown and unknown[1] in ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"):
        return (
            f"{name} has a function of TensorFlow between its layers ({unknown[1]} of Keras 2), "
            "which Keras 3 cannot rebuild: replace it with a layer such as Rescaling, or export "
            "the model to ONNX and import that"
        )
    if unknown:
        return (
            f"{name} needs {unknown[1]!r}, which is not built into Keras: in the program where it "
            "is defined, decorate it with @keras.saving.register_keras_serializable() before the "
            "model is loaded, or use built-in layers only"
        )
    if isinstance(error, OSError | zipfile.BadZipFile | EOFError):
        first = (text.strip() or type(error).__name__).splitlines()[0][:120]
        return f"{name} is damaged or cut off ({first}): copy or save it again"
    first = (text.strip() or type(error).__name__).splitlines()[0][:160]
    return (
        f"{name} cannot be loaded as a Keras model ({first}): save it again with save_model, using "
        "built-in layers only"
    )


def _is_written_by_keras2(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(archive.read("metadata.json"))
        return "keras_version" in metadata and keras2.is_keras2(metadata["keras_version"])
    except (OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile):
        return False
