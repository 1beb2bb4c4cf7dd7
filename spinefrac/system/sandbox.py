"""A child process for files from elsewhere, with limits on memory, time and file size.

What the system enforces differs. Linux: memory, processor time, file size. macOS: processor
time and file size, not memory. Windows: only the time that the parent waits. Everywhere the
child gets only what Python needs of the parent's environment, no standard input after its task,
and a scratch folder as its home.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinefrac.errors import ModelError

_MIB = 1 << 20

#: Environment variables that a child inherits: where Python and its libraries are.
_INHERITED_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL")

#: Longest response of a child that is read, in bytes.
_MAX_RESPONSE_BYTES = 4 * _MIB


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """What a child may use: private memory and file size in MiB, processor and wall seconds."""

    memory_mib: int = 6144
    file_mib: int = 2048
    cpu_s: int = 300
    wall_s: int = 900


def run(
    module: str, task: dict[str, Any], scratch: Path, limits: ResourceLimits | None = None
) -> Any:
    """Run ``python -m MODULE`` with a task on its standard input and return its result.

    Parameters
    ----------
    module : str
        Ends with ``sandbox.serve_task(function)``.
    task : dict
        In JSON's types.
    scratch : Path
        A folder that is the child's home and temporary folder.
    limits : ResourceLimits, optional

    Returns
    -------
    object
        What the function returned, through JSON.

    Raises
    ------
    ModelError
        The function raised one, or the child exceeded a limit or crashed.
    """
    limits = limits or ResourceLimits()
    task = {"task": task, "limits": [limits.memory_mib, limits.file_mib, limits.cpu_s]}
    child = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_build_environment(scratch),
    )
    try:
        response, _ = child.communicate(json.dumps(task).encode(), timeout=limits.wall_s)
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"The file could not be processed within {limits.wall_s} s and was given up: expected "
            "a network for single slices; nothing was saved"
        ) from None
    finally:
        child.kill()
        child.wait()
    return _parse_response(response, child.returncode, limits)


def _build_environment(scratch: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}
    home = str(scratch)
    root = str(Path(__file__).resolve().parents[2])
    inherited["PYTHONPATH"] = os.pathsep.join(filter(None, (root, inherited.get("PYTHONPATH"))))
    return inherited | {
        "HOME": home,
        "USERPROFILE": home,
        "TMPDIR": home,
        "TEMP": home,
        "KERAS_HOME": home,
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        # More threads would each map memory of their own.
        "OMP_NUM_THREADS": "2",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "2",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _parse_response(response: bytes, status: int, limits: ResourceLimits) -> Any:
    try:
        if len(response) > _MAX_RESPONSE_BYTES:
            raise ValueError("too long")
        message = json.loads(response)
        if "error" in message:
            raise rebuild_error(message)
        return message["result"]
    except (ValueError, KeyError, TypeError) as error:
        reason = "crashed the program that read it"
        if status in (-getattr(signal, "SIGXCPU", -1), -getattr(signal, "SIGKILL", -1)):
            reason = f"took more than {limits.cpu_s} s of processor time or was stopped"
        if status == _EXIT_OUT_OF_MEMORY or status == -getattr(signal, "SIGABRT", -1):
            reason = f"needs more than the {limits.memory_mib} MiB of memory that it may use"
        raise ModelError(
            f"The file {reason} (status {status}): expected a network for single slices; nothing "
            "was saved"
        ) from error


#: How to rebuild an error of the child in the parent, by the name of its class.
_ERROR_TYPES: dict[str, Callable[[dict[str, Any]], ModelError]] = {}


def register_error_type(
    error_type: type[ModelError], rebuild: Callable[[dict[str, Any]], ModelError]
) -> None:
    """Register how an error with attributes of its own is rebuilt from a child's response."""
    _ERROR_TYPES[error_type.__name__] = rebuild


def rebuild_error(message: dict[str, Any]) -> ModelError:
    """Return the error that a child's response describes."""
    rebuild = _ERROR_TYPES.get(message.get("kind", ""))
    return rebuild(message) if rebuild else ModelError(str(message["error"]))


_EXIT_OUT_OF_MEMORY = 77


def serve_task(function: Callable[[dict[str, Any]], Any]) -> None:
    """Run in the child: set the limits, then write the result of the task on standard input."""
    message = json.load(sys.stdin)
    _exit_with_parent()
    _set_limits(*message["limits"])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with the response
    try:
        response = {"result": function(message["task"])}
    except ModelError as error:
        response = {"error": str(error), "kind": type(error).__name__, **vars(error)}
    except MemoryError:
        os._exit(_EXIT_OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - the parent raises it
        if _is_out_of_memory(error):
            os._exit(_EXIT_OUT_OF_MEMORY)
        home = os.environ["HOME"] + os.sep
        first = (str(error).replace(home, "").strip().splitlines() or [""])[0][:300]
        response = {
            "error": f"The file cannot be read as a network ({type(error).__name__}: {first}): "
            "expected one that Keras or ONNX Runtime opens; nothing was saved"
        }
    json.dump(response, out, allow_nan=False)
    out.flush()
    os._exit(0)  # without TensorFlow's slow shutdown


def _is_out_of_memory(error: Exception) -> bool:
    names = {entry.__name__ for entry in type(error).__mro__}
    text = str(error)
    return "ResourceExhaustedError" in names or "bad_alloc" in text or "llocat" in text


def _set_limits(memory_mib: int, file_mib: int, cpu_s: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": cpu_s,
        "RLIMIT_FSIZE": file_mib * _MIB,
        # Private writable memory; unlike the address space it does not count what is only
        # reserved. macOS accepts the limit and does not enforce it.
        "RLIMIT_DATA": memory_mib * _MIB,
    }
    for name, value in wanted.items():
        which = getattr(resource, name)
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


def _exit_with_parent() -> None:
    """Have Linux end this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        import ctypes

        set_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
