"""What the parent and a worker process say to each other: frames of MessagePack.

A worker decodes foreign bytes, so it may be in anybody's hands: nothing that it sends is unpickled,
and what it returns is checked against the type that the called function promises.

Parent and worker exchange, in this order: an empty frame from the worker once it is ready; a
`Call`; a `Reply`; where the arrays of the reply do not fit into the shared block of the call, the
name of one that is made for them and, once they are there, an empty frame.
"""

from __future__ import annotations

import math
import struct
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

_LENGTH = struct.Struct("<Q")

#: Longest frame of a worker that is read, in bytes: the header of 10,000 frames takes 3 MB.
MAX_REPLY_BYTES = 64 << 20
#: Most bytes of arrays that a worker may return.
MAX_ARRAY_BYTES = 1 << 30

_DTYPES = frozenset({"<f4", "|u1"})


class Call(msgspec.Struct, frozen=True):
    """A function of the worker's module, by name, its arguments, and a block for small arrays."""

    function: str
    arguments: msgspec.Raw
    block: str = ""
    block_bytes: int = 0


class Reply(msgspec.Struct, frozen=True):
    """A result and the bytes that its arrays take, or an error: class, message and attributes."""

    result: msgspec.Raw = msgspec.Raw(b"\xc0")  # nil
    array_bytes: int = 0
    kind: str = ""
    error: str = ""
    attributes: dict[str, Any] = {}


class _ArrayPlace(msgspec.Struct, array_like=True, frozen=True):
    dtype: str
    shape: tuple[int, ...]
    offset: int


def write_frame(stream: BinaryIO, content: bytes) -> None:
    """Write a frame: its length, then its content."""
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def read_frame(stream: BinaryIO, max_bytes: int | None = None) -> bytes | None:
    """Read a frame; None where the stream ends, inside a frame too, or it is over `max_bytes`."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if max_bytes is not None and length > max_bytes:
        return None
    content = stream.read(length)
    return content if len(content) == length else None


@dataclass
class ResultEncoder:
    """Encodes a result, its arrays apart: `arrays`, to be written one after the other."""

    arrays: list[npt.NDArray[Any]] = field(default_factory=list)
    array_bytes: int = 0

    def encode(self, result: Any) -> bytes:
        return msgspec.msgpack.encode(result, enc_hook=self._encode_array)

    def write_arrays(self, view: memoryview) -> None:
        offset = 0
        for array in self.arrays:
            view[offset : offset + array.nbytes] = array.data.cast("B")
            offset += array.nbytes

    def _encode_array(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            raise TypeError(f"a worker cannot return {type(value).__name__}")
        array = np.ascontiguousarray(value)
        place = [array.dtype.str, array.shape, self.array_bytes]
        self.arrays.append(array)
        self.array_bytes += array.nbytes
        return place


def decode_result(content: msgspec.Raw, result_type: Any, view: memoryview | None) -> Any:
    """Return a result with copies of its arrays; raise `msgspec.ValidationError` if it is none."""

    def decode_array(wanted: Any, value: Any) -> Any:
        if wanted is not np.ndarray and typing.get_origin(wanted) is not np.ndarray:
            raise msgspec.ValidationError("no array is expected here")
        place = msgspec.convert(value, _ArrayPlace)
        if place.dtype not in _DTYPES or min(place.shape, default=0) < 1 or view is None:
            raise msgspec.ValidationError("not an array of a worker")
        dtype = np.dtype(place.dtype)
        count = math.prod(place.shape)
        if place.offset < 0 or place.offset + count * dtype.itemsize > len(view):
            raise msgspec.ValidationError("an array outside of its block")
        array = np.frombuffer(view, dtype, count, place.offset)
        return array.reshape(place.shape).copy()

    return msgspec.msgpack.decode(content, type=result_type, dec_hook=decode_array)


def encode_arguments(arguments: tuple[Any, ...]) -> msgspec.Raw:
    """Return the arguments of a call; those of a worker are never arrays."""
    return msgspec.Raw(msgspec.msgpack.encode(arguments))


def decode_arguments(content: msgspec.Raw, function: Callable[..., Any]) -> tuple[Any, ...]:
    """Return arguments as the types of the function's parameters."""
    hints = _type_hints(function)
    types = tuple(hint for name, hint in hints.items() if name != "return")
    return msgspec.msgpack.decode(content, type=tuple[types])  # type: ignore[valid-type]


def result_type(function: Callable[..., Any]) -> Any:
    """Return the type that a function promises."""
    return _type_hints(function)["return"]


@cache
def _type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    return typing.get_type_hints(function)
