"""One worker process, seen from its parent."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import psutil

from spinefrac.system import worker_messages
from spinefrac.system.resource_limits import ResourceLimits
from spinefrac.system.shared_block import SharedBlock
from spinefrac.system.worker import EXIT_OUT_OF_MEMORY
from spinefrac.system.worker_messages import Call, Reply

#: Environment variables that a worker inherits: where Python and its libraries are.
_INHERITED_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL")


#: Shared memory that a worker has for its arrays, enough for a CT slice of 512×512 pixels; larger
#: arrays get a block of their own, which costs another exchange of messages.
_BLOCK_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call has no result.

    Attributes
    ----------
    reason : str
        ``time`` or ``memory`` over the limit, ``crash``, or ``exception``: one that is no
        `SpinefracError`.
    description : str
        What the worker did, as the end of a sentence with "it".
    limits : ResourceLimits
    """

    reason: str
    description: str
    limits: ResourceLimits


class WorkerFailed(Exception):
    """A call has no result; unless `Failure.reason` is ``exception``, the worker has ended."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.description)
        self.failure = failure


class RemoteError(Exception):
    """The called function raised a `SpinefracError`, which `reply` describes."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.error)
        self.reply = reply


class WorkerProcess:
    """A process that runs `system.worker` for one module.

    Parameters
    ----------
    module : str
    limits : ResourceLimits
    home : Path
        Its home and temporary folder.
    environment : mapping of str to str
        Variables beside those that every worker has.
    on_ready : callable
        Called from another thread once the worker is ready; it is not usable where it ended before.
    """

    def __init__(
        self,
        module: str,
        limits: ResourceLimits,
        home: Path,
        environment: Mapping[str, str],
        on_ready: Callable[[WorkerProcess], None],
    ) -> None:
        self.limits = limits
        self.calls = 0
        self.is_usable = False
        self.used_at = time.monotonic()
        self._on_ready = on_ready
        self._block: SharedBlock | None = None
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "spinefrac.system.worker", module,
             msgspec.json.encode(asdict(limits)).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_build_environment(home) | dict(environment),
        )  # fmt: skip
        self._usage = psutil.Process(self._process.pid)
        threading.Thread(target=self._receive, name="worker", daemon=True).start()

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Call a function of the worker's module in the worker.

        Raises
        ------
        RemoteError, WorkerFailed, BudgetError
        """
        self.calls += 1
        deadline = time.monotonic() + self.limits.wall_s
        if self._block is None:
            self._block = SharedBlock(_BLOCK_BYTES)
        request = Call(
            function.__name__,
            worker_messages.encode_arguments(arguments),
            self._block.name,
            self._block.size,
        )
        self._send(msgspec.msgpack.encode(request))
        try:
            reply = msgspec.msgpack.decode(self._next_frame(deadline), type=Reply)
            if reply.kind:
                raise RemoteError(reply)
            return self._receive_result(reply, worker_messages.result_type(function), deadline)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.kill()
            raise self._failed("crash", "sent something that is no result") from error

    def _receive_result(self, reply: Reply, result_type: Any, deadline: float) -> Any:
        if not reply.array_bytes:
            return worker_messages.decode_result(reply.result, result_type, None)
        if self._block is not None and 0 < reply.array_bytes <= self._block.size:
            with self._block.view[: reply.array_bytes] as view:
                return worker_messages.decode_result(reply.result, result_type, view)
        if not 0 < reply.array_bytes <= worker_messages.MAX_ARRAY_BYTES:
            raise msgspec.ValidationError("more arrays than a worker may return")
        try:
            block = SharedBlock(reply.array_bytes)
        except Exception:
            self._send(b"")
            raise
        try:
            self._send(block.name.encode())
            self._next_frame(deadline)
            with block.view as view:
                return worker_messages.decode_result(reply.result, result_type, view)
        finally:
            block.release()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def rss_bytes(self) -> int:
        """Resident memory; 0 where the process has ended."""
        try:
            return int(self._usage.memory_info().rss)
        except psutil.Error:
            return 0

    def kill(self) -> None:
        """End the process at once."""
        self.is_usable = False
        self._process.kill()
        self._process.wait()
        self._close_input()

    def close(self) -> None:
        """Let the process end: it does when its input ends."""
        self.is_usable = False
        self._close_input()

    def _close_input(self) -> None:
        if self._block is not None:
            self._block.release()
        with contextlib.suppress(OSError):  # it ended with bytes still in the pipe
            cast(BinaryIO, self._process.stdin).close()

    def _send(self, content: bytes) -> None:
        try:
            worker_messages.write_frame(cast(BinaryIO, self._process.stdin), content)
        except (OSError, ValueError):
            self.kill()
            raise self._failed(*self._describe_end()) from None

    def _next_frame(self, deadline: float) -> bytes:
        try:
            frame = self._frames.get(timeout=max(deadline - time.monotonic(), 0.001))
        except queue.Empty:
            self.kill()
            raise self._failed("time", self._describe_time()) from None
        if frame is None:
            self.kill()  # it may have closed its output alone, or sent too much
            raise self._failed(*self._describe_end())
        return frame

    def _receive(self) -> None:
        """Read frames until the process ends; runs in a thread, so that a wait can end."""
        output = cast(BinaryIO, self._process.stdout)
        frame = worker_messages.read_frame(output, worker_messages.MAX_REPLY_BYTES)
        self.is_usable = frame is not None
        self._on_ready(self)
        while frame is not None:
            frame = worker_messages.read_frame(output, worker_messages.MAX_REPLY_BYTES)
            self._frames.put(frame)
        self._frames.put(None)
        output.close()
        self._process.wait()

    def _failed(self, reason: str, description: str) -> WorkerFailed:
        return WorkerFailed(Failure(reason, description, self.limits))

    def _describe_time(self) -> str:
        return f"took more than {self.limits.wall_s:g} s"

    def _describe_end(self) -> tuple[str, str]:
        """Return reason and description of how the process ended."""
        status = self._process.wait()
        name = _signal_name(-status)
        if name == "SIGXCPU":
            return "time", f"took more than {self.limits.cpu_s} s of processor time"
        if name == "SIGALRM":
            return "time", self._describe_time()
        if status == EXIT_OUT_OF_MEMORY:
            return (
                "memory",
                f"needs more than the {self.limits.memory_mib} MiB of memory that it may use",
            )
        return "crash", f"ended the process that read it ({name or f'status {status}'})"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _build_environment(home: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}
    root = str(Path(__file__).resolve().parents[2])
    inherited["PYTHONPATH"] = os.pathsep.join(filter(None, (root, inherited.get("PYTHONPATH"))))
    variables = ("HOME", "USERPROFILE", "TMPDIR", "TEMP")
    return inherited | dict.fromkeys(variables, str(home)) | {"PYTHONDONTWRITEBYTECODE": "1"}
