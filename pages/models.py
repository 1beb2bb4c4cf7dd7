"""Models: the shelf of saved models, and each model's card; the address holds which one."""

from __future__ import annotations

import streamlit as st

from pages import _models_exchange, _models_list, _models_one, _models_undo, _shared
from spinefrac.store import saved, shelf


def show_shelf() -> None:
    """Show all models, those that cannot be used too."""
    models = saved.list_models()
    if not models:
        _shared.no_model()
        return
    _, default = _shared.listed()
    _models_list.show(models, default)
    st.caption(
        "AUC: the chance that a slice with a fracture scores higher than one without, out-of-fold, "
        "with its 95 % interval. A group is what no fold splits, a patient as a rule. Every file "
        "is checked against the card's SHA-256 before it is used."
    )


_shared.heading("Models", "What is saved on this machine, each with the numbers of its card.")
with _shared.errors_shown():
    shelf.sweep()
    _models_undo.offer()
with _shared.errors_shown():
    if chosen := st.query_params.get("model"):
        _models_one.show(chosen)
    else:
        show_shelf()
        _models_exchange.bring_in()
