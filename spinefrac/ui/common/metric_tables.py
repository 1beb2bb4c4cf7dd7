"""Cards that say what a saved model is and how well it performs out-of-fold."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from spinefrac import wording
from spinefrac.evaluation.baseline_comparison import describe_comparison, is_no_better
from spinefrac.evaluation.calibration import ENSEMBLE_NOTE
from spinefrac.evaluation.operating_point import THRESHOLD_OPTIMISM_NOTE
from spinefrac.evaluation.scans.scan_metrics import describe_scan_metrics
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.templates import render_html
from spinefrac.wording import Interval, MetricWording

#: Keys of the metrics that are drawn on a line from 0 to 1.
UNIT_INTERVAL_METRICS = (
    "auc",
    "recall",
    "specificity",
    "precision",
    "accuracy",
    "balanced_accuracy",
    "f1",
    "average_precision",
)


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric as a card shows it: as text, and on a line from 0 to 1.

    Attributes
    ----------
    title, description : str
    value : float or None
        None where the data do not define it.
    low, high : float
        The confidence interval; both equal to `value` where there is none.
    value_text, interval_text : str
    """

    title: str
    description: str
    value: float | None
    low: float
    high: float
    value_text: str
    interval_text: str


def build_metric_row(
    metric: MetricWording, value: float | None, interval: Interval | None
) -> MetricRow:
    """Return one row of a card of metrics.

    Parameters
    ----------
    metric : MetricWording
    value : float or None
        Between 0 and 1.
    interval : (low, high) or None
        The 95 % confidence interval.
    """
    title, description = metric.short_title, f"{metric.title}: {metric.description}"
    if value is None:
        return MetricRow(title, description, None, 0.0, 0.0, wording.UNDEFINED, "")
    if metric.is_percentage:
        value_text = wording.format_percent(value)
        interval_text = wording.format_percent_interval(interval)
    else:
        value_text = wording.format_number(value, 2)
        interval_text = wording.format_interval(interval, 2)
    low, high = interval or (value, value)
    return MetricRow(
        title, description, value, low, high, value_text, interval_text if interval else "no CI"
    )


def render_performance(model: SavedModel) -> Markup:
    """Return the card with a model's out-of-fold performance and the data it was measured on."""
    if not model.has_out_of_fold:
        return render_html("common/performance_unknown.html", threshold=model.threshold)
    rows = [
        build_metric_row(
            wording.METRICS[key], getattr(model.metrics, key), model.metrics.ci.get(key)
        )
        for key in ("recall", "specificity")
    ]
    return render_html(
        "common/performance.html",
        audit_warning=render_audit_warning(model),
        baseline_notice=_render_baseline_notice(model),
        threshold=model.threshold,
        rows=rows,
        evaluation_data=describe_evaluation_data(model),
    )


def render_model_warnings(model: SavedModel) -> Markup:
    """Return what has to be said with every prediction of a model, empty where nothing has."""
    if not model.is_synthetic:
        return render_audit_warning(model)
    text = wording.SYNTHETIC_MODEL_WARNING
    warning = render_html("common/alert.html", text=text, tone="bad", title="", role="")
    return render_audit_warning(model) + warning


def render_audit_warning(model: SavedModel) -> Markup:
    """Return the warning of the training data's audit, empty where there is none."""
    if model.card.audit_verdict not in ("caution", "unusable"):
        return Markup()
    text = wording.describe_audit(model.card.audit_verdict)
    return render_html("common/alert.html", text=text, tone="bad", title="", role="")


def _render_baseline_notice(model: SavedModel) -> Markup:
    """Return the sentence on a model that beats no trivial one, empty where it does."""
    if not is_no_better(model.card.baselines):
        return Markup()
    text = describe_comparison(model.card.baselines)
    return render_html("common/alert.html", text=text, tone="open", title="", role="")


def describe_evaluation_data(model: SavedModel) -> str:
    """Return the sentences that say which slices or scans a model's metrics come from."""
    data, metrics, of_slices = model.data, model.metrics, model.card.scan_metrics
    of_scans = f" {describe_scan_metrics(of_slices)}" if of_slices else ""
    return (
        f"Out-of-fold predictions for {metrics.n:,} {model.unit} from {metrics.groups:,} groups; "
        f"no network was tested on groups it was trained on. Grouping: {data.group_rule}. "
        f"{THRESHOLD_OPTIMISM_NOTE} {ENSEMBLE_NOTE}{of_scans}"
    )


def render_model_summary(model: SavedModel) -> Markup:
    """Return the card that says what a model is."""
    return render_html("common/model_summary.html", model=model, card=model.card)
