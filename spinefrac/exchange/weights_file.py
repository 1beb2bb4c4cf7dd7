"""Weights files to start training from, verified and read in the sandbox of the import.

A ``.keras`` file is a network, which Keras builds to read it: a file of a few kilobytes can ask
for more memory than there is. Only numbers come back from the process that does that.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac.exchange import ensemble, keras_import, validation
from spinefrac.system import sandbox

#: The weights of one fold network, in the order of Keras.
FoldWeights = tuple[np.ndarray, ...]


def read_fold_weights(path: Path) -> tuple[FoldWeights, ...]:
    """Verify a weights file and read the fold networks that it holds.

    Parameters
    ----------
    path : Path
        ``model.keras`` of a saved model, another ``.keras`` file, or weights as ``.h5``.

    Returns
    -------
    tuple of FoldWeights
        Empty where the file holds the weights of one network: these can be loaded from it.

    Raises
    ------
    ModelError
        The file is damaged, holds program code or links, or declares more than it holds.
    """
    state = path.stat()
    return _read(path.resolve(), state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=1)  # the folds of one run start from one file
def _read(path: Path, mtime_ns: int, size: int) -> tuple[FoldWeights, ...]:
    with tempfile.TemporaryDirectory() as scratch:
        task = {"file": str(path), "scratch": scratch}
        count = sandbox.run(verify_weights, task, Path(scratch))["folds"]
        return tuple(_load_arrays(_fold_path(scratch, fold)) for fold in range(count))


def _fold_path(scratch: str, fold: int) -> Path:
    return Path(scratch) / f"fold-{fold}.npz"


def _load_arrays(path: Path) -> FoldWeights:
    with np.load(path, allow_pickle=False) as arrays:
        return tuple(arrays[name] for name in arrays.files)


# --- in the sandbox --------------------------------------------------------------------


def verify_weights(task: dict[str, Any]) -> dict[str, Any]:
    """Verify ``task["file"]``; write the weights of its fold networks to ``task["scratch"]``.

    Returns
    -------
    dict
        ``folds``, the number of fold networks.
    """
    path = Path(task["file"])
    if path.suffix != ".keras":
        validation.check_file_size(path)
        validation.count_weights(path, path.name)
        return {"folds": 0}
    folds = keras_import.load_fold_weights(path, ensemble.FOLD_PREFIX)
    for number, weights in enumerate(folds):
        np.savez(_fold_path(task["scratch"], number), *weights)
    return {"folds": len(folds)}
