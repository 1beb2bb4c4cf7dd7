"""Tensors of a PyTorch weights file, read without PyTorch and without running what it holds.

The file is of the format before version 1.6 (``torch/serialization.py``, ``_legacy_load``): three
pickles that describe it, one with the tensors' shapes, one with the keys of their storages, then
the numbers of each storage after their count. A pickle can call anything, so this one may name
nothing but the five things that such a file needs.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from spinefrac.errors import ModelError

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}


class _Unpickler(pickle.Unpickler):
    """Reads a description of tensors; everything else is refused.

    A tensor becomes (key of its storage, offset, shape), `dtypes` the type of each storage.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self.dtypes: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: (storage, offset, shape, strides)
        if module == "torch" and name in _DTYPES:
            return name
        raise ModelError(
            f"The weights file names {module}.{name}, expected tensors only: download it again"
        )

    def persistent_load(self, pid: Any) -> str:
        _, kind, key, *_ = pid
        self.dtypes[key] = _DTYPES[kind]
        return str(key)


def read_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors of a ``.pth`` file by name.

    Raises
    ------
    ModelError
        It is of another format, or names anything but tensors.
    """
    with path.open("rb") as stream:
        if _Unpickler(stream).load() != _MAGIC:
            raise ModelError(f"{path.name} is no PyTorch file of the older format: choose another")
        for _ in ("protocol", "machine"):
            _Unpickler(stream).load()
        described = _Unpickler(stream)
        tensors = described.load()
        storages = {
            key: _read_storage(stream, described.dtypes[key]) for key in _Unpickler(stream).load()
        }
    return {name: _to_array(storages, *tensor) for name, tensor in tensors.items()}


def _read_storage(stream: BinaryIO, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    count = int.from_bytes(stream.read(8), "little")
    return np.frombuffer(stream.read(count * dtype.itemsize), dtype)


def _to_array(
    storages: dict[str, npt.NDArray[Any]],
    key: str,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
) -> npt.NDArray[Any]:
    values = storages[key][offset:]
    if 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) > len(values):
        raise ModelError("A tensor of the weights file is larger than its numbers: download again")
    steps = tuple(step * values.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(values, shape, steps, writeable=False).copy()
