"""Weights that the package brings, each a NumPy archive with a card that says how it was made."""

from __future__ import annotations

import functools
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from spinefrac.errors import TrainingError
from spinefrac.exchange.weights_file import FoldWeights
from spinefrac.system import atomic, reading

FOLDER = Path(__file__).parent / "weights"


@functools.cache
def read_weights(name: str) -> FoldWeights:
    """Return weights in Keras's order, verified by the hash on their card.

    Parameters
    ----------
    name : str
        Of network and weights, such as ``compact-spine``.

    Raises
    ------
    TrainingError
        The file is missing, or not the one that the card describes.
    """
    path = FOLDER / f"{name}.npz"
    try:
        content = path.read_bytes()
        expected = read_card(name)["sha256"]
    except OSError as error:
        raise TrainingError(
            f"the weights {path.name} cannot be read ({error.strerror}): install spinefrac again, "
            "or train with the weights none"
        ) from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise TrainingError(
            f"the weights {path.name} are not those that their card describes: install spinefrac "
            "again, or train with the weights none"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return tuple(arrays[key] for key in sorted(arrays.files))


def read_card(name: str) -> dict[str, Any]:
    """Return the card: how the weights were made, and what they were measured on."""
    content = (FOLDER / f"{name}.json").read_bytes()
    card: dict[str, Any] = reading.parse_json(content, max_bytes=2**20)
    return card


def write(folder: Path, name: str, weights: FoldWeights, card: dict[str, Any]) -> None:
    """Write weights and their card, which gets the hash of the file.

    Parameters
    ----------
    folder : Path
    name : str
    weights : sequence of array
        In Keras's order.
    card : dict
        JSON types.
    """
    stream = io.BytesIO()
    arrays: dict[str, Any] = {f"{n:03}": array for n, array in enumerate(weights)}
    np.savez_compressed(stream, **arrays)
    content = stream.getvalue()
    card = {"name": name, "sha256": hashlib.sha256(content).hexdigest(), **card}
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(folder / f"{name}.npz", content)
    atomic.write_bytes(folder / f"{name}.json", (json.dumps(card, indent=1) + "\n").encode())
