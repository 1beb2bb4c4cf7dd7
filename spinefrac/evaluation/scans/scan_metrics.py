"""What is known of the slices of scans, beside the metrics of the scans themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spinefrac.evaluation.inputs import FloatArray
from spinefrac.evaluation.intervals import (
    AVERAGED_GROUP_VARIANCE,
    Interval,
    bootstrap,
    log_scale_interval,
    rate_interval,
)
from spinefrac.evaluation.metric_kernels import safe_divide
from spinefrac.evaluation.ranking import PairRanking
from spinefrac.evaluation.scans.free_response import FreeResponse, ScanSlices, compute_froc
from spinefrac.evaluation.scans.rsna_log_loss import compute_rsna_log_loss
from spinefrac.records import Count, NotNegative, Share
from spinefrac.wording import format_estimate

#: False alarms a scan at which the sensitivity is stated.
FALSE_ALARMS = 0.5
#: False alarms a scan at which a free-response curve is recorded (as in Setio et al., 2017).
FROC_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class ScanMetrics:
    """What is known of the slices of scans that were evaluated as scans.

    Attributes
    ----------
    slices, own_labels : int
        Slices, and those whose label is their own.
    slice_auc : float or None
        On the latter; None where they are of one class.
    sensitivity_at_false_alarms : float or None
        Share of the fractures that are marked where there are `FALSE_ALARMS` false marks a scan;
        None where no fracture's place is known.
    rsna_log_loss : float
        Of the scans alone; see `compute_rsna_log_loss`.
    froc : tuple of (float, float)
        The free-response curve at the rates of `FROC_RATES`: false alarms a scan, sensitivity.
        Empty where no fracture's place is known.
    ci : dict
        Metric name to (low, high), the 95 % interval over patients.
    """

    slices: Count
    own_labels: Count
    slice_auc: Share | None
    sensitivity_at_false_alarms: Share | None
    rsna_log_loss: NotNegative
    froc: tuple[tuple[float, float], ...] = ()
    ci: dict[str, Interval] = field(default_factory=dict)


def compute_scan_metrics(
    slices: ScanSlices,
    scan_labels: npt.ArrayLike,
    scan_scores: npt.ArrayLike,
    scan_groups: npt.ArrayLike,
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> ScanMetrics:
    """Compute what `metrics.compute_metrics` of the scans leaves open, with 95 % intervals.

    Parameters
    ----------
    slices : ScanSlices
    scan_labels, scan_scores, scan_groups : array-like, shape (M,)
        Of the scans.
    n_resamples, seed : int
        Of the bootstrap over patients.
    """
    marks, curve = FreeResponse(slices), compute_froc(slices)
    losses = compute_rsna_log_loss(scan_labels, scan_scores)
    codes = np.searchsorted(marks.names, np.asarray(scan_groups))
    own = slices.is_own
    own_codes = np.searchsorted(marks.names, slices.groups[own])
    ranking = PairRanking(slices.labels[own], slices.scores[own], own_codes)

    def evaluate(weights: FloatArray) -> dict[str, FloatArray]:
        return {
            "slice_auc": safe_divide(*ranking(weights)),
            "rsna_log_loss": safe_divide(losses @ weights[codes], weights[codes].sum(axis=0)),
            **marks.find_sensitivity(weights, FALSE_ALARMS),
        }

    everything = np.ones((len(marks.names), 1))
    point = {name: float(value[0]) for name, value in evaluate(everything).items()}
    known = {name: value if np.isfinite(value) else None for name, value in point.items()}
    return ScanMetrics(
        slices=len(slices.labels),
        own_labels=int(own.sum()),
        slice_auc=known["slice_auc"],
        sensitivity_at_false_alarms=known["sensitivity_at_false_alarms"],
        rsna_log_loss=point["rsna_log_loss"],
        froc=tuple((rate, curve.find_sensitivity(rate)) for rate in FROC_RATES) if curve else (),
        ci=_find_intervals(
            point,
            bootstrap(
                evaluate,
                len(marks.names),
                n_slices=len(slices.labels),
                n_resamples=n_resamples,
                seed=seed,
            )
            if n_resamples
            else {},
            marks.names,
            slices,
        ),
    )


def describe_scan_metrics(metrics: ScanMetrics) -> str:
    """Return in a few sentences what is known of the slices of scans."""
    parts = []
    if metrics.slice_auc is not None:
        auc = format_estimate(metrics.slice_auc, metrics.ci.get("slice_auc"))
        parts.append(
            f"AUC of slices {auc}, on the {metrics.own_labels:,} of {metrics.slices:,} whose label "
            "is their own."
        )
    else:
        parts.append(
            f"The AUC of slices is not known: of {metrics.slices:,}, none with a fracture has a "
            "label of its own."
        )
    if metrics.sensitivity_at_false_alarms is not None:
        found = format_estimate(
            metrics.sensitivity_at_false_alarms, metrics.ci.get("sensitivity_at_false_alarms")
        )
        parts.append(f"Fractures marked at {FALSE_ALARMS:g} false alarms a scan: {found}.")
    loss = format_estimate(metrics.rsna_log_loss, metrics.ci.get("rsna_log_loss"))
    parts.append(f"Weighted log loss of scans, as of RSNA 2022: {loss}.")
    return " ".join(parts)


def _find_intervals(
    point: dict[str, float],
    replicates: dict[str, FloatArray],
    names: npt.NDArray[np.str_],
    slices: ScanSlices,
) -> dict[str, Interval]:
    """Return the interval of every metric that has one."""
    if not replicates:
        return {}
    fractured = len(np.unique(slices.groups[(slices.labels == 1) & slices.is_own]))
    averaged = AVERAGED_GROUP_VARIANCE
    found = {
        "slice_auc": rate_interval(
            point["slice_auc"], replicates["slice_auc"], fractured, group_variance=averaged
        ),
        "sensitivity_at_false_alarms": rate_interval(
            point["sensitivity_at_false_alarms"],
            replicates["sensitivity_at_false_alarms"],
            fractured,
        ),
        "rsna_log_loss": log_scale_interval(
            point["rsna_log_loss"], replicates["rsna_log_loss"], len(names)
        ),
    }
    return {name: pair for name, pair in found.items() if pair and np.isfinite(point[name])}
