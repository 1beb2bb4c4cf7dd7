"""Models: the list of saved models, and each model's card; the address holds which one."""

from __future__ import annotations

import streamlit as st

from spinefrac.store import manage, repository
from spinefrac.ui.common import layout
from spinefrac.ui.models import detail, listing, transfer, undo


def show_model_list() -> None:
    """Show all models, damaged ones too."""
    models = repository.list_models()
    if not models:
        layout.show_no_model()
        return
    _, default = layout.list_active_models()
    listing.show_models(models, default)
    st.caption(
        "AUC: probability that a random slice with a fracture gets a higher probability than a "
        "random one without; out-of-fold, with 95 % confidence interval. A group, usually a "
        "patient, is never split between folds. Files are verified with SHA-256 checksums before "
        "use."
    )


def render() -> None:
    """Draw the page."""
    layout.show_heading("Models", "Saved models with their metrics.")
    with layout.show_errors():
        manage.purge_expired()
        undo.show_deleted_models()
    with layout.show_errors():
        if chosen := st.query_params.get("model"):
            detail.show_model(chosen)
        else:
            show_model_list()
            transfer.show_import()
