"""Several models: table, curves, differences, disagreement and settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from spinefrac import wording
from spinefrac.evaluation.compare import PairComparison
from spinefrac.records import CLASS_NAMES
from spinefrac.store.evaluations import SlicePredictions
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.layout import escape_markdown
from spinefrac.ui.metrics import curves, data, gallery, tables
from spinefrac.ui.metrics.charts import compute_or_explain, show_chart
from spinefrac.viz import metrics as metric_figures

BEST_MARK = "★"
_TABLE_METRICS = tuple(wording.METRICS)
#: Behind a setting in which the models differ.
_HIGHLIGHT = "background-color: rgba(217,98,43,0.22)"


def show_table(models: Sequence[SavedModel], evaluation_key: str) -> None:
    """Show one row a model, at once; then mark what is significantly best."""
    place = st.empty()
    columns = tables.configure_columns(_TABLE_METRICS)
    place.dataframe(
        _style_table(models, evaluation_key, {}),
        key="comparison-table",
        column_config=columns,
        placeholder=wording.UNDEFINED,
    )
    left, right = st.columns(2, gap="medium")
    with left:
        curves.show_roc_curve(models, evaluation_key)
    with right:
        curves.show_precision_recall_curve(models, evaluation_key)
    pairs = compute_or_explain(lambda: data.compare_pairs(models, evaluation_key))
    if pairs is None:
        return
    place.dataframe(
        _style_table(models, evaluation_key, find_best_models(pairs)),
        key="comparison-table-best",
        column_config=columns,
        placeholder=wording.UNDEFINED,
    )
    st.caption(
        f"{BEST_MARK}: significantly better than every other model (each paired 95 % confidence "
        f"interval of the difference excludes zero). Without {BEST_MARK} there is no significant "
        "winner. Click a column header to sort."
    )


def find_best_models(pairs: Sequence[PairComparison]) -> dict[str, str]:
    """Return for each metric the model that is significantly better than every other.

    Parameters
    ----------
    pairs : sequence of PairComparison
        Every pair of the models.

    Returns
    -------
    dict of str to str
        Metric to the model's name; a metric without such a model is absent.
    """
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))
    best = {}
    for metric in _TABLE_METRICS:
        wins = [_find_pair_winner(pair, metric) for pair in pairs]
        for name in names:
            if wins.count(name) == len(names) - 1:
                best[metric] = name
    return best


def _find_pair_winner(pair: PairComparison, metric: str) -> str | None:
    """Return the better model of a pair; None if the interval of the difference includes zero."""
    interval = pair.differences[metric].interval
    if interval is None or min(interval) <= 0 <= max(interval):
        return None
    first_is_higher = interval[0] > 0
    return pair.first if first_is_higher != wording.METRICS[metric].lower_is_better else pair.second


def _style_table(models: Sequence[SavedModel], evaluation_key: str, best: dict[str, str]) -> Any:
    names = [model.id for model in models]
    return tables.style_metrics(
        pd.DataFrame(index=pd.Index(names, name="model")),
        [data.get_metrics(model, evaluation_key) for model in models],
        _TABLE_METRICS,
        {(names.index(name), metric): f"{BEST_MARK} " for metric, name in best.items()},
    )


def show_differences(models: Sequence[SavedModel], evaluation_key: str) -> None:
    """Show every pair: the conclusion, a forest plot and the tests."""
    pairs = compute_or_explain(lambda: data.compare_pairs(models, evaluation_key))
    for pair in pairs or ():
        with st.container(border=True):
            _show_pair(pair)


def _show_pair(pair: PairComparison) -> None:
    st.header(f"{escape_markdown(pair.first)} and {escape_markdown(pair.second)}", anchor=False)
    st.markdown(escape_markdown(pair.conclusion))
    show_chart(
        metric_figures.plot_forest(
            {metric.title: pair.differences[key] for key, metric in wording.METRICS.items()},
            pair.first,
            pair.second,
        ),
        f"difference-{pair.first}-{pair.second}",
        "Differences of the metrics with their paired 95 % confidence intervals",
    )
    test = pair.mcnemar
    delong = (
        f"DeLong's test of the AUC (by group): {wording.format_p_value(pair.delong.p)}. "
        if pair.delong
        else ""
    )
    st.caption(
        f"{delong}Only {pair.first} correct on {test.only_first:,} slices, only {pair.second} on "
        f"{test.only_second:,}. McNemar's test (by group): "
        f"{wording.format_p_value(test.p_groups)}. For Brier score, ECE and log loss, lower is "
        "better."
    )


def show_disagreement(models: Sequence[SavedModel], evaluation_key: str) -> None:
    """Show how often the models predict different classes, and for which slices."""
    shared = compute_or_explain(lambda: data.align_predictions(models, evaluation_key))
    if shared is None:
        return
    names = list(shared.probabilities)
    left, right = st.columns(2, gap="medium")
    with left:
        show_chart(
            metric_figures.plot_disagreement_matrix(names, shared.disagreement_matrix()),
            "models-disagreement",
            "Share of slices for which two models predict different classes",
        )
    right.caption(
        "Share of slices with different predicted classes, each model at its own threshold. "
        "Below: slices on which the models disagree, largest difference first."
    )
    predicted = np.array(list(shared.apply_thresholds().values()))  # (M, N)
    scores = np.array(list(shared.probabilities.values()))
    predictions = SlicePredictions(
        shared.paths,
        shared.groups,
        shared.labels,
        scores[0],
        pixel_hashes=data.load_predictions(models[0], evaluation_key).pixel_hashes,
    )
    rows = rank_disagreements(predicted, scores).tolist()
    if not rows:
        st.info("The models predict the same class for every slice.", icon=":material/info:")
        return
    cards = []
    for row in rows:
        lines = tuple(
            f"{name}: {scores[index, row]:.3f}, {CLASS_NAMES[int(predicted[index, row])]}"
            for index, name in enumerate(names)
        )
        cards.append(gallery.make_card(predictions, row, lines))
    gallery.show_gallery(
        cards, models, "the models disagree", out_of_fold=evaluation_key == data.OUT_OF_FOLD
    )


def rank_disagreements(predicted: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the slices with different predicted classes, the largest difference first.

    Parameters
    ----------
    predicted : bool array, shape (M, N)
        Whether each model predicts a fracture in each slice.
    scores : float array, shape (M, N)
        The probabilities.

    Returns
    -------
    int array, shape (n,)
        Indices of slices.
    """
    rows = np.flatnonzero(predicted.any(axis=0) & ~predicted.all(axis=0))
    return rows[np.argsort(-np.ptp(scores[:, rows], axis=0), kind="stable")]


def show_settings(models: Sequence[SavedModel]) -> None:
    """Show how the models were trained, different settings first."""
    settings = {model.id: _collect_settings(model) for model in models}
    keys = list(dict.fromkeys(key for entry in settings.values() for key in entry))
    rows = [[key, *(entry.get(key, "–") for entry in settings.values())] for key in keys]
    different = [row for row in rows if len(set(row[1:])) > 1]
    equal = [row for row in rows if len(set(row[1:])) == 1]
    frame = pd.DataFrame(different + equal, columns=["setting", *settings]).set_index("setting")
    highlighted = {row[0] for row in different}
    st.caption(
        f"{len(different)} settings differ (listed first, highlighted); {len(equal)} are equal."
    )
    st.dataframe(
        frame.style.apply(
            lambda row: [_HIGHLIGHT if row.name in highlighted else ""] * len(row), axis=1
        )
    )


def _collect_settings(model: SavedModel) -> dict[str, str]:
    """Return every setting of a model, by name."""
    card = model.card
    flat: dict[str, Any] = {"network": card.network, "parameters per network": card.parameters}
    for name, value in card.settings.items():
        nested = value if isinstance(value, dict) else {"": value}
        flat |= {f"{name} {inner}".strip(): entry for inner, entry in nested.items()}
    flat |= {f"preprocessing {k}": v for k, v in model.preprocessing.to_dict().items()}
    flat |= {
        "threshold rule": card.operating_point.rule,
        "temperature": f"{model.temperature:.3f}",
        "data set": card.data.fingerprint[:12] if card.data else "not known",
        "grouping": card.data.group_rule if card.data else "not known",
    }
    return {name.replace("_", " "): str(value) for name, value in flat.items()}
