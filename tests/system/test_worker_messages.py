"""Frames and results: whole, cut off, and forged by a worker in somebody else's hands."""

import io

import msgspec
import numpy as np
import pytest

from spinefrac.records import CtSlice
from spinefrac.system import worker_messages
from spinefrac.system.worker_messages import ResultEncoder


def test_a_frame_is_whole_or_nothing():
    stream = io.BytesIO()
    worker_messages.write_frame(stream, b"slice")
    content = stream.getvalue()
    assert worker_messages.read_frame(io.BytesIO(content)) == b"slice"
    for length in (0, 3, 8, len(content) - 1):
        assert worker_messages.read_frame(io.BytesIO(content[:length])) is None
    assert worker_messages.read_frame(io.BytesIO(content), max_bytes=4) is None


def test_several_arrays_share_a_block():
    encoder = ResultEncoder()
    arrays = [np.arange(5, dtype=np.uint8), np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::-1]]
    content = msgspec.Raw(encoder.encode(arrays))
    block = bytearray(encoder.array_bytes)
    encoder.write_arrays(memoryview(block))
    found = worker_messages.decode_result(content, list[np.ndarray], memoryview(block))
    for one, other in zip(found, arrays, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "place",
    [
        ("<f4", (2, 3), 4),  # past the end
        ("<f4", (2, 3), -4),
        ("<f4", (2**62, 2**62), 0),
        ("<f4", (-2, -3), 0),
        ("<f4", (0, 3), 0),
        ("|O8", (3,), 0),
        ("<f4", "x", 0),
    ],
)
def test_a_forged_array_is_refused(place):
    fields = {"pixels": place, "calibrated": True, "format": "png"}
    content = msgspec.Raw(msgspec.msgpack.encode(fields))
    with pytest.raises(msgspec.ValidationError):
        worker_messages.decode_result(content, CtSlice, memoryview(bytes(24)))


def test_a_result_of_another_type_is_refused():
    content = msgspec.Raw(msgspec.msgpack.encode({"pixels": 1, "calibrated": "yes"}))
    with pytest.raises(msgspec.ValidationError):
        worker_messages.decode_result(content, CtSlice, None)
    with pytest.raises(TypeError, match="cannot return"):
        ResultEncoder().encode(object())
