"""Predictions of several models on the same slice, compared in words."""

from __future__ import annotations

from collections.abc import Sequence

from spinefrac import wording
from spinefrac.records import CLASS_NAMES, Prediction


def describe_agreement(predictions: Sequence[Prediction]) -> str:
    """Say whether models agree, and how much their probabilities differ.

    Parameters
    ----------
    predictions : sequence of Prediction
        Of the same slice, at least two, each by another model.

    Returns
    -------
    str
    """
    fractures = [one.model for one in predictions if one.label == CLASS_NAMES[1]]
    shares = [one.probability for one in predictions]
    spread = (
        f"Probabilities from {wording.format_percent(min(shares))} to "
        f"{wording.format_percent(max(shares))}."
    )
    suppressed = [one.model for one in predictions if one.input_check and one.input_check.is_unlike]
    note = (
        f" The slice is unlike the training slices of {_join_names(suppressed)}; do not rely on "
        "that prediction."
        if suppressed
        else ""
    )
    if len(fractures) in (0, len(predictions)):
        return f"All {len(predictions)} models predict {predictions[0].label}. {spread}{note}"
    return (
        f"The models disagree: {len(fractures)} of {len(predictions)} predict fracture "
        f"({_join_names(fractures)}). {spread}{note}"
    )


def _join_names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
