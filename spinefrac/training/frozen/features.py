"""Pooled features of frozen backbones: computed once for all folds, and kept in the cache.

An entry of the cache holds the features of all slices, as they are or in one augmented variant.
Its name is made of the slices, the backbones' weights and the augmentation, so that other folds,
other runs and `estimate` find it. Processes that need the same features share the work: each takes
the next entry that no other one is computing. A killed process costs the entry it was working on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from spinefrac import settings as places
from spinefrac.data import input_cache
from spinefrac.errors import Cancelled
from spinefrac.exchange import ensemble
from spinefrac.records import GreyImage
from spinefrac.system import private_files
from spinefrac.training.augmentation.config import AugmentationConfig
from spinefrac.training.augmentation.transforms import Augmenter
from spinefrac.training.keras_logits import to_image_batch

if TYPE_CHECKING:
    import keras

_BATCH = 32
_POLL_INTERVAL_S = 0.5
#: Grows when features of the same weights and slices would be others.
_VERSION = 1


@dataclass(frozen=True)
class FeatureRequest:
    """What features are computed of.

    Attributes
    ----------
    inputs : uint8 array, shape (N, S, S)
    variants : int
        Number of augmented variants of each slice, in addition to the slice itself.
    augmentation : AugmentationConfig
    seed : int
        Of the augmentation.
    """

    inputs: GreyImage
    variants: int
    augmentation: AugmentationConfig
    seed: int

    def name_entries(self, weights_hash: str) -> list[str]:
        """Return the name of the entry of the slices as they are, then of each variant."""
        facts: list[Any] = [_VERSION, self.inputs.shape, _hash_array(self.inputs), weights_hash]
        augmented = [self.augmentation.to_dict(), self.seed]
        keys = [facts, *([*facts, *augmented, number + 1] for number in range(self.variants))]
        return [
            hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
            for key in keys
        ]

    @property
    def batches(self) -> int:
        """Number of batches of one variant."""
        return -(-len(self.inputs) // _BATCH)

    def make_batch(self, variant: int, start: int) -> GreyImage:
        """Return the slices of one batch (n, S, S), augmented as in epoch `variant`."""
        rows = range(start, min(start + _BATCH, len(self.inputs)))
        if not variant:
            return np.asarray(self.inputs[rows.start : rows.stop])
        augment = Augmenter(self.augmentation, self.seed)
        return np.stack([augment(self.inputs[row], variant, row) for row in rows])


def load_features(
    pooled: keras.Model,
    request: FeatureRequest,
    on_batch: Callable[[int, int], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> npt.NDArray[np.float32]:
    """Return the features of all slices and variants, from the cache where it has them.

    Parameters
    ----------
    pooled : keras.Model
        From ``image`` (N, S, S, 1) to features (N, F).
    request : FeatureRequest
    on_batch : callable, optional
        Called with the number of batches that are done, and of all.
    is_cancelled : callable, optional
        Called before every batch.

    Returns
    -------
    float32 array, shape (variants + 1, N, F)
        First of the slices as they are.

    Raises
    ------
    Cancelled
        `is_cancelled` returned True.
    """
    folder = places.runs_dir() / "cache"
    names = request.name_entries(ensemble.hash_weights(pooled)[0])
    work = _Work(
        pooled, request, [folder / f"{name}.npy" for name in names], on_batch, is_cancelled
    )
    found: dict[int, npt.NDArray[np.float32]] = {}
    while missing := [number for number in range(len(names)) if number not in found]:
        for number in missing:
            if (features := work.load_or_compute(number)) is not None:
                found[number] = features
                break
        else:
            work.check_cancelled()
            time.sleep(_POLL_INTERVAL_S)  # other processes compute what is missing
        work.report(len(found) * request.batches)
    return np.stack([found[number] for number in range(len(names))])


@dataclass(frozen=True)
class _Work:
    """The entries of a request, at `paths`; see `load_features`."""

    pooled: keras.Model
    request: FeatureRequest
    paths: list[Path]
    on_batch: Callable[[int, int], None] | None
    is_cancelled: Callable[[], bool] | None

    def load_or_compute(self, number: int) -> npt.NDArray[np.float32] | None:
        """Return the features (N, F) of a variant; None where another process computes them."""
        path, shape = self.paths[number], (len(self.request.inputs), self.pooled.output_shape[-1])
        if (entry := input_cache.load_entry(path, shape, np.float32)) is not None:
            return np.asarray(entry)
        private_files.make_folder(path.parent)
        lock = FileLock(path.with_suffix(".lock"))
        try:
            with lock.acquire(timeout=0):
                # It may have been written since.
                if (entry := input_cache.load_entry(path, shape, np.float32)) is not None:
                    return np.asarray(entry)
                features = self._compute(number)
                with contextlib.suppress(OSError):  # no room: the next process computes it again
                    input_cache.write_entry(path, features, shape, np.float32)
                return features
        except Timeout:
            return None

    def _compute(self, number: int) -> npt.NDArray[np.float32]:
        """Return the features (N, F) of a variant."""
        parts = []
        for batch in range(self.request.batches):
            self.check_cancelled()
            images = to_image_batch(self.pooled, self.request.make_batch(number, batch * _BATCH))
            parts.append(np.asarray(self.pooled.predict_on_batch(images), np.float32))
            self.report(number * self.request.batches + batch + 1)
        return np.concatenate(parts)

    def check_cancelled(self) -> None:
        """Raise Cancelled where that is wished."""
        if self.is_cancelled and self.is_cancelled():
            raise Cancelled("training was cancelled while the features were computed")

    def report(self, done: int) -> None:
        """Report a number of batches that are done."""
        if self.on_batch:
            self.on_batch(done, len(self.paths) * self.request.batches)


def _hash_array(array: npt.NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
