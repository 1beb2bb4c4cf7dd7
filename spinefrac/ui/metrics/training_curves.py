"""Loss and held-out AUC over the epochs of one model's training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from spinefrac.store.repository import SavedModel
from spinefrac.ui.metrics.charts import show_chart
from spinefrac.viz import metrics as metric_figures

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@st.cache_resource(max_entries=16, show_spinner=False)
def _build_figures(_model: SavedModel, card_hash: str) -> tuple[Figure, Figure]:
    return metric_figures.plot_training_history(_model.load_history())


def show_training_curves(model: SavedModel) -> None:
    """Show loss and held-out AUC over the epochs."""
    figures = _build_figures(model, model.card_hash)
    titles = ("Loss", "AUC on held-out patients")
    for column, figure, title, name in zip(
        st.columns(2, gap="medium"), figures, titles, ("loss", "auc"), strict=True
    ):
        with column:
            st.header(title, anchor=False)
            show_chart(
                figure, f"{model.id}-{name}", f"{title} by epoch, mean and range of the folds"
            )
    epochs = ", ".join(str(fold.epochs) for fold in model.card.folds)
    st.caption(
        f"Held-out patients were not used to choose epochs or settings. Epochs per fold: {epochs}."
    )
