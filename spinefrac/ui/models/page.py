"""Models: the shelf of saved models, and each model's card; the address holds which one."""

from __future__ import annotations

import streamlit as st

from spinefrac.store import manage, repository
from spinefrac.ui.common import layout
from spinefrac.ui.models import detail, listing, transfer, undo


def show_model_list() -> None:
    """Show all models, those that cannot be used too."""
    models = repository.list_models()
    if not models:
        layout.show_no_model()
        return
    _, default = layout.list_active_models()
    listing.show_models(models, default)
    st.caption(
        "AUC: the chance that a slice with a fracture scores higher than one without, out-of-fold, "
        "with its 95 % interval. A group is what no fold splits, a patient as a rule. Every file "
        "is checked against the card's SHA-256 before it is used."
    )


def render() -> None:
    """Draw the page."""
    layout.show_heading(
        "Models", "What is saved on this machine, each with the numbers of its card."
    )
    with layout.show_errors():
        manage.purge_expired()
        undo.show_deleted_models()
    with layout.show_errors():
        if chosen := st.query_params.get("model"):
            detail.show_model(chosen)
        else:
            show_model_list()
            transfer.show_import()
