"""The pieces of HTML that say what a saved model is and how often it has been right."""

from __future__ import annotations

from html import escape

from spinefrac.evaluation.metrics import Metrics
from spinefrac.evaluation.operating_point import THRESHOLD_OPTIMISM_NOTE
from spinefrac.records import CLASS_NAMES
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.layout import (
    NARROW_NBSP,
    format_number,
    format_number_range,
    format_percent,
    format_percent_range,
)

#: Metrics that are drawn on a line from 0 to 1: their names for people, and what they mean.
METRIC_DESCRIPTIONS = {
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
NON_RATE_METRICS = ("auc", "f1", "average_precision")


def render_performance(model: SavedModel) -> str:
    """Return the card with what the model got right out-of-fold, and on what that was measured."""
    if not model.has_out_of_fold:
        return (
            '<section class="sf-card" aria-label="Record of the model">'
            '<div class="sf-card-title">How often it is right</div>'
            '<p class="sf-note">Not known: the model was imported, so there are no answers on '
            "slices kept from it. Its probability is not calibrated and its threshold of "
            f"{format_percent(model.threshold)} was not chosen on any data.</p></section>"
        )
    metrics = model.metrics
    return (
        '<section class="sf-card" aria-label="Record of the model">'
        f"{render_audit_warning(model)}"
        '<div class="sf-card-title">How often it is right at the threshold of '
        f"{format_percent(model.threshold)}</div>"
        f'<div class="sf-metrics">{render_metric("recall", metrics)}{render_metric("specificity", metrics)}</div>'
        f'<p class="sf-note">{escape(describe_evaluation_data(model))} '
        f"Intervals: 95{NARROW_NBSP}%, whole groups resampled.</p></section>"
    )


#: What a verdict of the audit means for whoever reads a number or an answer of the model.
AUDIT_WARNINGS = {
    "caution": "The audit of the training data advises caution: numbers and answers of this model "
    "may owe something to other things than the fracture.",
    "unusable": "The audit found the training data unusable: neither the numbers nor the answers "
    "of this model show that it sees fractures.",
}


def render_audit_warning(model: SavedModel) -> str:
    """Return the warning of the data's audit, empty where there is none to give."""
    text = AUDIT_WARNINGS.get(model.card.audit_verdict or "")
    return f'<div class="sf-alert bad"><i class="dot"></i>{text}</div>' if text else ""


def describe_evaluation_data(model: SavedModel) -> str:
    """Return the sentence that says which slices a model's metrics come from."""
    data, metrics = model.data, model.metrics
    return (
        f"Out-of-fold on {metrics.n:,} slices of {metrics.groups:,} groups, none of which the "
        f"answering network had seen. Groups: {data.group_rule}. {THRESHOLD_OPTIMISM_NOTE}"
    )


def render_model_summary(model: SavedModel) -> str:
    """Return the card that says what a model is."""
    card = model.card
    head = (
        '<section class="sf-card" aria-label="About the model">'
        f'<div class="sf-card-title">About {escape(model.id)}</div>'
        f'<p class="sf-note">{escape(card.note)}</p>'
    )
    if card.data is None or card.origin:
        origin = f" from {escape(card.origin.file)}" if card.origin else ""
        return (
            f'{head}<p class="sf-note">Imported{origin} on <span class="sf-nowrap">'
            f"{escape(card.created[:10])}</span>; what it was trained on is not known."
            "</p></section>"
        )
    return (
        f'{head}<p class="sf-note">{len(card.folds)} networks of kind {escape(card.network)}, '
        "one a fold, answer together. Trained "
        f'<span class="sf-nowrap">{escape(card.created[:10])}</span> on {card.data.fracture:,} '
        f"slices with a fracture and {card.data.normal:,} without.</p></section>"
    )


def render_metric(metric: str, metrics: Metrics) -> str:
    """Return one rate with its value, its interval, and both drawn on a line from 0 to 1."""
    title, meaning = METRIC_DESCRIPTIONS[metric]
    value, interval = getattr(metrics, metric), metrics.ci.get(metric)
    titled = f'<span title="{escape(meaning)}">{title}</span>'
    if value is None:
        return f'<div class="sf-metric">{titled}<span>not defined</span></div>'
    low, high = interval or (value, value)
    share = metric not in NON_RATE_METRICS
    shown = format_percent(value) if share else format_number(value, 2)
    span = format_percent_range(low, high) if share else format_number_range((low, high), 2)
    return (
        f'<div class="sf-metric">{titled}<span class="value">{shown}</span>'
        f'<span class="sf-interval"><i class="range" style="left:{100 * low:.1f}%;'
        f'width:{100 * (high - low):.1f}%"></i>'
        f'<i class="estimate" style="left:{100 * value:.1f}%"></i></span>'
        f'<span class="interval">{span if interval else "no interval"}</span>'
        "</div>"
    )


def render_confusion_matrix(matrix: tuple[tuple[int, int], tuple[int, int]]) -> str:
    """Return the confusion matrix ((tn, fp), (fn, tp)): rows are the truth, columns the answer."""
    lines = []
    for truth, counts in zip(CLASS_NAMES, matrix, strict=True):
        total = sum(counts) or 1
        cells = "".join(
            f'<td style="--share:{100 * count / total:.0f}%"><b>{count:,}</b>'
            f"<small>{format_percent(count / total)}</small></td>"
            for count in counts
        )
        lines.append(f"<tr><th>{truth}</th>{cells}</tr>")
    head = "".join(f"<th>answer: {name}</th>" for name in CLASS_NAMES)
    return f'<table class="sf-confusion"><tr><th>truth</th>{head}</tr>{"".join(lines)}</table>'
