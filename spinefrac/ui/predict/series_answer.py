"""The pieces that the answer on a series is made of: its line, its strip, its score, a corner."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from spinefrac.evaluation import series_pooling
from spinefrac.evaluation.series_pooling import SeriesRecord
from spinefrac.imaging.series_grouping import Series, SeriesSlice
from spinefrac.inference.batch import SeriesAnswer
from spinefrac.records import CLASS_NAMES, CtSlice
from spinefrac.ui.common.layout import percent, percent_range


def where(ct: CtSlice, part: SeriesSlice, series: Series | None, index: int) -> str:
    """Return what stands in the corner of a slice: number, position, spacing, size."""
    lines = []
    if series is not None:
        lines.append(f"{index + 1} of {len(series)}")
        if series.positions_mm:
            lines.append(f"{series.positions_mm[index]:.1f} mm")
    elif part.place.position_mm:
        lines.append(f"z {part.place.position_mm[2]:.1f} mm")
    if ct.spacing_mm:
        rows, columns = ct.spacing_mm
        same = abs(rows - columns) < 1e-3
        lines.append(f"{rows:.2f} mm a pixel" if same else f"{rows:.2f} × {columns:.2f} mm a pixel")
    else:
        lines.append("pixel size unknown")
    return "\n".join(lines)


#: What lies at the first and at the last slice of a series, by its plane.
_ENDS = {"axial": ("feet", "head"), "coronal": ("front", "back"), "sagittal": ("left", "right")}


def line(series: Series) -> str:
    """Return the line that says what a series is."""
    rows, columns = series.slices[0].place.rows, series.slices[0].place.columns
    facts = [f"{len(series):,} slices", series.plane, f"{columns} × {rows} pixels"]
    if series.step_mm:
        facts.append(f"{series.step_mm:.2f} mm apart")
    known = " · ".join(fact for fact in facts if fact)
    return f'<div class="sf-label"><strong>{escape(series.name)}</strong> · {escape(known)}</div>'


def strip(series: Series, answers: SeriesAnswer, threshold: float, index: int) -> dict[str, Any]:
    """Return what the strip chart needs; there may be fewer answers than slices yet."""
    place = series.slices[0].place
    first, last = _ENDS.get(series.plane, ("first", "last"))
    if place.normal and max(place.normal, key=abs) < 0 and series.format == "dicom":
        first, last = last, first
    return {
        "count": len(series),
        "index": index,
        "probabilities": [
            None if np.isnan(share) else round(float(share), 4) for share in answers.probabilities
        ],
        "counted": answers.counted.tolist(),
        "positions": [round(position, 2) for position in series.positions_mm],
        "threshold": threshold,
        "first": f"1 · {first}",
        "last": f"{last} · {len(series)}",
    }


def verdict(answers: SeriesAnswer, record: SeriesRecord | None) -> str:
    """Return the card with the one score of a series, how it is made and how often it is right."""
    begin = (
        '<section class="sf-card sf-verdict{tone}" aria-label="Answer for the series">'
        '<div class="sf-eyebrow">Score of the series</div>'
    )
    if answers.peak < 0:
        return (
            begin.format(tone=" subdued")
            + '<p class="sf-note">No slice has an answer.</p></section>'
        )
    left_out = len(answers.answers) - int(answers.counted.sum())
    lines = [
        f"{series_pooling.HOW_MADE} Here around slice {answers.peak + 1}."
        + (f" {left_out:,} slices do not count." if left_out else "")
    ]
    label, tone = "", ""
    if record is None:
        lines.append(
            "How often such a score is right is not known: the model was not trained on enough "
            "patients with several slices each."
        )
    else:
        fractured = answers.score >= record.threshold
        label, tone = CLASS_NAMES[fractured].capitalize(), " fracture" if fractured else ""
        measured = record.metrics
        rates = ", ".join(
            f"{name} {percent(value)} ({percent_range(*measured.ci[key])})"
            if key in measured.ci
            else f"{name} {percent(value)}"
            for key, name, value in (
                ("recall", "sensitivity", measured.recall),
                ("specificity", "specificity", measured.specificity),
            )
            if value is not None
        )
        lines.append(
            f"Threshold {percent(record.threshold)}, chosen on the {measured.n:,} training "
            f"patients, whose out-of-fold answers had there: {rates}."
        )
        if len(answers.answers) > 2 * record.slices:
            lines.append(
                f"They had {record.slices:.0f} slices each, this series has "
                f"{len(answers.answers):,}: the highest of more slices is higher by chance, so "
                "expect more false alarms than that."
            )
    return (
        begin.format(tone=tone) + f'<div class="sf-answer"><span class="label">{label}</span>'
        f'<span class="probability">{percent(answers.score)}</span></div>'
        + "".join(f'<p class="sf-note">{line}</p>' for line in lines)
        + "</section>"
    )
