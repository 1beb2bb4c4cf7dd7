"""Metrics as a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spinefrac.cli.output import format_table

if TYPE_CHECKING:
    from spinefrac.evaluation.compare import MetricDifference

#: Metric names in the order and the words of the table.
METRIC_TITLES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "sensitivity (recall)",
    "specificity": "specificity",
    "f1": "F1",
    "brier": "Brier score",
    "ece": "calibration error",
}


def format_metrics_table(metrics: dict[str, Any]) -> str:
    """Lay out what `Metrics.to_dict` gives, each value with its interval."""
    (tn, fp), (fn, tp) = metrics["confusion_matrix"]
    rows = [("metric", "value", "95 % interval")]
    for name, title in METRIC_TITLES.items():
        value, interval = metrics[name], metrics["ci"].get(name)
        rows.append(
            (
                title,
                "not defined" if value is None else f"{value:.3f}",
                f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-",
            )
        )
    return "\n".join(
        [
            format_table(rows),
            f"at threshold {metrics['threshold']:.3f}: {tp} fractures found, {fn} missed, "
            f"{tn} normal slices passed, {fp} called fractures",
            f"{metrics['n']} slices of {metrics['groups']} groups; intervals resample the groups",
            *metrics["notes"],
        ]
    )


def format_shift_table(shift: Mapping[str, MetricDifference]) -> str:
    """Lay out how far metrics on new slices lie from those out-of-fold."""
    rows = [("new slices minus out-of-fold", "shift", "95 % interval", "p", "")]
    for name, title in METRIC_TITLES.items():
        rows.append((title, *format_difference(shift[name])))
    return "\n".join(
        [format_table(rows), "p corrected for several metrics; groups of both data sets resampled"]
    )


def format_difference(metric_difference: MetricDifference) -> tuple[str, str, str, str]:
    """Return a difference as text: value, interval, p, and whether it is more than chance."""
    if metric_difference.value is None:
        return "not defined", "-", "-", ""
    if metric_difference.interval is None or metric_difference.p_holm is None:
        return f"{metric_difference.value:+.3f}", "-", "-", ""
    low, high = metric_difference.interval
    p = "< 0.001" if metric_difference.p_holm < 0.001 else f"{metric_difference.p_holm:.3f}"
    verdict = "more than chance" if metric_difference.p_holm < 0.05 else "may be chance"
    return f"{metric_difference.value:+.3f}", f"{low:+.3f} to {high:+.3f}", p, verdict
