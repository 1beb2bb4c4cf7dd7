"""Functions that tests call in workers: right, wrong and deadly ones."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac.errors import ImageError
from spinefrac.exchange.io_spec import UnresolvedIOError
from spinefrac.records import CtSlice

_prepared = []


@dataclass(frozen=True)
class Answer:
    """What `describe` returns."""

    text: str
    numbers: tuple[float, ...]
    process: int


def prepare() -> None:
    _prepared.append(True)


def describe(text: str, numbers: tuple[float, ...]) -> Answer:
    print("noise")
    assert _prepared
    return Answer(text, numbers, os.getpid())


def make_slice(rows: int) -> CtSlice:
    pixels = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    return CtSlice(pixels, calibrated=True, format="dicom", spacing_mm=(0.5, 0.25))


def lie() -> CtSlice:
    return "no slice"  # type: ignore[return-value]


def environment() -> list[str]:
    return sorted(os.environ)


def refuse() -> None:
    raise ImageError("expected a slice, got a test")


def ask() -> None:
    raise UnresolvedIOError({"size": 32, "scale": None}, ["scale"])


def stumble() -> None:
    raise ValueError(f"odd in {os.environ['HOME']}/file")


def sleep(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def hang_with_the_interpreter() -> None:
    """Keep the interpreter's lock, as a native decoder without end does."""
    ctypes.PyDLL(None).sleep(60)


def spin() -> None:
    while True:
        pass


def die(name: str) -> None:
    os.kill(os.getpid(), getattr(signal, name))


def leave(status: int) -> None:
    os._exit(status)


def allocate(mib: int) -> int:
    return len(bytearray(mib << 20))


def write_file(path: str, size: int) -> None:
    Path(path).write_bytes(bytes(size))


def talk(length: int) -> str:
    return "x" * length


def echo(task: dict[str, Any]) -> dict[str, Any]:
    """Do what a task says and return it."""
    if "raise" in task:
        raise ValueError(task["raise"])
    if "leave" in task:
        leave(task["leave"])
    sleep(task.get("sleep", 0.0))
    return {"task": task, "home": os.environ["HOME"], "process": os.getpid()}
