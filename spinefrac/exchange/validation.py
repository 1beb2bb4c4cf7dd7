"""Verify Keras files of other tools before anything is built from them.

Only declarations are read: names and sizes in the archive, the configuration of the network,
the shapes in a weights file. Only layers on a list are accepted, because a configuration may
name any code, and no size beyond what a network for single slices needs. Keras's own safe mode
comes after this and is never switched off.
"""

from __future__ import annotations

import json
import math
import stat
import zipfile
from pathlib import Path
from typing import Any

from spinefrac.errors import ModelError
from spinefrac.exchange.networks import keras2

_MIB = 1 << 20

#: Largest accepted file, and largest total of the weights that it declares.
MAX_FILE_BYTES = 1024 * _MIB
MAX_WEIGHT_BYTES = 1024 * _MIB
#: Largest configuration of a network (JSON).
_MAX_CONFIG_BYTES = 32 * _MIB
#: Largest number in a configuration: units, filters, a side of an image.
_MAX_NUMBER = 1 << 20
#: Keys whose numbers are not sizes.
_UNCHECKED_KEYS = ("seed", "shared_object_id")
_MAX_DEPTH, _MAX_ENTRIES = 60, 300_000


def split_words(text: str) -> frozenset[str]:
    """Return the names in a text, separated by white space."""
    return frozenset(text.split())


_ALLOWED_LAYERS = split_words("""
    InputLayer Dense Flatten Reshape Permute Identity Activation Softmax ReLU LeakyReLU PReLU ELU
    Dropout SpatialDropout2D GaussianDropout GaussianNoise AlphaDropout ActivityRegularization
    Conv2D Convolution2D SeparableConv2D SeparableConvolution2D DepthwiseConv2D Conv2DTranspose
    Convolution2DTranspose MaxPooling2D MaxPool2D AveragePooling2D AvgPool2D GlobalMaxPooling2D
    GlobalMaxPool2D GlobalAveragePooling2D GlobalAvgPool2D UpSampling2D ZeroPadding2D Cropping2D
    BatchNormalization BatchNormalizationV1 LayerNormalization GroupNormalization UnitNormalization
    SyncBatchNormalization SpectralNormalization Normalization Rescaling Resizing CenterCrop
    RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomBrightness
    RandomCrop
    Add Subtract Multiply Average Maximum Minimum Concatenate Dot
    MultiHeadAttention Attention AdditiveAttention
    Functional Sequential Model
""")
_ALLOWED_OBJECTS = split_words("""
    GlorotUniform GlorotNormal HeUniform HeNormal LecunUniform LecunNormal VarianceScaling Zeros
    Ones Constant RandomNormal RandomUniform TruncatedNormal Orthogonal Identity
    OrthogonalRegularizer IdentityInitializer OrthogonalInitializer L1 L2 L1L2 L1l2 MaxNorm NonNeg
    UnitNorm MinMaxNorm
    DTypePolicy Policy FloatDTypePolicy DTypePolicyMap __tuple__ __keras_tensor__ SeedGenerator
""")
_ALLOWED_OPERATIONS = split_words("""
    Add Subtract Multiply Divide TrueDivide Negative Maximum Minimum Clip Log Log1p Exp Expm1 Sqrt
    Square Power Abs Absolute Mean Sum Max Min Reshape Transpose Concatenate Stack Squeeze
    ExpandDims GetItem Cast Relu Relu6 Sigmoid HardSigmoid Tanh Silu Softmax LogSoftmax Softplus
    Gelu Swish HardSwish HardSilu Flip Matmul Repeat Tile BroadcastTo
""")
_ALLOWED_ACTIVATIONS = split_words("""
    relu relu6 sigmoid softmax tanh linear elu selu softplus softsign silu swish gelu hard_sigmoid
    hard_silu hard_swish exponential leaky_relu mish log_softmax
""")
_ALLOWED_CLASSES = _ALLOWED_LAYERS | _ALLOWED_OBJECTS

#: Layers that are code, not weights; listed so that the message says why they are refused.
_CODE_LAYERS = frozenset({"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer"})

#: Files in a .keras archive.
_KERAS_MEMBERS = frozenset({"metadata.json", "config.json", "model.weights.h5"})


def check_file_size(path: Path) -> None:
    """Refuse a file that is larger than any network this package serves."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ModelError(
            f"{path.name} has {size / _MIB:.0f} MiB, expected at most {MAX_FILE_BYTES // _MIB}: it "
            "is not imported"
        )


def check_members(
    archive: zipfile.ZipFile, name: str, max_bytes: int = MAX_FILE_BYTES
) -> list[zipfile.ZipInfo]:
    """Return an archive's entries after checking their names, kinds and sizes.

    Raises
    ------
    ModelError
        A name leads out of the folder, occurs twice or is a link; or the total is too large.
    """
    found = archive.infolist()
    names = [entry.filename for entry in found]
    if len(names) > 10_000 or len({entry.casefold() for entry in names}) != len(names):
        raise ModelError(
            f"{name} holds a name twice or more than 10000 files, which no model does: it is not "
            "imported"
        )
    for entry in found:
        parts = entry.filename.replace("\\", "/").split("/")
        odd = entry.filename.startswith(("/", "\\")) or ":" in entry.filename or ".." in parts
        if odd or not entry.filename.isprintable():
            raise ModelError(
                f"{name} holds {entry.filename[:80]!r}, a name that leads out of its folder: it is "
                "not imported"
            )
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ModelError(
                f"{name} holds {entry.filename[:80]!r}, a link or device instead of a file: it is "
                "not imported"
            )
        if entry.flag_bits & 1:
            raise ModelError(
                f"{name} is encrypted, expected a plain archive: remove the password first"
            )
    total = sum(entry.file_size for entry in found)
    if total > max_bytes:
        raise ModelError(
            f"{name} would unpack to {total / _MIB:.0f} MiB, expected at most {max_bytes // _MIB}: "
            "it is not imported"
        )
    return found


def read_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """Read one file of an archive; refuse more than `max_bytes` bytes, whatever it declares."""
    with archive.open(entry) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ModelError(
            f"{entry.filename[:80]!r} unpacks to more than {max_bytes} bytes, which no network "
            "needs: it is not imported"
        )
    return content


def check_keras(path: Path) -> int:
    """Verify a ``.keras`` archive; return the number of weights that it holds.

    Raises
    ------
    ModelError
        It is not such a file, or holds something that is not accepted.
    """
    check_file_size(path)
    try:
        with zipfile.ZipFile(path) as archive:
            found = {entry.filename: entry for entry in check_members(archive, path.name)}
            if "config.json" not in found or "model.weights.h5" not in found:
                raise ModelError(
                    f"{path.name} is not a Keras 3 file, expected config.json and "
                    "model.weights.h5 in it: save it anew with model.save('NAME.keras')"
                )
            if extra := sorted(set(found) - _KERAS_MEMBERS):
                raise ModelError(
                    f"{path.name} holds {extra[0][:80]!r} beside the network, expected nothing "
                    "else: it is not imported; save the network alone"
                )
            config = _parse_json(
                read_member(archive, found["config.json"], _MAX_CONFIG_BYTES), path.name
            )
            check_config(config)
            with archive.open(found["model.weights.h5"]) as weights:
                return count_weights(weights, path.name)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise ModelError(
            f"{path.name} is damaged or not a .keras file ({summarize_error(error)}): copy it again"
        ) from error


def check_h5(path: Path) -> int:
    """Verify a legacy ``.h5`` file; return the number of weights that it holds.

    Raises
    ------
    ModelError
        It is not such a file, or holds something that is not accepted.
    """
    import h5py

    check_file_size(path)
    try:
        with h5py.File(path, "r") as file:
            attribute = file.attrs.get("model_config")
            if attribute is None:
                raise ModelError(
                    f"{path.name} has weights without a network (no model_config): save the whole "
                    "model with model.save('NAME.h5')"
                )
            content = attribute if isinstance(attribute, bytes) else str(attribute).encode()
            if len(content) > _MAX_CONFIG_BYTES:
                raise ModelError(
                    f"{path.name} has a configuration of {len(content)} bytes, expected at most "
                    f"{_MAX_CONFIG_BYTES}: it is not imported"
                )
            config = _parse_json(content, path.name)
            is_keras2 = keras2.is_keras2(file.attrs.get("keras_version"))
            check_config(keras2.upgrade(config) if is_keras2 else config)  # what is built of it
        return count_weights(path, path.name)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise ModelError(
            f"{path.name} is damaged or not an HDF5 file ({summarize_error(error)}): copy it again"
        ) from error


def check_config(config: Any) -> None:
    """Check every entry of a network's configuration against the lists.

    Raises
    ------
    ModelError
        A layer is code, unknown, or of a size that no network for single slices has.
    """
    if isinstance(config, dict):
        # Optimizer, loss and metrics are never built from the file.
        config = {k: v for k, v in config.items() if k not in ("compile_config", "build_config")}
    left = [_MAX_ENTRIES]
    _check_value(config, "", 0, left)


def _check_value(value: Any, key: str, depth: int, entries_left: list[int]) -> None:
    entries_left[0] -= 1
    if depth > _MAX_DEPTH or entries_left[0] < 0:
        raise ModelError(
            "The network's configuration is nested too deeply or too long: it is not imported"
        )
    if isinstance(value, dict):
        if "class_name" in value:
            _check_class(value)
        for inner, entry in value.items():
            if inner not in ("compile_config", "build_config"):
                _check_value(entry, str(inner), depth + 1, entries_left)
    elif isinstance(value, list):
        for entry in value:
            _check_value(entry, key, depth + 1, entries_left)
    elif (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and key not in _UNCHECKED_KEYS
        and not abs(value) <= _MAX_NUMBER
    ):
        raise ModelError(
            f"The network's configuration has {key or 'a size'} = {value:.3g}, more than any "
            "network for single slices needs: it is not imported"
        )


def _check_class(entry: dict[str, Any]) -> None:
    """Refuse a class that is not on the lists or not from Keras itself."""
    name, module = str(entry["class_name"]), entry.get("module")
    registered = entry.get("registered_name")
    config = entry.get("config")
    if name in _CODE_LAYERS:
        raise ModelError(
            f"The network has a layer of kind {name.strip('_')}, which is program code from the "
            "file: spinefrac never runs it; replace it with built-in layers and save again"
        )
    own = module is None or module == "keras" or str(module).startswith("keras.")
    if module == "builtins" and name == "function":
        own = str(config) in _ALLOWED_ACTIVATIONS and str(entry.get("registered_name")) in (
            "function",
            "None",
        )
        if own:
            return
    known = (
        name in _ALLOWED_OPERATIONS
        if str(module).startswith("keras.src.ops.")
        else name in _ALLOWED_CLASSES
    )
    custom = isinstance(registered, str) and ">" in registered
    if not own or custom or not known:
        where = f"{module}." if module and not own else ""
        raise ModelError(
            f"The network uses {where}{str(registered) if custom else name}, which is not one of "
            "Keras's built-in layers for images: spinefrac does not load other code; rebuild the "
            "network from built-in layers"
        )


def count_weights(source: Any, name: str) -> int:
    """Count the weights that an HDF5 file declares, without reading them.

    Raises
    ------
    ModelError
        It refers to other files, or declares more than it holds.
    """
    import h5py

    total = bytes_total = 0
    with h5py.File(source, "r") as file:
        for path, group in _list_groups(file, name):
            for key in group:
                link = group.get(key, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    raise ModelError(
                        f"{name} holds a link ({type(link).__name__}) in its weights instead of "
                        "numbers, and may read other files that way: it is not imported"
                    )
                entry = group[key]
                if not isinstance(entry, h5py.Dataset):
                    continue
                if entry.external or entry.is_virtual:
                    raise ModelError(
                        f"{name} takes weights from other files, expected all in its own: it is "
                        "not imported"
                    )
                declared = math.prod(entry.shape) * entry.dtype.itemsize if entry.shape else 0
                stored = entry.id.get_storage_size()
                bytes_total += declared
                if bytes_total > MAX_WEIGHT_BYTES or declared > 1000 * stored + _MIB:
                    raise ModelError(
                        f"{name} declares {declared / _MIB:.0f} MiB of weights in {path}/{key} "
                        f"and holds {stored / _MIB:.3g} MiB of them, expected at most "
                        f"{MAX_WEIGHT_BYTES // _MIB} MiB in all: it is not imported"
                    )
                if entry.dtype.kind == "f":
                    total += math.prod(entry.shape)
    return total


def _list_groups(file: Any, name: str) -> list[tuple[str, Any]]:
    """Return every group of an HDF5 file, following hard links only."""
    import h5py

    found, waiting, seen = [], [("", file["/"])], set()
    while waiting:
        path, group = waiting.pop()
        if group.id in seen:
            continue
        seen.add(group.id)
        found.append((path, group))
        if len(found) > 100_000:
            raise ModelError(f"{name} has too many groups for a network: it is not imported")
        for key in group:
            if isinstance(group.get(key, getlink=True), h5py.HardLink):
                entry = group[key]
                if isinstance(entry, h5py.Group):
                    waiting.append((f"{path}/{key}"[-80:], entry))
    return found


def _parse_json(content: bytes, name: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"The network's configuration in {name} is not JSON, so it is damaged: copy it again"
        ) from error


def summarize_error(error: Exception) -> str:
    """Return the first line of an error's message, shortened, or its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
