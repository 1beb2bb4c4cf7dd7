"""What several models say of the same slice, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from spinefrac.records import CLASS_NAMES, Prediction


def describe_agreement(predictions: Sequence[Prediction]) -> str:
    """Say whether models agree, and how far apart their probabilities are.

    Parameters
    ----------
    predictions : sequence of Prediction
        Of the same slice, at least two, each by another model.

    Returns
    -------
    str
    """
    names = [answer.model for answer in predictions if answer.label == CLASS_NAMES[1]]
    shares = [answer.probability for answer in predictions]
    spread = f"Probabilities from {min(shares):.0%} to {max(shares):.0%}".replace("%", " %")
    strange = [
        answer.model
        for answer in predictions
        if answer.input_check is not None and not answer.input_check.typical
    ]
    doubt = (
        f" The slice is untypical for {_join_names(strange)}, whose answer then says little."
        if strange
        else ""
    )
    if len(names) in (0, len(predictions)):
        label = predictions[0].label
        return f"All {len(predictions)} models say {label}. {spread}.{doubt}"
    return (
        f"The models disagree: {len(names)} of {len(predictions)} say fracture ({_join_names(names)}). "
        f"{spread}.{doubt}"
    )


def _join_names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
