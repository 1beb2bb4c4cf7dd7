"""What several models say of the same slice, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from spinefrac.records import CLASS_NAMES, Prediction


def agreement(answers: Sequence[Prediction]) -> str:
    """Say whether models agree, and how far apart their probabilities are.

    Parameters
    ----------
    answers : sequence of Prediction
        Of the same slice, at least two, each by another model.

    Returns
    -------
    str
    """
    names = [answer.model for answer in answers if answer.label == CLASS_NAMES[1]]
    shares = [answer.probability for answer in answers]
    spread = f"Probabilities from {min(shares):.0%} to {max(shares):.0%}".replace("%", " %")
    strange = [
        answer.model
        for answer in answers
        if answer.input_check is not None and not answer.input_check.typical
    ]
    doubt = (
        f" The slice is untypical for {_listed(strange)}, whose answer then says little."
        if strange
        else ""
    )
    if len(names) in (0, len(answers)):
        label = answers[0].label
        return f"All {len(answers)} models say {label}. {spread}.{doubt}"
    return (
        f"The models disagree: {len(names)} of {len(answers)} say fracture ({_listed(names)}). "
        f"{spread}.{doubt}"
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
