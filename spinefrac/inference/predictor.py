"""One forward pass of a saved model through ONNX Runtime: probability and heat map."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spinefrac import imaging
from spinefrac.errors import ModelError
from spinefrac.evaluation import calibration
from spinefrac.inference.input_check import InputChecker
from spinefrac.inference.probability_graph import extract_outputs
from spinefrac.records import CtSlice, ModelInput, Prediction
from spinefrac.store import repository
from spinefrac.store.repository import SavedModel

if TYPE_CHECKING:
    import onnxruntime

log = logging.getLogger("spinefrac.predictor")

#: Slices that go through the network at once in `Predictor.predict_many`.
BATCH_SIZE = 16

#: Slices without heat map after which a session of its own is opened for them, in 0.3 s.
_MANY_SLICES = 32

#: Predictors that `get_predictor` caches; the least recently used is dropped first.
MAX_OPEN_PREDICTORS = 4


# More passes at once than cores are no faster, and each takes memory of its own.
_inference_slots = threading.BoundedSemaphore(os.cpu_count() or 1)


class Predictor:
    """Predictions of one saved model. Any number of threads may share it.

    Parameters
    ----------
    model : SavedModel

    Raises
    ------
    ModelError
        ONNX Runtime cannot open the model's file.
    """

    def __init__(self, model: SavedModel) -> None:
        self.model = model
        # As bytes: what was verified is what runs, even if the file changes.
        content = model.read_file(repository.ONNX_FILE)
        try:
            self._session = _open_session(content)
            self._outputs = ["logits", "heatmaps"] if model.card.heatmap == "exact" else ["logits"]
            self._check = InputChecker(model)
            self._features = ["features"] if self._check.feature_count else []
            _check_feature_output(self._session.get_outputs(), self._check.feature_count)
            self._without_heatmaps = _SessionForMany(
                model, ["logits", *self._features], self._session
            )
        except Exception as error:
            reason = (str(error).strip().splitlines() or [""])[0][:200]
            raise ModelError(
                f"Model {model.id} cannot be opened in ONNX Runtime ({reason}): update "
                "spinefrac or train the model again"
            ) from error

    def predict(self, ct: CtSlice, *, heatmap: bool = True) -> Prediction:
        """Predict one slice.

        Parameters
        ----------
        ct : CtSlice
        heatmap : bool
            False skips the heat map, which takes time.

        Returns
        -------
        Prediction
        """
        return self._predict_batch([ct], heatmap=heatmap)[0]

    def predict_many(self, slices: Iterable[CtSlice]) -> Iterator[Prediction]:
        """Predict any number of slices, in their order, `BATCH_SIZE` at a time.

        Parameters
        ----------
        slices : iterable of CtSlice
            Read as the predictions are consumed.

        Yields
        ------
        Prediction
            Its `milliseconds` are the mean of its batch.
        """
        remaining = iter(slices)
        while batch := list(islice(remaining, BATCH_SIZE)):
            yield from self._predict_batch(batch)

    def run(self, inputs: npt.NDArray[np.uint8]) -> tuple[np.ndarray, np.ndarray | None]:
        """Run the network on inputs.

        Parameters
        ----------
        inputs : uint8 array, shape (N, S, S)

        Returns
        -------
        logits : float32 array, shape (N, folds)
        heatmaps : float32 array, shape (N, h, w), or None
            Mean over the folds; None where the network gives none.
        """
        found = self._run(inputs, self._outputs)
        return found["logits"], found.get("heatmaps")

    def compute_features(self, inputs: npt.NDArray[np.uint8]) -> np.ndarray:
        """Return what the input check compares, float32 (N, F), for inputs (N, S, S).

        Raises
        ------
        ModelError
            The model was saved without features.
        """
        if not self._features:
            raise ModelError(
                f"Model {self.model.id} gives no features for the input check: train it again"
            )
        parts = [
            self._run(inputs[start : start + BATCH_SIZE], self._features)["features"]
            for start in range(0, len(inputs), BATCH_SIZE)
        ]
        return np.concatenate(parts)

    def _run(self, inputs: npt.NDArray[np.uint8], names: list[str]) -> dict[str, np.ndarray]:
        """Return the named outputs for inputs (N, S, S)."""
        images = inputs[..., None].astype(np.float32)
        session = self._session
        if "heatmaps" in self._outputs and "heatmaps" not in names:
            session = self._without_heatmaps.open_for(len(images))
        with _inference_slots:
            return dict(zip(names, session.run(names, {"image": images}), strict=True))

    def _predict_batch(self, batch: list[CtSlice], *, heatmap: bool = True) -> list[Prediction]:
        start = time.perf_counter()
        inputs = [imaging.to_input(ct, self.model.preprocessing) for ct in batch]
        pixels = np.stack([model_input.pixels for model_input in inputs])
        outputs = self._outputs if heatmap else ["logits"]
        found = self._run(pixels, [*outputs, *self._features])
        nothing = [None] * len(batch)
        maps = found.get("heatmaps", nothing)
        features = found.get("features", nothing)
        predictions = [
            self._build_prediction(*entry)
            for entry in zip(batch, inputs, found["logits"], maps, features, strict=True)
        ]
        milliseconds = 1000 * (time.perf_counter() - start) / len(batch)
        return [replace(one, milliseconds=milliseconds) for one in predictions]

    def _build_prediction(
        self,
        ct: CtSlice,
        model_input: ModelInput,
        logits: np.ndarray,
        heatmap: np.ndarray | None,
        features: np.ndarray | None,
    ) -> Prediction:
        """Return a prediction from fold logits (folds,), heat map (h, w) and features (F,)."""
        temperature = self.model.temperature
        # In double precision: the result must not depend on the order of the sum.
        logits = logits.astype(np.float64)
        shape = (ct.pixels.shape[0], ct.pixels.shape[1])
        return Prediction(
            model=self.model.id,
            probability=float(calibration.apply_temperature(logits.mean(), temperature)),
            threshold=self.model.threshold,
            fold_probabilities=tuple(calibration.apply_temperature(logits, temperature).tolist()),
            heatmap=(
                None
                if heatmap is None
                else imaging.project_heatmap(heatmap, model_input.square, shape)
            ),
            input=model_input,
            input_check=self._check.check(ct, model_input, features),
            milliseconds=0.0,
        )


class _SessionForMany:
    """A network without its heat maps, opened once so many slices ask for none that it pays.

    Parameters
    ----------
    model : SavedModel
    outputs : list of str
        The wanted ones.
    whole : InferenceSession
        Of the whole network: used before, and where no part of it can be opened.
    """

    def __init__(
        self, model: SavedModel, outputs: list[str], whole: onnxruntime.InferenceSession
    ) -> None:
        self._model, self._outputs = model, outputs
        self._session = whole
        self._slices_left = _MANY_SLICES
        self._lock = threading.Lock()

    def open_for(self, slices: int) -> onnxruntime.InferenceSession:
        """Return the session for so many more slices."""
        with self._lock:
            if 0 <= self._slices_left < slices:
                try:
                    content = self._model.read_file(repository.ONNX_FILE)
                    self._session = _open_session(extract_outputs(content, self._outputs))
                except Exception as error:  # noqa: BLE001 - slower, and no less right
                    log.info("no network without heat maps: %s", error)
            self._slices_left -= slices
            return self._session


def _open_session(content: bytes) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread a pass: the network is small, and a server's threads share the cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # One arena for all threads; without it each thread's own heap keeps a pass's memory.
    options.enable_cpu_mem_arena = True
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _check_feature_output(outputs: list[Any], count: int) -> None:
    """Refuse a network that does not return the features that the card describes."""
    given = next((output.shape[-1] for output in outputs if output.name == "features"), 0)
    if count and given != count:
        raise ValueError(f"it returns {given} features, its card describes {count}")


_predictor_cache: OrderedDict[tuple[Path, str], Predictor] = OrderedDict()
_predictor_cache_lock = threading.Lock()


def get_predictor(model_id: str | None = None) -> Predictor:
    """Return the cached predictor of a saved model.

    Parameters
    ----------
    model_id : str or None
        None for the default model.

    Returns
    -------
    Predictor
        A new one where the model was replaced under its id.

    Raises
    ------
    ModelError
        There is no such model, or it is damaged.
    """
    model = repository.load(model_id or repository.get_default_id())
    key = (model.path, model.card_hash)
    with _predictor_cache_lock:
        if key not in _predictor_cache:
            _predictor_cache[key] = Predictor(model)
        _predictor_cache.move_to_end(key)
        while len(_predictor_cache) > MAX_OPEN_PREDICTORS:
            _predictor_cache.popitem(last=False)
        return _predictor_cache[key]
