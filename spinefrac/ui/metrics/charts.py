"""What all charts of the Metrics page share: how one is shown and downloaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from spinefrac import wording
from spinefrac.errors import DatasetError
from spinefrac.ui.common import layout
from spinefrac.viz import metrics

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

T = TypeVar("T")


def show_chart(figure: Figure, name: str, alt: str) -> None:
    """Show a figure with its downloads: PNG in its corner, CSV below.

    Parameters
    ----------
    figure : plotly Figure
    name : str
        Name of the downloaded files, without extension; also the element's key.
    alt : str
        What the figure shows, for those who do not see it.
    """
    config: dict[str, Any] = dict(metrics.PLOTLY_CONFIG)
    config["toImageButtonOptions"] = {**config["toImageButtonOptions"], "filename": name}
    st.plotly_chart(figure, key=f"chart-{name}", config=config, alt=alt)
    st.download_button(
        "Download CSV",
        data=lambda: metrics.to_csv(figure),
        file_name=f"{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        type="tertiary",
        key=f"csv-{name}",
        on_click="ignore",
        help="Data of this chart",
    )


def compute_or_explain(compute: Callable[[], T]) -> T | None:
    """Return what `compute` gives; where the slices do not define it, say why and return None."""
    try:
        return compute()
    except DatasetError as error:
        st.info(layout.escape_markdown(wording.to_sentence(str(error))), icon=":material/info:")
        return None
