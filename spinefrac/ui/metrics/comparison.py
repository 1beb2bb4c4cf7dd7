"""Several models side by side: table, curves, differences, disagreement, settings."""

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
from spinefrac.ui.common import layout
from spinefrac.ui.metrics import data, slices
from spinefrac.ui.metrics.charts import compute_or_explain, show_chart
from spinefrac.viz import metrics as metric_figures
from spinefrac.wording import METRICS

#: Metrics of the table and of the forest plot: name to words.
METRIC_TITLES = {key: words.title for key, words in METRICS.items() if key != "mcc"}
BEST_MARK = "★"
COLUMN_CONFIG = {
    words: st.column_config.NumberColumn(width=160) for words in METRIC_TITLES.values()
}


def show_table(models: Sequence[SavedModel], evaluation_key: str) -> None:
    """Show one line a model, at once; then mark what is best beyond chance."""
    place = st.empty()
    place.dataframe(
        _style_table(models, evaluation_key, {}),
        key="comparison-table",
        column_config=COLUMN_CONFIG,
    )
    show_curves(models, evaluation_key)
    pairs = compute_or_explain(lambda: data.compare_pairs(models, evaluation_key))
    if pairs is None:
        return
    place.dataframe(
        _style_table(models, evaluation_key, find_best_models(pairs)),
        key="comparison-table-best",
        column_config=COLUMN_CONFIG,
    )
    st.caption(
        f"{BEST_MARK} marks a model that is better than each of the others by more than chance: every "
        "paired 95 % interval of the difference excludes zero. No mark, no winner. A click on a "
        "column's head sorts."
    )


def find_best_models(pairs: Sequence[PairComparison]) -> dict[str, str]:
    """Return for each metric the model that beats every other beyond chance, if there is one."""
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))
    found = {}
    for metric in METRIC_TITLES:
        sign = -1 if METRICS[metric].lower_is_better else 1
        wins = dict.fromkeys(names, 0)
        for pair in pairs:
            interval = pair.differences[metric].interval
            if interval is None:
                continue
            if sign * interval[0] > 0 and sign * interval[1] > 0:
                wins[pair.first] += 1
            elif sign * interval[0] < 0 and sign * interval[1] < 0:
                wins[pair.second] += 1
        winner = max(wins, key=wins.__getitem__)
        if wins[winner] == len(names) - 1:
            found[metric] = winner
    return found


def _style_table(models: Sequence[SavedModel], evaluation_key: str, winners: dict[str, str]) -> Any:
    """Return the table: numbers to sort by, shown with their intervals and marks."""
    measured = {model.id: data.get_metrics(model, evaluation_key) for model in models}
    frame = pd.DataFrame(
        {
            words: [
                np.nan if (value := getattr(metrics, name)) is None else value
                for metrics in measured.values()
            ]
            for name, words in METRIC_TITLES.items()
        },
        index=pd.Index(measured, name="model"),
    )
    styler = frame.style
    for name, words in METRIC_TITLES.items():
        for model_id, metrics in measured.items():
            span = wording.format_interval(metrics.ci.get(name), 2)
            mark = f"{BEST_MARK} " if winners.get(name) == model_id else ""
            styler = styler.format(
                lambda value, s=span, m=mark: f"{m}{value:.3f} ({s})",
                subset=pd.IndexSlice[[model_id], [words]],
                na_rep="not defined",
            )
    return styler


def show_curves(models: Sequence[SavedModel], evaluation_key: str) -> None:
    """Show ROC and precision-recall curves over each other."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("ROC", anchor=False)
        found = compute_or_explain(
            lambda: {m.id: data.load_curve("roc_curve", m, evaluation_key) for m in models}
        )
        if found:
            show_chart(
                metric_figures.plot_roc_curve(found), "models-roc", "ROC curves of the models"
            )
    with right:
        st.subheader("Precision and recall", anchor=False)
        found = compute_or_explain(
            lambda: {
                m.id: data.load_curve("precision_recall_curve", m, evaluation_key) for m in models
            }
        )
        if found:
            labels = data.load_predictions(models[0], evaluation_key).labels
            show_chart(
                metric_figures.plot_precision_recall_curve(found, float(labels.mean())),
                "models-precision-recall",
                "Precision-recall curves of the models",
            )


def show_calibration(models: Sequence[SavedModel], evaluation_key: str) -> None:
    """Show calibration and decision curves over each other."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Calibration", anchor=False)
        bins = {
            model.id: data.load_curve("calibration_curve", model, evaluation_key)
            for model in models
        }
        show_chart(
            metric_figures.plot_calibration_curve(bins),
            "models-calibration",
            "Observed share of fractures against the predicted probability",
        )
    with right:
        st.subheader("Decision curves", anchor=False)
        benefit = {
            model.id: data.load_curve("decision_curve", model, evaluation_key) for model in models
        }
        show_chart(
            metric_figures.plot_decision_curve(benefit),
            "models-decision",
            "Net benefit of the models",
        )


def show_differences(models: Sequence[SavedModel], evaluation_key: str) -> None:
    """Show every pair: what may be concluded, a forest plot, the tests."""
    pairs = compute_or_explain(lambda: data.compare_pairs(models, evaluation_key))
    for pair in pairs or ():
        with st.container(border=True):
            st.subheader(
                f"{layout.escape_markdown(pair.first)} and {layout.escape_markdown(pair.second)}",
                anchor=False,
            )
            st.markdown(layout.escape_markdown(pair.conclusion))
            show_chart(
                metric_figures.plot_forest(
                    {words: pair.differences[name] for name, words in METRIC_TITLES.items()},
                    pair.first,
                    pair.second,
                ),
                f"difference-{pair.first}-{pair.second}",
                "Differences of the metrics with their paired 95 % intervals",
            )
            test = pair.mcnemar
            delong = (
                f"DeLong's test of the AUC over groups: {wording.format_p_value(pair.delong.p)}. "
                if pair.delong
                else ""
            )
            st.caption(
                f"{delong}Only {pair.first} right on {test.only_first:,} slices, only "
                f"{pair.second} on {test.only_second:,}; McNemar's test over groups: "
                f"{wording.format_p_value(test.p_groups)}. For the three errors of the probability less "
                "is better."
            )


def show_disagreement(models: Sequence[SavedModel], evaluation_key: str) -> None:
    """Show how often the models call slices differently, and those slices."""
    shared = compute_or_explain(lambda: data.align_predictions(models, evaluation_key))
    if shared is None:
        return
    names = list(shared.probabilities)
    left, right = st.columns([1, 1], gap="medium")
    with left:
        show_chart(
            metric_figures.plot_disagreement_matrix(names, shared.disagreement_matrix()),
            "models-disagreement",
            "Share of slices that two models call differently",
        )
    right.caption(
        "Share of slices that two models call differently, each at its own threshold. Below, the "
        "slices on which not all agree, the furthest apart first."
    )
    calls = np.array(list(shared.apply_thresholds().values()))  # (M, N)
    scores = np.array(list(shared.probabilities.values()))
    rows = np.flatnonzero(calls.any(axis=0) & ~calls.all(axis=0))
    rows = rows[np.argsort(-np.ptp(scores[:, rows], axis=0), kind="stable")]
    hashes = data.load_predictions(models[0], evaluation_key).pixel_hashes
    answers = SlicePredictions(
        shared.paths, shared.groups, shared.labels, scores[0], pixel_hashes=hashes
    )
    cards = []
    for row in rows.tolist():
        lines = tuple(
            f"{name}: {scores[index, row]:.3f}, {CLASS_NAMES[int(calls[index, row])]}"
            for index, name in enumerate(names)
        )
        cards.append(slices.make_card(answers, row, lines))
    slices.show_gallery(cards, models, "the models do not agree")


def show_settings(models: Sequence[SavedModel]) -> None:
    """Show how the models were made, what differs first."""
    made = {model.id: _collect_settings(model) for model in models}
    keys = list(dict.fromkeys(key for entry in made.values() for key in entry))
    rows = [[key, *(entry.get(key, "–") for entry in made.values())] for key in keys]
    differ = [row for row in rows if len(set(row[1:])) > 1]
    alike = [row for row in rows if len(set(row[1:])) == 1]
    frame = pd.DataFrame(differ + alike, columns=["setting", *made]).set_index("setting")
    highlighted = {row[0] for row in differ}
    st.caption(f"{len(differ)} settings differ, and stand first, highlighted; {len(alike)} do not.")
    st.dataframe(
        frame.style.apply(
            lambda row: (
                ["background-color: rgba(217,98,43,0.22)" if row.name in highlighted else ""]
                * len(row)
            ),
            axis=1,
        )
    )


def _collect_settings(model: SavedModel) -> dict[str, str]:
    """Return everything that was chosen for a model, by name."""
    card = model.card
    flat: dict[str, Any] = {"network": card.network, "parameters a fold": card.parameters}
    for name, value in card.settings.items():
        nested = value if isinstance(value, dict) else {"": value}
        flat |= {f"{name} {inner}".strip(): entry for inner, entry in nested.items()}
    flat |= {f"preprocessing {k}": v for k, v in model.preprocessing.to_dict().items()}
    flat |= {
        "threshold rule": card.operating_point.rule,
        "temperature": f"{model.temperature:.3f}",
        "data set": card.data.fingerprint[:12] if card.data else "not known",
        "groups": card.data.group_rule if card.data else "not known",
    }
    return {name: str(value) for name, value in flat.items()}
