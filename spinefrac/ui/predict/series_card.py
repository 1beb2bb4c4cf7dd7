"""What the page says of a series: heading, strip chart, score, position of a slice."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from spinefrac.evaluation import series_pooling
from spinefrac.evaluation.series_pooling import SeriesPerformance
from spinefrac.imaging.series_grouping import Series, SeriesSlice
from spinefrac.inference.batch import SeriesPrediction
from spinefrac.records import CLASS_NAMES, CtSlice
from spinefrac.ui.common.templates import render_html
from spinefrac.wording import format_count, format_percent, format_percent_estimate

#: What lies at the first and at the last slice of a series, by its plane.
_PLANE_ENDS = {
    "axial": ("feet", "head"),
    "coronal": ("front", "back"),
    "sagittal": ("left", "right"),
}


def format_slice_position(
    ct: CtSlice, series_slice: SeriesSlice, series: Series | None, index: int
) -> str:
    """Return the text in the corner of a slice: number, position and pixel spacing."""
    lines = []
    if series is not None:
        lines.append(f"{index + 1} of {len(series)}")
        if series.positions_mm:
            lines.append(f"{series.positions_mm[index]:.1f} mm")
    elif series_slice.geometry.position_mm:
        lines.append(f"z {series_slice.geometry.position_mm[2]:.1f} mm")
    if ct.spacing_mm:
        rows, columns = ct.spacing_mm
        spacing = f"{rows:.2f}" if abs(rows - columns) < 1e-3 else f"{rows:.2f} × {columns:.2f}"
        lines.append(f"{spacing} mm per pixel")
    else:
        lines.append("pixel spacing unknown")
    return "\n".join(lines)


def render_series_heading(series: Series) -> Markup:
    """Return the line with the name and the properties of a series."""
    geometry = series.slices[0].geometry
    properties = [
        format_count(len(series), "slice"),
        series.plane,
        f"{geometry.columns} × {geometry.rows} pixels",
        f"spacing {series.slice_spacing_mm:.2f} mm" if series.slice_spacing_mm else "",
    ]
    return render_html(
        "predict/series_heading.html",
        name=series.name,
        properties=[text for text in properties if text],
    )


def build_strip_data(
    series: Series, series_prediction: SeriesPrediction, threshold: float, index: int
) -> dict[str, Any]:
    """Return what the strip chart draws; there may be fewer predictions than slices yet."""
    geometry = series.slices[0].geometry
    first, last = _PLANE_ENDS.get(series.plane, ("first", "last"))
    if geometry.normal and max(geometry.normal, key=abs) < 0 and series.format == "dicom":
        first, last = last, first
    return {
        "count": len(series),
        "index": index,
        "probabilities": [
            None if np.isnan(probability) else round(float(probability), 4)
            for probability in series_prediction.probabilities
        ],
        "counted": series_prediction.included.tolist(),
        "positions": [round(position, 2) for position in series.positions_mm],
        "threshold": threshold,
        "first": f"1 · {first}",
        "last": f"{last} · {len(series)}",
    }


def render_series_card(
    series_prediction: SeriesPrediction, performance: SeriesPerformance | None
) -> Markup:
    """Return the card with the series score, how it is computed and its performance."""
    if series_prediction.peak_index < 0:
        return render_html(
            "predict/series_card.html",
            score=None,
            label="",
            fractured=False,
            sentences=["No slice has a prediction."],
        )
    fractured = performance is not None and series_prediction.score >= performance.threshold
    return render_html(
        "predict/series_card.html",
        score=series_prediction.score,
        label="" if performance is None else CLASS_NAMES[fractured].capitalize(),
        fractured=fractured,
        sentences=[
            _describe_pooling(series_prediction),
            *_describe_performance(len(series_prediction.predictions), performance),
        ],
    )


def _describe_pooling(series_prediction: SeriesPrediction) -> str:
    excluded = len(series_prediction.predictions) - int(series_prediction.included.sum())
    text = (
        f"{series_pooling.POOLING_DESCRIPTION} Highest around slice "
        f"{series_prediction.peak_index + 1}."
    )
    if excluded:
        text += f" {format_count(excluded, 'slice is', 'slices are')} excluded."
    return text


def _describe_performance(n_slices: int, performance: SeriesPerformance | None) -> list[str]:
    """Return the sentences on how often such a score is right, for a series of `n_slices`."""
    if performance is None:
        return [
            "The accuracy of this score is not known: the training data had too few patients "
            "with several slices."
        ]
    metrics = performance.metrics
    rates = ", ".join(
        f"{key_name} {format_percent_estimate(value, metrics.ci.get(key))}"
        for key, key_name, value in (
            ("recall", "sensitivity", metrics.recall),
            ("specificity", "specificity", metrics.specificity),
        )
        if value is not None
    )
    sentences = [
        f"Threshold {format_percent(performance.threshold)}, chosen on the out-of-fold "
        f"predictions for {format_count(metrics.n, 'series', 'series')} of {metrics.groups:,} "
        f"training patients. Metrics there: {rates}."
    ]
    if n_slices > 2 * performance.median_slices:
        sentences.append(
            f"Training series typically had {performance.median_slices:.0f} slices, this "
            f"series has {n_slices:,}. With more slices the highest probability is higher by "
            "chance: expect more false positives."
        )
    return sentences
