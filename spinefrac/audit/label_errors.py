"""Slices whose labels are contradicted by models that have not seen them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spinefrac.audit import baselines
from spinefrac.audit.features import Evidence
from spinefrac.audit.report import Baseline, Suspect
from spinefrac.errors import ModelError
from spinefrac.records import CLASS_NAMES
from spinefrac.store.repository import SavedModel

#: Suspects that are kept at most, the surest first.
MOST = 50
#: Grouped AUC, and the lower end of its interval, from which a trivial model's contradiction
#: says anything about a label.
KNOWS, SURELY = 0.8, 0.65


def suspects(
    paths: Sequence[str], labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]
) -> tuple[Suspect, ...]:
    """Return the slices whose label is probably wrong, the surest first.

    By confident learning (Northcutt et al., 2021): a slice is suspect where its probability of
    the other class passes what that class's own slices have on average.

    Parameters
    ----------
    paths : sequence of str, length N
    labels : int64 array, shape (N,)
    probabilities : float64 array, shape (N,)
        Probability of fracture, out-of-fold.

    Returns
    -------
    tuple of Suspect
        None where there is one class only: nothing contradicts it.
    """
    if len(np.unique(labels)) < 2:
        return ()
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    both = np.stack([1 - probabilities, probabilities], axis=1)
    quality = get_label_quality_scores(labels, both)
    found = find_label_issues(labels, both, return_indices_ranked_by="self_confidence", n_jobs=1)
    return tuple(
        Suspect(paths[row], CLASS_NAMES[labels[row]], round(float(quality[row]), 4))
        for row in found[:MOST]
    )


def from_model(model: SavedModel, fingerprint: str) -> tuple[Suspect, ...]:
    """Return the suspects by a trained model's out-of-fold answers.

    Parameters
    ----------
    model : SavedModel
    fingerprint : str
        Of the data set in question.

    Raises
    ------
    ModelError
        If the model was trained on another data set, or nothing is known of its training.
    """
    if not model.measured or model.data.fingerprint != fingerprint:
        raise ModelError(
            f"Expected a model that was trained on this very folder, but {model.id} was not: its "
            "answers on these slices are not out-of-fold. Train one, or leave it out"
        )
    oof = model.oof()
    return suspects(oof.paths, oof.labels, oof.probabilities)


def from_trivial_model(evidence: Evidence, grouped: Baseline) -> tuple[Suspect, ...]:
    """Return the suspects of the thumbnail model, or none where it knows too little."""
    if grouped.auc is None or grouped.auc < KNOWS or not grouped.ci or grouped.ci[0] < SURELY:
        return ()
    target = evidence.labels[:, None].astype(float)
    scores = baselines.out_of_fold(evidence.thumbnails, target, evidence.grouped_folds)
    probabilities = np.clip(scores[:, 0], 0.01, 0.99)
    return suspects(evidence.examined.dataset.paths, evidence.labels, probabilities)
