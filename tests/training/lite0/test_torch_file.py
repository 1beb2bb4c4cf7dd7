"""PyTorch's older file format, read without PyTorch and without running what it holds."""

import io
import os
import pickle
import sys
import types

import numpy as np
import pytest

from spinefrac.errors import ModelError
from spinefrac.training.lite0 import torch_file


class _Storage:
    """Stands for a storage: pickled by its key, as PyTorch does it."""

    def __init__(self, key: str, values: np.ndarray) -> None:
        self.key, self.values = key, values


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        if not isinstance(obj, _Storage):
            return None
        kind = sys.modules["torch"].FloatStorage
        return ("storage", kind, obj.key, "cpu", obj.values.size, None)


def dump(monkeypatch, tensors: dict, magic: int = 0x1950A86A20F9469CFC6C) -> bytes:
    """Return a file that holds `tensors`: name to (storage, offset, shape, strides)."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2():
        raise AssertionError("only named, never called")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = (
        utils.__name__,
        "_rebuild_tensor_v2",
    )
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    class Tensor:
        def __init__(self, *arguments):
            self.arguments = arguments

        def __reduce__(self):
            return utils._rebuild_tensor_v2, (*self.arguments, False, {})

    stream = io.BytesIO()
    for item in (magic, 1001, {"little_endian": True}):
        pickle.dump(item, stream, protocol=2)
    described = {name: Tensor(*tensor) for name, tensor in tensors.items()}
    _Pickler(stream, protocol=2).dump(described)
    storages = {storage.key: storage for storage, *_ in tensors.values()}
    pickle.dump(list(storages), stream, protocol=2)
    for storage in storages.values():
        stream.write(storage.values.size.to_bytes(8, "little") + storage.values.tobytes())
    return stream.getvalue()


def test_tensors_are_views_of_their_storage(monkeypatch, tmp_path):
    storage = _Storage("7", np.arange(8, dtype="<f4"))
    content = dump(monkeypatch, {"a": (storage, 0, (2, 3), (1, 2)), "b": (storage, 6, (2,), (1,))})
    (tmp_path / "w.pth").write_bytes(content)
    found = torch_file.read_tensors(tmp_path / "w.pth")
    assert found["a"].tolist() == [[0, 2, 4], [1, 3, 5]] and found["b"].tolist() == [6, 7]


def test_a_tensor_beyond_its_storage_is_refused(monkeypatch, tmp_path):
    storage = _Storage("7", np.arange(8, dtype="<f4"))
    (tmp_path / "w.pth").write_bytes(dump(monkeypatch, {"a": (storage, 4, (5,), (1,))}))
    with pytest.raises(ModelError, match="larger than its numbers"):
        torch_file.read_tensors(tmp_path / "w.pth")


def test_another_format_is_refused(monkeypatch, tmp_path):
    (tmp_path / "w.pth").write_bytes(dump(monkeypatch, {}, magic=5))
    with pytest.raises(ModelError, match="older format"):
        torch_file.read_tensors(tmp_path / "w.pth")


def test_nothing_that_the_file_names_is_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    (tmp_path / "w.pth").write_bytes(pickle.dumps(Harm(), protocol=2))
    with pytest.raises(ModelError, match="expected tensors only"):
        torch_file.read_tensors(tmp_path / "w.pth")
    assert not (tmp_path / "harm").exists()
