"""Metrics as a table for people."""

from __future__ import annotations

from typing import Any

from spinefrac.cli.output import table

#: Metric names in the order and the words of the table.
TITLES = {
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


def metrics_table(metrics: dict[str, Any]) -> str:
    """Lay out what `Metrics.to_dict` gives, each value with its interval."""
    (tn, fp), (fn, tp) = metrics["confusion_matrix"]
    rows = [("metric", "value", "95 % interval")]
    for name, title in TITLES.items():
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
            table(rows),
            f"at threshold {metrics['threshold']:.3f}: {tp} fractures found, {fn} missed, "
            f"{tn} normal slices passed, {fp} called fractures",
            f"{metrics['n']} slices of {metrics['groups']} groups; intervals resample the groups",
            *metrics["notes"],
        ]
    )
