"""Metrics of one model by patient, by fold and by subgroup of the slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd
import streamlit as st

from spinefrac import wording
from spinefrac.access.policy import Action
from spinefrac.evaluation import subgroups
from spinefrac.evaluation.metrics import Metrics
from spinefrac.store.evaluations import SlicePredictions
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, session, visitor
from spinefrac.ui.metrics import data, tables

SUBGROUP_METRICS = ("auc", "recall", "specificity", "precision", "f1", "brier")
MAX_SUBGROUPS = 500
#: Columns whose values come from names of files and folders.
_NAMING_COLUMNS = ("group", "folder")
_POOLING_TITLES = {"max": "maximum", "mean": "mean"}

#: Longest table that is read in the browser, in bytes; as text it takes ten times as much.
_MAX_TABLE_BYTES = 20_000_000


def show_subgroups(model: SavedModel, evaluation_key: str, threshold: float) -> None:
    """Show the metrics by patient, by fold, by group and by any other column."""
    predictions = data.load_predictions(model, evaluation_key)
    _show_patients(model, evaluation_key, threshold)
    if predictions.folds is not None:
        names = [f"{fold + 1}" for fold in predictions.folds]
        _show_folds(data.compute_subgroup_metrics(model, evaluation_key, names, threshold))
    st.header("By subgroup", anchor=False)
    columns = collect_columns(predictions) | _load_uploaded_columns(predictions.paths)
    if not visitor.permits(Action.REVIEW_LABELS):  # groups and folders may name patients
        columns = {name: column for name, column in columns.items() if name not in _NAMING_COLUMNS}
    chosen = st.selectbox("Column", list(columns), key="column", bind="query-params")
    column = columns[chosen]
    n_subgroups = len(set(column))
    if n_subgroups > MAX_SUBGROUPS:
        st.info(
            f"{chosen} has {n_subgroups:,} values; at most {MAX_SUBGROUPS} subgroups can be shown."
        )
        return
    _show_metrics(data.compute_subgroup_metrics(model, evaluation_key, column, threshold), chosen)
    if n_subgroups > data.MAX_SUBGROUPS_WITH_INTERVALS:
        st.caption(
            f"More than {data.MAX_SUBGROUPS_WITH_INTERVALS} subgroups: no confidence intervals."
        )


def _show_patients(model: SavedModel, evaluation_key: str, threshold: float) -> None:
    """Show the metrics of patients, whose slices are pooled in two ways."""
    st.header("By patient", anchor=False)
    pooled = {
        f"{title} over the patient's slices": data.compute_patient_metrics(
            model, evaluation_key, pooling, threshold
        )
        for pooling, title in _POOLING_TITLES.items()
    }
    _show_metrics(pooled, "pooling")
    st.caption(
        "One pooled value per group. It is not calibrated, and the threshold is the one for slices."
    )


def _show_folds(folds: dict[str, Metrics]) -> None:
    """Show the metrics of each fold, and how far their AUC differs."""
    st.header("By fold", anchor=False)
    _show_metrics(folds, "fold")
    auc = subgroups.metric_spread(folds.values()).get("auc")
    if auc is not None and auc.sd is not None:
        st.caption(
            f"AUC over {auc.n_subgroups} folds: mean {auc.mean:.3f}, standard deviation "
            f"{auc.sd:.3f}. The standard deviation shows how folds differ; it is not a standard "
            "error."
        )


def collect_columns(predictions: SlicePredictions) -> dict[str, list[str]]:
    """Return the columns by which slices can be divided: from group, path and data set."""
    paths = [PurePosixPath(path) for path in predictions.paths]
    return {
        "group": predictions.groups.tolist(),
        "folder": ["/".join(path.parts[:-1]) or "." for path in paths],
        "file type": [path.suffix.lower() or "none" for path in paths],
    } | {name: list(values) for name, values in predictions.subgroups.items()}


def _load_uploaded_columns(paths: Sequence[str]) -> dict[str, list[str]]:
    """Let the user upload columns such as scanner or size, joined by the slice's path.

    The table is parsed in this process, for text cannot crash the parser; its size is limited.
    """
    with st.expander("Upload a column: scanner, series, size …"):
        file = st.file_uploader(
            "CSV with a column `path` and further columns", type="csv", key="subgroup-upload"
        )
    session.hold_uploads("page", *([file] if file else []))
    if file is None:
        return {}
    if file.size > _MAX_TABLE_BYTES:
        layout.show_error("expected a table of at most 20 MB, got a larger one: leave out columns")
        return {}
    try:
        table = pd.read_csv(file, dtype=str).fillna("none")
    except ValueError:  # that of pandas and that of text which is no UTF-8
        layout.show_error("expected a CSV table in UTF-8, got another file: save it as CSV UTF-8")
        return {}
    if "path" not in table:
        st.info("The CSV needs a column `path` with the same paths as in the list of slices.")
        return {}
    table = table.drop_duplicates("path").set_index("path").reindex(paths).fillna("none")
    return {str(name): table[name].tolist() for name in table.columns}


def _show_metrics(metrics_by_subgroup: dict[str, Metrics], title: str) -> None:
    """Show one row a subgroup."""
    metrics = list(metrics_by_subgroup.values())
    leading = pd.DataFrame(
        {
            title: list(metrics_by_subgroup),
            "slices": [entry.n for entry in metrics],
            "fractures": [sum(entry.confusion_matrix[1]) for entry in metrics],
            "groups": [entry.groups for entry in metrics],
        }
    )
    st.dataframe(
        tables.style_metrics(leading, metrics, SUBGROUP_METRICS),
        column_config=tables.configure_columns(SUBGROUP_METRICS),
        hide_index=True,
        placeholder=wording.UNDEFINED,
    )
