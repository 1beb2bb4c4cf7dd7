"""Slices behind the metrics of one model: a cell of the confusion matrix, the largest errors."""

from __future__ import annotations

import numpy as np
import streamlit as st

from spinefrac import wording
from spinefrac.audit import label_errors
from spinefrac.store.evaluations import SlicePredictions
from spinefrac.store.repository import SavedModel
from spinefrac.ui.metrics import gallery

#: Which slices to show: option to label. The address holds the label.
FILTER_TITLES = {
    "errors": "Largest errors",
    "false-negatives": wording.CONFUSION_CELLS["fn"][1],
    "false-positives": wording.CONFUSION_CELLS["fp"][1],
    "true-positives": wording.CONFUSION_CELLS["tp"][1],
    "true-negatives": wording.CONFUSION_CELLS["tn"][1],
    "near-threshold": "Near the threshold",
    "suspected-label-errors": "Suspected label errors",
}


def rank_slices(predictions: SlicePredictions, threshold: float, slice_filter: str) -> np.ndarray:
    """Return the slices to show, the most informative first.

    Parameters
    ----------
    predictions : SlicePredictions
        Of N slices.
    threshold : float
        A slice is predicted fracture at or above it.
    slice_filter : str
        An option of `FILTER_TITLES`.

    Returns
    -------
    int array, shape (n,)
        Indices of slices: largest error first, or nearest to the threshold.
    """
    if slice_filter == "suspected-label-errors":
        return _rank_label_errors(predictions)
    y_score = predictions.probabilities
    y_true, y_pred = predictions.labels == 1, y_score >= threshold
    selected = {
        "errors": y_pred != y_true,
        "false-negatives": y_true & ~y_pred,
        "false-positives": ~y_true & y_pred,
        "true-positives": y_true & y_pred,
        "true-negatives": ~y_true & ~y_pred,
        "near-threshold": np.ones(len(y_true), bool),
    }[slice_filter]
    if slice_filter == "near-threshold":
        order = np.abs(y_score - threshold)
    else:
        order = -np.abs(predictions.labels - y_score)
    rows = np.flatnonzero(selected)
    return rows[np.argsort(order[rows], kind="stable")]


def _rank_label_errors(predictions: SlicePredictions) -> np.ndarray:
    row_of = {path: row for row, path in enumerate(predictions.paths)}
    suspects = label_errors.find_suspects(
        predictions.paths, predictions.labels, predictions.probabilities
    )
    return np.array([row_of[entry.path] for entry in suspects], dtype=int)


def show_slices(model: SavedModel, predictions: SlicePredictions, threshold: float) -> None:
    """Show the chosen slices of one model."""
    chosen = (
        st.pills(
            "Slices",
            list(FILTER_TITLES),
            default="errors",
            required=True,
            format_func=FILTER_TITLES.__getitem__,
            key="show",
            bind="query-params",
            label_visibility="collapsed",
        )
        or "errors"
    )
    if chosen == "suspected-label-errors":
        st.caption(
            "Slices whose label disagrees strongly with the predictions (confident learning), "
            "most confident first. Some labels are wrong, other slices are only difficult: check "
            "each one."
        )
    cards = []
    for row in rank_slices(predictions, threshold, chosen).tolist():
        fold = "" if predictions.folds is None else f" · fold {predictions.folds[row] + 1}"
        text = f"probability {predictions.probabilities[row]:.3f}{fold}"
        cards.append(gallery.make_card(predictions, row, (text,)))
    gallery.show_gallery(
        cards,
        [model],
        FILTER_TITLES[chosen].lower(),
        out_of_fold=predictions.folds is not None,
    )
