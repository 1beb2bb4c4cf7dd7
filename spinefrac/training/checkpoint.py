"""The state of a fold after an epoch, on disk, from which training resumes bit for bit.

Order and augmentation of a slice are functions of seed, fold and epoch, so a checkpoint holds what
the epochs changed: the network (the state of its dropout included), the optimizer with its moving
average, the history and the state of early stopping. A file holds a NumPy archive followed by its
SHA-256. It is written atomically, and the file before it stays, so a process killed at any moment,
or a damaged file, costs one epoch at most.
"""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac.errors import TrainingError
from spinefrac.records import EpochRecord
from spinefrac.system import atomic

if TYPE_CHECKING:
    import keras

_DIGEST_BYTES = 32
_Arrays = tuple[npt.NDArray[Any], ...]


@dataclass(frozen=True)
class Checkpoint:
    """A fold after `epoch` epochs.

    Attributes
    ----------
    epoch : int
    history : tuple of EpochRecord
        One an epoch.
    network, optimizer : tuple of arrays
        Every variable, in Keras's order.
    best : float
        Lowest inner loss of early stopping; infinite without early stopping.
    waited : int
        Epochs since.
    best_weights : tuple of arrays
        The network then; empty without early stopping.
    stopped : bool
        Whether early stopping has ended the training.
    """

    epoch: int
    history: tuple[EpochRecord, ...]
    network: _Arrays
    optimizer: _Arrays
    best: float = math.inf
    waited: int = 0
    best_weights: _Arrays = ()
    stopped: bool = False


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically; the one before is kept as a second file.

    Raises
    ------
    TrainingError
        It cannot be written. Both older files are untouched.
    """
    content = _serialize(checkpoint)
    try:
        if read_epoch(path) is not None:
            path.replace(_previous_path(path))
        atomic.write_bytes(path, content + hashlib.sha256(content).digest())
    except OSError as error:
        raise wrap_write_error(f"the checkpoint of {path.stem}", error) from error


def read(path: Path) -> Checkpoint | None:
    """Return the newest undamaged checkpoint, or None where there is none."""
    for place in (path, _previous_path(path)):
        content = _read_verified(place)
        if content is not None:
            return _deserialize(content)
    return None


def read_epoch(path: Path) -> int | None:
    """Return the epoch of a file's checkpoint; None where it is missing or damaged."""
    content = _read_verified(path)
    if content is None:
        return None
    with np.load(io.BytesIO(content)) as arrays:
        return int(arrays["epoch"])


def find_latest(path: Path) -> Path | None:
    """Return the file that `read` would read."""
    return next(
        (place for place in (path, _previous_path(path)) if _read_verified(place) is not None), None
    )


def remove(path: Path) -> None:
    """Remove a fold's checkpoints."""
    path.unlink(missing_ok=True)
    _previous_path(path).unlink(missing_ok=True)


def wrap_write_error(description: str, error: OSError) -> TrainingError:
    """Return the error for a failed write, with what to do."""
    return TrainingError(
        f"{description} cannot be written ({error.strerror or error}): make room in HOME/runs or "
        "permit writing there, then resume the run; it resumes from its last checkpoint"
    )


# --- network and optimizer ---------------------------------------------------------------------


def list_state_variables(model: keras.Model) -> list[Any]:
    """Return the variables of a network: weights, moving statistics and states of dropout."""
    counted = {id(v) for metric in model.metrics for v in metric.variables}
    return [v for v in model.variables if id(v) not in counted]


def read_variables(state_variables: list[Any]) -> _Arrays:
    """Return the values of variables."""
    from keras import ops

    return tuple(ops.convert_to_numpy(variable) for variable in state_variables)


def assign_variables(state_variables: list[Any], arrays: _Arrays) -> None:
    """Set variables to the values of a checkpoint.

    Raises
    ------
    TrainingError
        The shapes are of another network.
    """
    if [tuple(v.shape) for v in state_variables] != [array.shape for array in arrays]:
        raise TrainingError(
            "the checkpoint is of another network or version of spinefrac; train again under "
            "another name"
        )
    for variable, array in zip(state_variables, arrays, strict=True):
        variable.assign(array)


# --- bytes -------------------------------------------------------------------------------------


def _previous_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.before")


def _read_verified(path: Path) -> bytes | None:
    """Return a file's archive where its hash matches, else None."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    archive, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    return archive if hashlib.sha256(archive).digest() == digest else None


def _serialize(checkpoint: Checkpoint) -> bytes:
    names = EpochRecord.__slots__
    arrays: dict[str, Any] = {
        "epoch": checkpoint.epoch,
        "history": np.array(
            [[getattr(record, name) for name in names] for record in checkpoint.history],
            np.float64,
        ).reshape(-1, len(names)),
        "best": checkpoint.best,
        "waited": checkpoint.waited,
        "stopped": checkpoint.stopped,
    }
    for kind in ("network", "optimizer", "best_weights"):
        for number, array in enumerate(getattr(checkpoint, kind)):
            arrays[f"{kind}-{number:04}"] = array
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _deserialize(archive: bytes) -> Checkpoint:
    with np.load(io.BytesIO(archive)) as arrays:

        def of(kind: str) -> _Arrays:
            return tuple(arrays[name] for name in sorted(arrays) if name.startswith(f"{kind}-"))

        return Checkpoint(
            epoch=int(arrays["epoch"]),
            history=tuple(
                EpochRecord(int(row[0]), int(row[1]), *map(float, row[2:]))
                for row in arrays["history"]
            ),
            network=of("network"),
            optimizer=of("optimizer"),
            best=float(arrays["best"]),
            waited=int(arrays["waited"]),
            best_weights=of("best_weights"),
            stopped=bool(arrays["stopped"]),
        )
