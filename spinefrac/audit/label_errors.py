"""Suspected label errors: slices whose labels out-of-fold predictions contradict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spinefrac.audit import baselines
from spinefrac.audit.features import DatasetFeatures
from spinefrac.audit.report import Baseline, SuspectLabel
from spinefrac.errors import ModelError
from spinefrac.records import CLASS_NAMES
from spinefrac.store.repository import SavedModel

#: Most suspects that are returned, the surest first.
MAX_SUSPECTS = 50
#: Grouped AUC of a baseline, and the lower end of its interval, from which its predictions can
#: contradict a label.
MIN_AUC, MIN_CI_LOW = 0.8, 0.65


def find_suspects(
    paths: Sequence[str], y_true: npt.NDArray[np.int64], y_score: npt.NDArray[np.float64]
) -> tuple[SuspectLabel, ...]:
    """Return the slices whose label is probably wrong, the surest first.

    By confident learning (Northcutt et al., 2021): a slice is suspect where its probability of
    the other class is above the average probability of the slices labelled so.

    Parameters
    ----------
    paths : sequence of str, length N
    y_true : int64 array, shape (N,)
    y_score : float64 array, shape (N,)
        Probability of fracture, out-of-fold.

    Returns
    -------
    tuple of SuspectLabel
        Empty where there is one class only: nothing contradicts it.
    """
    if len(np.unique(y_true)) < 2:
        return ()
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    both = np.stack([1 - y_score, y_score], axis=1)
    quality = get_label_quality_scores(y_true, both)
    found = find_label_issues(y_true, both, return_indices_ranked_by="self_confidence", n_jobs=1)
    return tuple(
        SuspectLabel(paths[row], CLASS_NAMES[y_true[row]], round(float(quality[row]), 4))
        for row in found[:MAX_SUSPECTS]
    )


def suspects_from_model(model: SavedModel, fingerprint: str) -> tuple[SuspectLabel, ...]:
    """Return the suspects by a trained model's out-of-fold predictions.

    Parameters
    ----------
    model : SavedModel
    fingerprint : str
        Of the data set in question.

    Raises
    ------
    ModelError
        If the model was trained on another data set, or its training is not known.
    """
    if not model.has_out_of_fold or model.data.fingerprint != fingerprint:
        raise ModelError(
            f"Expected a model that was trained on this very folder, but {model.id} was not: its "
            "predictions on these slices are not out-of-fold. Train one, or leave it out"
        )
    model.require_slices()
    oof = model.load_out_of_fold()
    return find_suspects(oof.paths, oof.labels, oof.probabilities)


def suspects_from_baseline(
    dataset_features: DatasetFeatures, grouped: Baseline
) -> tuple[SuspectLabel, ...]:
    """Return the suspects by the thumbnail baseline; none where its AUC is too low."""
    if grouped.auc is None or grouped.auc < MIN_AUC or not grouped.ci or grouped.ci[0] < MIN_CI_LOW:
        return ()
    target = dataset_features.labels[:, None].astype(float)
    scores = baselines.predict_out_of_fold(
        dataset_features.thumbnails, target, dataset_features.grouped_folds
    )
    probabilities = np.clip(scores[:, 0], 0.01, 0.99)
    return find_suspects(
        dataset_features.examination.dataset.paths, dataset_features.labels, probabilities
    )
