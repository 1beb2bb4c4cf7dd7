"""Metrics as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spinefrac import wording
from spinefrac.cli.output import format_table
from spinefrac.wording import METRICS

if TYPE_CHECKING:
    from spinefrac.evaluation.compare import MetricDifference


def format_metrics_table(metrics: dict[str, Any], unit: str = "slices") -> str:
    """Lay out what `Metrics.to_dict` returns, each value with its interval.

    `unit` is what they are of, ``slices`` or ``scans``.
    """
    (tn, fp), (fn, tp) = metrics["confusion_matrix"]
    rows = [("metric", "value", wording.CONFIDENCE_INTERVAL_SHORT)]
    for name, words in METRICS.items():
        number = wording.format_number(metrics[name])
        rows.append((words.title, number, wording.format_interval(metrics["ci"].get(name))))
    return "\n".join(
        [
            format_table(rows),
            f"at threshold {metrics['threshold']:.3f}: {tp} true positives, {fn} false negatives "
            f"(missed fractures), {tn} true negatives, {fp} false positives (false alarms)",
            f"{metrics['n']} {unit} of {metrics['groups']} groups; intervals by bootstrap over "
            "whole groups",
            *metrics["notes"],
        ]
    )


def format_shift_table(shift: Mapping[str, MetricDifference], note: str) -> str:
    """Lay out the metrics of an external evaluation minus those out-of-fold, above a note."""
    rows = [
        ("external minus out-of-fold", "difference", wording.CONFIDENCE_INTERVAL_SHORT, "p", "")
    ]
    for name, words in METRICS.items():
        rows.append((words.title, *format_difference(shift[name])))
    return "\n".join(
        [
            format_table(rows),
            note,
        ]
    )


def format_difference(difference: MetricDifference) -> tuple[str, str, str, str]:
    """Return a difference as text: value, interval, p, and whether it is significant."""
    if difference.value is None:
        return wording.UNDEFINED, "-", "-", ""
    number = f"{difference.value:+.3f}"
    if difference.interval is None or difference.p_holm is None:
        return number, "-", "-", ""
    interval = wording.format_interval(difference.interval, signed=True)
    p = wording.format_p_value(difference.p_holm, name="")
    return number, interval, p, wording.describe_significance(difference.p_holm)
