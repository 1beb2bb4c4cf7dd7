"""Pooled features of frozen backbones: computed once for all folds, and kept in the cache.

An entry of the cache holds the features of all slices, as they are or in one augmented variant.
Its name is made of the slices, the backbones' weights and the augmentation, so that other folds
and other runs find it. Processes that need the same features share the work: one that wants what
another is computing computes a later entry meanwhile. A killed process costs the entry it was
working on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
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
from spinefrac.training.workspace import hash_array

if TYPE_CHECKING:
    import keras

_POLL_INTERVAL_S = 0.5
#: Grows when features of the same weights and slices would be others.
_VERSION = 2


@dataclass(frozen=True)
class FeatureRequest:
    """What features are computed of.

    Attributes
    ----------
    inputs : uint8 array, shape (N, S, S)
    variants : int
        Largest number of augmented variants of each slice, in addition to the slice itself.
    augmentation : AugmentationConfig
    seed : int
        Of the augmentation.
    batch_size : int
        Slices that are computed at once.
    inputs_sha256 : str, optional
        `workspace.hash_array` of `inputs`, where it is known.
    """

    inputs: GreyImage
    variants: int
    augmentation: AugmentationConfig
    seed: int
    batch_size: int = 8
    inputs_sha256: str = ""

    def name_entries(self, weights_hash: str) -> list[str]:
        """Return the name of the entry of the slices as they are, then of each variant."""
        digest = self.inputs_sha256 or hash_array(self.inputs)
        facts: list[Any] = [_VERSION, self.inputs.shape, digest, weights_hash]
        facts.append(self.batch_size)  # another order of sums, another last digit
        augmented = [self.augmentation.to_dict(), self.seed]
        keys = [facts, *([*facts, *augmented, number + 1] for number in range(self.variants))]
        return [
            hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
            for key in keys
        ]

    @property
    def batches(self) -> int:
        """Number of batches of one variant."""
        return -(-len(self.inputs) // self.batch_size)

    def make_batch(self, variant: int, batch: int) -> GreyImage:
        """Return the slices of one batch (n, S, S), augmented as in epoch `variant`."""
        start = batch * self.batch_size
        rows = range(start, min(start + self.batch_size, len(self.inputs)))
        if not variant:
            return np.asarray(self.inputs[rows.start : rows.stop])
        augment = Augmenter(self.augmentation, self.seed)
        return np.stack([augment(self.inputs[row], variant, row) for row in rows])


class FeatureLoader:
    """Features from the cache, or computed where it has none.

    Parameters
    ----------
    pooled : keras.Model
        From ``image`` (N, S, S, 1) to features (N, F).
    request : FeatureRequest
    is_cancelled : callable, optional
        Called before every batch.
    """

    def __init__(
        self,
        pooled: keras.Model,
        request: FeatureRequest,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._pooled, self._request, self._is_cancelled = pooled, request, is_cancelled
        folder = places.runs_dir() / "cache"
        names = request.name_entries(ensemble.hash_weights(pooled)[0])
        self._paths = [folder / f"{name}.npy" for name in names]
        self._shape = (len(request.inputs), pooled.output_shape[-1])

    def load(
        self, variant: int, on_batch: Callable[[int, int], None] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the features of all slices in a variant.

        Parameters
        ----------
        variant : int
            0 for the slices as they are.
        on_batch : callable, optional
            Called with the batches of this variant that are done, and all of them.

        Returns
        -------
        float32 array, shape (N, F)

        Raises
        ------
        Cancelled
            `is_cancelled` returned True.
        """
        while (found := self._load_or_compute(variant, on_batch)) is None:
            for later in range(variant + 1, len(self._paths)):
                if not self._paths[later].is_file() and self._load_or_compute(later) is not None:
                    break
            else:
                self._check_cancelled()
                time.sleep(_POLL_INTERVAL_S)  # other processes compute all that is missing
        if on_batch:
            on_batch(self._request.batches, self._request.batches)
        return found

    def _load_or_compute(
        self, variant: int, on_batch: Callable[[int, int], None] | None = None
    ) -> npt.NDArray[np.float32] | None:
        """Return the features (N, F) of a variant; None where another process computes them."""
        path = self._paths[variant]
        if (entry := input_cache.load_entry(path, self._shape, np.float32)) is not None:
            return np.asarray(entry)
        private_files.make_folder(path.parent)
        lock = FileLock(path.with_suffix(".lock"))
        try:
            with lock.acquire(timeout=0):
                # It may have been written since.
                if (entry := input_cache.load_entry(path, self._shape, np.float32)) is not None:
                    return np.asarray(entry)
                features = self._compute(variant, on_batch)
                with contextlib.suppress(OSError):  # no room: the next process computes it again
                    input_cache.write_entry(path, features, self._shape, np.float32)
                return features
        except Timeout:
            return None

    def _compute(
        self, variant: int, on_batch: Callable[[int, int], None] | None
    ) -> npt.NDArray[np.float32]:
        """Return the features (N, F) of a variant."""
        parts, request = [], self._request
        for batch in range(request.batches):
            self._check_cancelled()
            images = to_image_batch(self._pooled, request.make_batch(variant, batch))
            missing = request.batch_size - len(images)  # every other shape would be traced anew
            padded = np.concatenate([images, np.zeros_like(images[:1]).repeat(missing, axis=0)])
            found = np.asarray(self._pooled.predict_on_batch(padded), np.float32)
            parts.append(found[: len(images)])
            if on_batch:
                on_batch(batch + 1, request.batches)
        return np.concatenate(parts)

    def _check_cancelled(self) -> None:
        """Raise Cancelled where that is wished."""
        if self._is_cancelled and self._is_cancelled():
            raise Cancelled("training was cancelled while the features were computed")
