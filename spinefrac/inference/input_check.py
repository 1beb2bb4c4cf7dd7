"""Input check: is a slice similar to the training slices, and why not?

A network returns a probability for any image, a photograph too. Features that the model's own
network sees of a slice at several depths, and its noise, are compared with those of the training
slices ([docs/input-check.md](../../docs/input-check.md)). A model that was saved without such
features knows sixteen statistics of its training inputs (greys, edges, texture, symmetry): they
find images of another kind, but not a CT slice of another body region or scanner that looks
similar. Neither finds a wrong prediction.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from spinefrac.imaging.noise import measure_noise
from spinefrac.inference import input_reasons
from spinefrac.records import LIKE, UNLIKE, UNUSUAL, CtSlice, InputCheck, ModelInput
from spinefrac.store.input_reference import Deviation
from spinefrac.store.input_statistics import (
    FEATURE_NAMES,
    InputCheckStatistics,
    extract_features,
)
from spinefrac.store.repository import SavedModel


class InputChecker:
    """The input check of one saved model. Any number of threads may share it.

    Parameters
    ----------
    model : SavedModel

    Raises
    ------
    ModelError
        The model's reference is damaged.
    """

    def __init__(self, model: SavedModel) -> None:
        known = model.card.input_check
        self._statistics = InputCheckStatistics.from_dict(known) if known else None
        self._reference = model.load_input_reference()
        self._is_synthetic = model.is_synthetic
        self._data = model.card.data

    @property
    def feature_count(self) -> int:
        """Number of the network's features that `check` needs, F; 0 where it needs none."""
        return sum(self._reference.summary.sizes) if self._reference else 0

    def check(
        self, ct: CtSlice, model_input: ModelInput, features: npt.NDArray[np.floating] | None
    ) -> InputCheck | None:
        """Compare a slice with the training slices.

        Parameters
        ----------
        ct : CtSlice
        model_input : ModelInput
            The same slice after preprocessing.
        features : float array, shape (F,), or None
            Of the network for that input, see `feature_count`.

        Returns
        -------
        InputCheck or None
            None for an imported model, where the file alone does not tell.
        """
        storage = input_reasons.explain_storage(ct, self._data)
        by_picture = check_input(self._statistics, ct, model_input, storage)
        if self._reference is None or features is None or input_reasons.explain_file(ct):
            return by_picture
        nearest = self._reference.find_nearest(features)
        is_far = by_picture is not None and not by_picture.typical
        if by_picture and is_far and _is_named_image(ct, by_picture.reason):
            return replace(by_picture, nearest=nearest)
        deviation = self._reference.measure(features, measure_noise(model_input.pixels))
        summary = self._reference.summary
        score = round(summary.percentile(deviation.score), 1)
        if is_far or deviation.score > summary.unlike_limit:
            grade = UNLIKE
        else:
            grade = UNUSUAL if deviation.score > summary.unusual_limit else LIKE
        if grade == LIKE:
            return InputCheck(score, True, "", grade, nearest)
        if by_picture is not None:
            score = max(score, by_picture.score)
        return InputCheck(
            score, False, self._explain(deviation, model_input, storage), grade, nearest
        )

    def _explain(self, deviation: Deviation, model_input: ModelInput, storage: str) -> str:
        assert self._reference is not None
        z = np.zeros(len(FEATURE_NAMES))
        if self._statistics is not None:
            z = self._statistics.standardize(extract_features(model_input.pixels))
        return input_reasons.describe_deviation(
            deviation, self._reference.summary, z, storage, is_synthetic=self._is_synthetic
        )


def _is_named_image(ct: CtSlice, reason: str) -> bool:
    """Whether a reason names a kind of image: that says more than how it differs from a slice."""
    return not ct.calibrated and not reason.startswith(input_reasons.OF_NO_KNOWN_KIND)


def check_input(
    statistics: InputCheckStatistics | None,
    ct: CtSlice,
    model_input: ModelInput,
    storage: str = "",
) -> InputCheck | None:
    """Compare a slice with the training inputs by image statistics alone.

    Parameters
    ----------
    statistics : InputCheckStatistics or None
        Of the model; None where it is imported and has none.
    ct : CtSlice
        The slice as read; its colours, its modality and what its values cannot be are used.
    model_input : ModelInput
        The same slice after preprocessing.
    storage : str
        See `input_reasons.explain_storage`.

    Returns
    -------
    InputCheck or None
        None where only statistics could tell, and there are none.
    """
    if reason := input_reasons.explain_file(ct):
        return InputCheck(100.0, False, reason)
    if statistics is None:
        return None
    features = extract_features(model_input.pixels)
    distance = float(statistics.mahalanobis_distance(features))
    score = round(statistics.distance_percentile(distance), 1)
    if distance <= statistics.distance_limit:
        return InputCheck(score, True)
    return InputCheck(
        score,
        False,
        input_reasons.describe_statistics(ct, features, statistics.standardize(features), storage),
    )
