"""The pieces of HTML that an answer is made of: verdict with its gauge, input check."""

from __future__ import annotations

from html import escape

from spinefrac import wording
from spinefrac.records import CtSlice, InputCheck, Prediction
from spinefrac.store.repository import SavedModel


def render_prediction_card(
    prediction: Prediction, true_label: str = "", note_html: str = "", *, suppressed: bool = False
) -> str:
    """Return the card with the label, the probability and the threshold it was held against.

    `note_html` is HTML to end it with; `suppressed` strikes the answer through, which should not be
    relied on.
    """
    networks = len(prediction.fold_probabilities)
    side = "At or above" if prediction.probability >= prediction.threshold else "Below"
    lines = [
        f"{side} the threshold of {wording.format_percent(prediction.threshold)}, hence "
        f"<strong>{escape(prediction.label)}</strong>. "
        + (f"The dots are the {networks} networks of the ensemble." if networks > 1 else "")
    ]
    if true_label:
        wrong = "" if true_label == prediction.label else " Here the model is wrong."
        lines.append(
            f"Known truth of this synthetic sample: <strong>{escape(true_label)}</strong>.{wrong}"
        )
    tone = ["sf-card", "sf-prediction-card"]
    if prediction.label == "fracture":
        tone.append("fracture")
    if prediction.input_check and not prediction.input_check.typical:
        tone.append("muted")
    if suppressed:
        tone.append("suppressed")
        lines = ["Struck through, since the slice is not like those that the model learned from."]
    return (
        f'<section class="{" ".join(tone)}" aria-label="Answer">'
        '<div class="sf-card-title">Probability of fracture</div>'
        f'<div class="sf-prediction"><span class="label">{escape(prediction.label.capitalize())}</span>'
        f'<span class="probability">{wording.format_percent(prediction.probability)}</span></div>'
        f"{_render_probability_gauge(prediction)}"
        + "".join(f'<p class="sf-note">{line}</p>' for line in lines)
        + f"{note_html}</section>"
    )


def _render_probability_gauge(prediction: Prediction) -> str:
    """Return a bar from 0 to 100 % with the probability, each network's and the threshold."""
    threshold = 100 * prediction.threshold
    edge = " first" if threshold < 12 else " last" if threshold > 88 else ""
    folds = "".join(
        f'<i class="network" style="left:{100 * share:.1f}%"></i>'
        for share in prediction.fold_probabilities
    )
    return (
        '<div class="sf-probability-bar"><div class="track">'
        f'<div class="fill" style="width:{100 * prediction.probability:.1f}%"></div></div>{folds}'
        f'<div class="threshold" style="left:{threshold:.1f}%"></div>'
        f'<span class="threshold-label{edge}" style="left:{threshold:.1f}%">'
        f"threshold {wording.format_percent(prediction.threshold)}</span></div>"
    )


def render_input_check(check: InputCheck | None) -> str:
    """Return the line that says whether the slice is like those the model learned from."""
    if check is None:
        return (
            '<section class="sf-card sf-input-check out-of-distribution" aria-label="Input check">'
            '<i class="dot"></i><div><strong>Not compared with training slices</strong>'
            '<p class="sf-note">The model was imported, so nothing is known of the slices it '
            "learned from: a picture of another kind gets an answer too.</p></div></section>"
        )
    if check.typical:
        return (
            '<section class="sf-card sf-input-check" aria-label="Input check"><i class="dot"></i>'
            "<div><strong>Like the training slices</strong>"
            f'<p class="sf-note">{wording.format_percent(check.score / 100)} of them are more ordinary than '
            "this one.</p></div></section>"
        )
    share = "all" if check.score >= 100 else wording.format_percent(check.score / 100)
    return (
        '<section class="sf-card sf-input-check out-of-distribution" aria-label="Input check"><i class="dot"></i>'
        "<div><strong>Do not rely on this answer</strong>"
        f'<p class="sf-note">{escape(wording.to_sentence(check.reason))} It lies farther out than {share} '
        "of the training slices.</p></div></section>"
    )


def render_preprocessing_note(model: SavedModel, ct: CtSlice, prediction: Prediction) -> str:
    """Return the sentence on what was done to the slice before the network saw it."""
    preprocessing = model.preprocessing
    side = prediction.input.pixels.shape[0]
    grey = (
        f"Hounsfield units windowed at {preprocessing.window_center:.0f}, "
        f"{preprocessing.window_width:.0f} wide"
        if ct.calibrated
        else "grey values as they came, taken as windowed for bone"
    )
    height, width = ct.pixels.shape
    cut = (
        f"{prediction.input.square.side} pixels square around the bone"
        if preprocessing.bone_crop
        else "the whole field of view, padded to a square"
    )
    return (
        f'<p class="sf-note">From {width} × {height} pixels of {ct.format.upper()}: {grey}; '
        f"{cut}; brought to {side} × {side}. Answered in {prediction.milliseconds:.0f} ms.</p>"
        + (
            '<p class="sf-note">The heat map marks what raised the score, measured against the '
            "most in this slice; a slice without a fracture has such places too.</p>"
            if prediction.heatmap is not None
            else '<p class="sf-note">This network gives no heat map of its own.</p>'
        )
    )
