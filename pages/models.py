"""Models: what is saved on this machine, from each model's card."""

from __future__ import annotations

from html import escape

import streamlit as st

from pages import _record, _shared
from spinefrac.store.saved import DamagedModel, SavedModel

HEAD = ("Model", "Saved", "AUC (95 %)", "Trained on", "Threshold", "Size")


def row(model: SavedModel | DamagedModel, default: str) -> tuple[str, ...]:
    """Return a model's line of the table, as HTML cells."""
    name = f"<strong>{escape(model.id)}</strong>"
    if isinstance(model, DamagedModel):
        return (f"{name} (damaged)", escape(_shared.sentence(model.reason)))
    card, metrics, data = model.card, model.card.metrics, model.card.data
    size = sum(record.size for record in card.files.values()) / 1e6
    return (
        name + (" (default)" if model.id == default else "") + _record.audit_line(model),
        escape(card.created[:10]),
        f"{_shared.number(metrics.auc, 2)} ({_shared.number_range(metrics.ci.get('auc'), 2)})"
        if metrics
        else "not measured",
        f"{data.images:,} slices of {data.groups:,} groups" if data else "not known: imported",
        _shared.percent(model.threshold),
        f"{size:.1f} MB",
    )


_shared.heading("Models", "What is saved on this machine, each with the numbers of its card.")
with _shared.errors_shown():
    models, default = _shared.listed()
    if models:
        _shared.table(HEAD, [row(model, default) for model in models])
        st.caption(
            "A group is what no fold splits, a patient as a rule; each card says how groups were "
            "found. Every file is checked against the card's SHA-256 before it is used."
        )
    else:
        _shared.no_model()
st.subheader("From the command line", anchor=False)
_shared.commands("spinefrac models list", "spinefrac models show phantom-demo")
