"""Tables of metrics with intervals that can be sorted by their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler
from streamlit.elements.lib.column_types import ColumnConfig

from spinefrac import wording
from spinefrac.evaluation.metrics import Metrics

#: Least width of a column of metrics, in pixels: a value with its interval.
_MIN_COLUMN_WIDTH = 160
#: Of a letter of its title, about.
_LETTER_WIDTH = 7.5


def style_metrics(
    leading: pd.DataFrame,
    metrics: Sequence[Metrics],
    keys: Sequence[str],
    marks: Mapping[tuple[int, str], str] | None = None,
) -> Styler:
    """Return a table: numbers to sort by, shown with their intervals.

    Parameters
    ----------
    leading : DataFrame, shape (N, M)
        The columns before those of the metrics.
    metrics : sequence of Metrics, length N
        One a row.
    keys : sequence of str
        The metrics to show, of `wording.METRICS`.
    marks : mapping, optional
        What stands before a value, by row and key.
    """
    frame = leading.copy()
    for key in keys:
        frame[key] = pd.Series(
            [getattr(entry, key) for entry in metrics], index=frame.index, dtype=float
        )
    styler = frame.style.format("{:.3f}", subset=list(keys), na_rep=wording.UNDEFINED)
    for row, (label, entry) in enumerate(zip(frame.index, metrics, strict=True)):
        for key in keys:
            mark, interval = (marks or {}).get((row, key), ""), entry.ci.get(key)
            if interval or mark:
                text = mark + wording.format_estimate(getattr(entry, key), interval)
                styler = styler.format(
                    lambda _, text=text: text,
                    subset=pd.IndexSlice[[label], [key]],
                    na_rep=wording.UNDEFINED,
                )
    return styler


def configure_columns(keys: Sequence[str]) -> dict[str, ColumnConfig | None]:
    """Return title, width and description of the columns of metrics, for `st.dataframe`."""
    return {
        key: st.column_config.NumberColumn(
            wording.METRICS[key].title,
            width=max(_MIN_COLUMN_WIDTH, round(_LETTER_WIDTH * len(wording.METRICS[key].title))),
            help=wording.METRICS[key].description,
        )
        for key in keys
    }
