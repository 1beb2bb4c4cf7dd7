"""The program of a worker process: ``python -m spinefrac.system.worker MODULE LIMITS``.

It calls functions of the module that its parent names, one after the other, until the parent
closes the pipe. See `system.worker_pool`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, BinaryIO, cast

import msgspec

from spinefrac.errors import SpinefracError
from spinefrac.system import resource_limits, worker_messages
from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.shared_block import keep_mapped, map_block
from spinefrac.system.worker_messages import Call, Reply, ResultEncoder

#: How a worker ends that needs more memory than it may use.
EXIT_OUT_OF_MEMORY = 77


def main(module_name: str, limits: ResourceLimits) -> None:
    """Call functions of a module until standard input ends."""
    resource_limits.exit_with_parent()
    resource_limits.limit_process(limits)
    requests = sys.stdin.buffer
    replies = cast(BinaryIO, os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what libraries print must not mix with the replies
    module = importlib.import_module(module_name)
    if prepare := getattr(module, "prepare", None):
        prepare()
    worker_messages.write_frame(replies, b"")
    while (request := worker_messages.read_frame(requests)) is not None:
        call = msgspec.msgpack.decode(request, type=Call)
        del request
        with resource_limits.limit_time(limits):
            _answer(module, call, requests, replies)


def _answer(module: ModuleType, call: Call, requests: BinaryIO, replies: BinaryIO) -> None:
    encoder = ResultEncoder()
    reply = _call(getattr(module, call.function), call.arguments, encoder)
    fits = reply.array_bytes <= call.block_bytes
    if reply.array_bytes and fits:
        encoder.write_arrays(keep_mapped(call.block, reply.array_bytes))
    worker_messages.write_frame(replies, msgspec.msgpack.encode(reply))
    if not fits and (name := worker_messages.read_frame(requests)):
        with map_block(name.decode(), reply.array_bytes) as view:
            encoder.write_arrays(view)
        worker_messages.write_frame(replies, b"")


def _call(function: Callable[..., Any], arguments: msgspec.Raw, encoder: ResultEncoder) -> Reply:
    try:
        result = function(*worker_messages.decode_arguments(arguments, function))
        content = msgspec.Raw(encoder.encode(result))
        return Reply(result=content, array_bytes=encoder.array_bytes)
    except SpinefracError as error:
        return Reply(kind=type(error).__name__, error=str(error), attributes=vars(error))
    except MemoryError:
        os._exit(EXIT_OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - the parent raises it
        if _is_out_of_memory(error):
            os._exit(EXIT_OUT_OF_MEMORY)
        return Reply(kind=type(error).__name__, error=_first_line(error))


def _first_line(error: Exception) -> str:
    home = os.environ["HOME"] + os.sep
    return (str(error).replace(home, "").strip().splitlines() or [""])[0][:300]


def _is_out_of_memory(error: Exception) -> bool:
    names = {entry.__name__ for entry in type(error).__mro__}
    text = str(error)
    return "ResourceExhaustedError" in names or "bad_alloc" in text or "llocat" in text


if __name__ == "__main__":
    main(sys.argv[1], msgspec.json.decode(sys.argv[2], type=ResourceLimits))
    os._exit(0)  # without TensorFlow's slow shutdown
