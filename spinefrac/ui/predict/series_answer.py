"""The pieces that the answer on a series is made of: its line, its strip, its score, a corner."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from spinefrac import wording
from spinefrac.evaluation import series_pooling
from spinefrac.evaluation.series_pooling import SeriesPerformance
from spinefrac.imaging.series_grouping import Series, SeriesSlice
from spinefrac.inference.batch import SeriesPrediction
from spinefrac.records import CLASS_NAMES, CtSlice


def format_slice_position(
    ct: CtSlice, series_slice: SeriesSlice, series: Series | None, index: int
) -> str:
    """Return what stands in the corner of a slice: number, position, spacing, size."""
    lines = []
    if series is not None:
        lines.append(f"{index + 1} of {len(series)}")
        if series.positions_mm:
            lines.append(f"{series.positions_mm[index]:.1f} mm")
    elif series_slice.geometry.position_mm:
        lines.append(f"z {series_slice.geometry.position_mm[2]:.1f} mm")
    if ct.spacing_mm:
        rows, columns = ct.spacing_mm
        same = abs(rows - columns) < 1e-3
        lines.append(f"{rows:.2f} mm a pixel" if same else f"{rows:.2f} × {columns:.2f} mm a pixel")
    else:
        lines.append("pixel size unknown")
    return "\n".join(lines)


#: What lies at the first and at the last slice of a series, by its plane.
_PLANE_ENDS = {
    "axial": ("feet", "head"),
    "coronal": ("front", "back"),
    "sagittal": ("left", "right"),
}


def render_series_heading(series: Series) -> str:
    """Return the line that says what a series is."""
    rows, columns = series.slices[0].geometry.rows, series.slices[0].geometry.columns
    facts = [f"{len(series):,} slices", series.plane, f"{columns} × {rows} pixels"]
    if series.slice_spacing_mm:
        facts.append(f"{series.slice_spacing_mm:.2f} mm apart")
    known = " · ".join(fact for fact in facts if fact)
    return f'<div class="sf-label"><strong>{escape(series.name)}</strong> · {escape(known)}</div>'


def build_strip_data(
    series: Series, series_prediction: SeriesPrediction, threshold: float, index: int
) -> dict[str, Any]:
    """Return what the strip chart needs; there may be fewer answers than slices yet."""
    place = series.slices[0].geometry
    first, last = _PLANE_ENDS.get(series.plane, ("first", "last"))
    if place.normal and max(place.normal, key=abs) < 0 and series.format == "dicom":
        first, last = last, first
    return {
        "count": len(series),
        "index": index,
        "probabilities": [
            None if np.isnan(share) else round(float(share), 4)
            for share in series_prediction.probabilities
        ],
        "counted": series_prediction.included.tolist(),
        "positions": [round(position, 2) for position in series.positions_mm],
        "threshold": threshold,
        "first": f"1 · {first}",
        "last": f"{last} · {len(series)}",
    }


def render_series_card(
    series_prediction: SeriesPrediction, performance: SeriesPerformance | None
) -> str:
    """Return the card with the one score of a series, how it is made and how often it is right."""
    begin = (
        '<section class="sf-card sf-prediction-card{tone}" aria-label="Answer for the series">'
        '<div class="sf-card-title">Score of the series</div>'
    )
    if series_prediction.peak_index < 0:
        return (
            begin.format(tone=" muted") + '<p class="sf-note">No slice has an answer.</p></section>'
        )
    left_out = len(series_prediction.predictions) - int(series_prediction.included.sum())
    lines = [
        f"{series_pooling.POOLING_DESCRIPTION} Here around slice {series_prediction.peak_index + 1}."
        + (f" {left_out:,} slices do not count." if left_out else "")
    ]
    label, tone = "", ""
    if performance is None:
        lines.append(
            "How often such a score is right is not known: the model was not trained on enough "
            "patients with several slices each."
        )
    else:
        fractured = series_prediction.score >= performance.threshold
        label, tone = CLASS_NAMES[fractured].capitalize(), " fracture" if fractured else ""
        measured = performance.metrics
        rates = ", ".join(
            f"{name} {wording.format_percent(value)} ({wording.format_percent_interval(measured.ci[key])})"
            if key in measured.ci
            else f"{name} {wording.format_percent(value)}"
            for key, name, value in (
                ("recall", "sensitivity", measured.recall),
                ("specificity", "specificity", measured.specificity),
            )
            if value is not None
        )
        lines.append(
            f"Threshold {wording.format_percent(performance.threshold)}, chosen on the {measured.n:,} training "
            f"patients, whose out-of-fold answers had there: {rates}."
        )
        if len(series_prediction.predictions) > 2 * performance.median_slices:
            lines.append(
                f"They had {performance.median_slices:.0f} slices each, this series has "
                f"{len(series_prediction.predictions):,}: the highest of more slices is higher by chance, so "
                "expect more false alarms than that."
            )
    return (
        begin.format(tone=tone) + f'<div class="sf-prediction"><span class="label">{label}</span>'
        f'<span class="probability">{wording.format_percent(series_prediction.score)}</span></div>'
        + "".join(f'<p class="sf-note">{line}</p>' for line in lines)
        + "</section>"
    )
