"""Metrics: what a saved model got right on slices that its networks had not seen."""

from __future__ import annotations

from html import escape

import streamlit as st

from pages import _record, _shared
from spinefrac import charts
from spinefrac.store.saved import SavedModel

ERRORS = {"brier": "Brier score", "ece": "Calibration error", "log_loss": "Log loss"}


def show(saved: SavedModel) -> None:
    """Show the card's metrics and the out-of-fold answers they were computed from."""
    metrics = saved.metrics
    left, right = st.columns([1.15, 1], gap="medium")
    rates = "".join(_record.rate(name, metrics) for name in _record.RATES)
    errors = "".join(
        f"<tr><td>{title}</td><td class='number'>{_shared.number(getattr(metrics, name))}</td>"
        f"<td class='number'>{_shared.number_range(metrics.ci.get(name))}</td></tr>"
        for name, title in ERRORS.items()
    )
    notes = "".join(f'<p class="sf-note">{escape(note)}</p>' for note in metrics.notes)
    left.html(
        '<section class="sf-card sf-wide"><div class="sf-eyebrow">Out-of-fold, with 95 % '
        f'intervals</div><div class="sf-rates">{rates}</div>'
        f'<p class="sf-note">{escape(_record.measured_on(saved))}</p>{notes}</section>'
    )
    right.html(
        '<section class="sf-card"><div class="sf-eyebrow">Slices at the threshold of '
        f"{_shared.percent(saved.threshold)}</div>"
        f"{_record.confusion(metrics.confusion_matrix)}</section>"
        '<section class="sf-card"><div class="sf-eyebrow">Errors of the probability '
        "(less is better)</div>"
        f'<table class="sf-table">{errors}</table></section>'
    )
    st.subheader("Out-of-fold probabilities", anchor=False)
    oof = saved.oof()
    st.plotly_chart(
        charts.out_of_fold(oof.labels, oof.probabilities, saved.threshold),
        config={"displayModeBar": False},
        alt="Histogram of the out-of-fold probabilities of slices with and without a fracture",
    )
    st.caption("The same numbers for scripts, and for a folder of new slices:")
    _shared.commands(
        f"spinefrac models show {saved.id} --json", f"spinefrac evaluate {saved.id} FOLDER --json"
    )


with _shared.errors_shown():
    model = _shared.page_with_model(
        "Metrics", "Every slice was scored by the one network that had not seen its patient."
    )
    if model is not None:
        show(model)
