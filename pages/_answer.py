"""The pieces of HTML that an answer is made of: gauge, measured rates, input check."""

from __future__ import annotations

from html import escape

from pages._shared import THIN, number, number_range, percent, percent_range, sentence
from spinefrac import charts
from spinefrac.evaluation.metrics import Metrics
from spinefrac.records import CLASS_NAMES, CtSlice, InputCheck, Prediction
from spinefrac.store.saved import SavedModel

#: Metrics that are drawn on a line from 0 to 1: their names for people, and what they mean.
RATES = {
    "auc": ("AUC", "Chance that a slice with a fracture scores higher than one without"),
    "recall": ("Sensitivity", "Of the slices with a fracture, the share that is found"),
    "specificity": ("Specificity", "Of the slices without a fracture, the share that is cleared"),
    "precision": ("Precision", "Of the slices called a fracture, the share that has one"),
    "accuracy": ("Accuracy", "Of all slices, the share that is answered rightly"),
    "balanced_accuracy": ("Balanced accuracy", "Mean of sensitivity and specificity"),
    "f1": ("F1", "Harmonic mean of sensitivity and precision"),
    "average_precision": ("Average precision", "Precision averaged over all thresholds"),
}
#: Those that are not the share of anything, and so not shown as a percentage.
INDICES = ("auc", "f1", "average_precision")


def verdict(prediction: Prediction, truth: str = "") -> str:
    """Return the card with the label, the probability and the threshold it was held against."""
    side = "At or above" if prediction.probability >= prediction.threshold else "Below"
    lines = [
        f"{side} the threshold of {percent(prediction.threshold)}, hence "
        f"<strong>{escape(prediction.label)}</strong>. "
        f"The dots are the {len(prediction.fold_probabilities)} networks of the ensemble."
    ]
    if truth:
        lines.append(f"Known truth of this synthetic sample: <strong>{escape(truth)}</strong>.")
    tone = ["sf-card", "sf-verdict"]
    if prediction.label == "fracture":
        tone.append("fracture")
    if not prediction.input_check.typical:
        tone.append("subdued")
    return (
        f'<section class="{" ".join(tone)}" aria-label="Answer">'
        '<div class="sf-eyebrow">Probability of fracture</div>'
        f'<div class="sf-answer"><span class="label">{escape(prediction.label.capitalize())}</span>'
        f'<span class="probability">{percent(prediction.probability)}</span></div>'
        f"{_gauge(prediction)}"
        + "".join(f'<p class="sf-note">{line}</p>' for line in lines)
        + "</section>"
    )


def _gauge(prediction: Prediction) -> str:
    """Return a bar from 0 to 100 % with the probability, each network's and the threshold."""
    threshold = 100 * prediction.threshold
    edge = " first" if threshold < 12 else " last" if threshold > 88 else ""
    folds = "".join(
        f'<i class="fold" style="left:{100 * share:.1f}%"></i>'
        for share in prediction.fold_probabilities
    )
    return (
        '<div class="sf-gauge"><div class="track">'
        f'<div class="fill" style="width:{100 * prediction.probability:.1f}%"></div></div>{folds}'
        f'<div class="threshold" style="left:{threshold:.1f}%"></div>'
        f'<span class="mark{edge}" style="left:{threshold:.1f}%">'
        f"threshold {percent(prediction.threshold)}</span></div>"
    )


def record(saved: SavedModel) -> str:
    """Return the card with what the model got right out-of-fold, and on what that was measured."""
    metrics = saved.metrics
    return (
        '<section class="sf-card" aria-label="Record of the model">'
        '<div class="sf-eyebrow">How often it is right at this threshold</div>'
        f'<div class="sf-rates">{rate("recall", metrics)}{rate("specificity", metrics)}</div>'
        f'<p class="sf-note">{escape(measured_on(saved))} '
        f"Intervals: 95{THIN}%, whole groups resampled.</p></section>"
    )


def measured_on(saved: SavedModel) -> str:
    """Return the sentence that says which slices a model's metrics come from."""
    data, metrics = saved.card.data, saved.metrics
    return (
        f"Out-of-fold on {metrics.n:,} slices of {metrics.groups:,} groups, none of which the "
        f"answering network had seen. Groups: {data.group_rule}."
    )


def about(saved: SavedModel) -> str:
    """Return the card that says what a model is."""
    card = saved.card
    return (
        '<section class="sf-card" aria-label="About the model">'
        f'<div class="sf-eyebrow">About {escape(saved.id)}</div>'
        f'<p class="sf-note">{escape(card.note)}</p>'
        f'<p class="sf-note">{len(card.folds)} networks of kind {escape(card.network)}, one a '
        f'fold, answer together. Trained <span class="sf-nowrap">{escape(card.created[:10])}</span> '
        f"on {card.data.fracture:,} slices with a fracture and {card.data.normal:,} without.</p></section>"
    )


def rate(name: str, metrics: Metrics) -> str:
    """Return one rate with its value, its interval, and both drawn on a line from 0 to 1."""
    title, meaning = RATES[name]
    value, interval = getattr(metrics, name), metrics.ci.get(name)
    titled = f'<span title="{escape(meaning)}">{title}</span>'
    if value is None:
        return f'<div class="sf-rate">{titled}<span>not defined</span></div>'
    low, high = interval or (value, value)
    share = name not in INDICES
    shown = percent(value) if share else number(value, 2)
    span = percent_range(low, high) if share else number_range((low, high), 2)
    return (
        f'<div class="sf-rate">{titled}<span class="value">{shown}</span>'
        f'<span class="sf-range"><i class="span" style="left:{100 * low:.1f}%;'
        f'width:{100 * (high - low):.1f}%"></i>'
        f'<i class="point" style="left:{100 * value:.1f}%"></i></span>'
        f'<span class="interval">{span if interval else "no interval"}</span>'
        "</div>"
    )


def confusion(matrix: tuple[tuple[int, int], tuple[int, int]]) -> str:
    """Return the confusion matrix ((tn, fp), (fn, tp)): rows are the truth, columns the answer."""
    lines = []
    for truth, counts in zip(CLASS_NAMES, matrix, strict=True):
        total = sum(counts) or 1
        cells = "".join(
            f'<td style="--share:{100 * count / total:.0f}%"><b>{count:,}</b>'
            f"<small>{percent(count / total)}</small></td>"
            for count in counts
        )
        lines.append(f"<tr><th>{truth}</th>{cells}</tr>")
    head = "".join(f"<th>answer: {name}</th>" for name in CLASS_NAMES)
    return f'<table class="sf-confusion"><tr><th>truth</th>{head}</tr>{"".join(lines)}</table>'


def input_check(check: InputCheck) -> str:
    """Return the line that says whether the slice is like those the model learned from."""
    if check.typical:
        return (
            '<section class="sf-card sf-check" aria-label="Input check"><i class="dot"></i>'
            "<div><strong>Like the training slices</strong>"
            f'<p class="sf-note">{percent(check.score / 100)} of them are more ordinary than '
            "this one.</p></div></section>"
        )
    return (
        '<section class="sf-card sf-check untypical" aria-label="Input check"><i class="dot"></i>'
        "<div><strong>Do not rely on this answer</strong>"
        f'<p class="sf-note">{escape(sentence(check.reason))}</p></div></section>'
    )


def legend() -> str:
    """Return the legend of the heat map."""
    return (
        '<div class="sf-legend"><div class="sf-label">Evidence for a fracture</div>'
        f'<div class="bar"><i style="background:{charts.heat_gradient()}"></i></div>'
        '<div class="ends"><span>none</span><span>the most in this slice</span></div></div>'
    )


def seen(saved: SavedModel, ct: CtSlice, prediction: Prediction) -> str:
    """Return the sentence on what was done to the slice before the network saw it."""
    preprocessing = saved.preprocessing
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
        f"{cut}; shrunk to {side} × {side}. Answered in {prediction.milliseconds:.0f} ms.</p>"
    )
