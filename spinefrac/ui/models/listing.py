"""The list of saved models: one row each, filtered and sorted, and folders that are no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from markupsafe import Markup

from spinefrac import wording
from spinefrac.access.policy import Action
from spinefrac.store.repository import DamagedModel, SavedModel
from spinefrac.ui.common import layout, navigation, visitor
from spinefrac.ui.common.templates import render_html
from spinefrac.ui.models import dialogs

SORT_ORDERS = ("Name", "Newest", "Highest AUC", "Largest")

#: Models that are shown at once.
PAGE_SIZE = 20
#: Models that the Metrics page compares at once.
MAX_COMPARED = 6
#: Characters of a note in the list.
MAX_NOTE_LENGTH = 200

#: Text of a badge and its kind.
Badge = tuple[str, str]


@dataclass(frozen=True, slots=True)
class AucSummary:
    """A model's AUC as the list shows it.

    Attributes
    ----------
    text : str
        Value and interval, or that there is none.
    low, high, estimate : float or None
        Positions on a line from AUC 0.5 to 1, as shares of it; None where there is no interval.
    """

    text: str
    low: float | None = None
    high: float | None = None
    estimate: float | None = None


def show_models(models: Sequence[SavedModel | DamagedModel], default_id: str) -> None:
    """Show all models."""
    usable = [model for model in models if isinstance(model, SavedModel)]
    shown = sort_models(*_filter_models(usable))
    top = st.container()
    count = st.session_state.setdefault("models-shown", PAGE_SIZE)
    selected: list[SavedModel] = []

    def show_model(model: SavedModel) -> None:
        if _show_model_row(model, model.id == default_id):
            selected.append(model)

    layout.show_rows(shown[:count], show_model)
    if usable and not shown:
        st.info("No matching models.", icon=":material/search_off:")
    if len(shown) > count and st.button(f"Show {min(PAGE_SIZE, len(shown) - count)} more"):
        st.session_state["models-shown"] = count + PAGE_SIZE
        st.rerun()
    with top:
        _show_compare_button(selected, len(shown), len(usable))
    damaged = [folder for folder in models if isinstance(folder, DamagedModel)]
    layout.show_rows(damaged, _show_damaged_model)


def _filter_models(models: list[SavedModel]) -> tuple[list[SavedModel], str]:
    """Let the user filter the list; return what is left and what to sort it by."""
    tags = sorted({tag for model in models for tag in model.tags}, key=str.casefold)
    n_archived = sum(model.archived for model in models)
    search_column, tag_column, sort_column = st.columns([2, 1.5, 1], vertical_alignment="bottom")
    search = search_column.text_input(
        "Search",
        key="models-search",
        placeholder="name, note, tag, network",
        icon=":material/search:",
    )
    wanted = tag_column.multiselect("Tags", tags, key="models-tags") if tags else []
    order = sort_column.selectbox("Sort by", SORT_ORDERS, key="models-sort")
    with_archived = bool(n_archived) and st.toggle(
        f"Show archived models ({n_archived})", key="models-archived"
    )
    found = [
        model
        for model in models
        if (with_archived or not model.archived)
        and set(wanted) <= set(model.tags)
        and matches_search(model, search)
    ]
    return found, order


def matches_search(model: SavedModel, search: str) -> bool:
    """Return whether every word of a search is in the model's name, note, tags or network."""
    card = model.card
    text = " ".join((model.id, model.note, *model.tags, card.network, card.trained_by)).casefold()
    return all(word in text for word in search.casefold().split())


def sort_models(models: list[SavedModel], order: str) -> list[SavedModel]:
    """Return the models in one of `SORT_ORDERS`; a model without AUC comes last by AUC."""
    if order == "Newest":
        return sorted(models, key=lambda model: model.card.created, reverse=True)
    if order == "Highest AUC":
        return sorted(models, key=_get_auc, reverse=True)
    if order == "Largest":
        return sorted(models, key=lambda model: model.size, reverse=True)
    return sorted(models, key=lambda model: model.id)


def _get_auc(model: SavedModel) -> float:
    metrics = model.card.metrics
    return -1.0 if metrics is None or metrics.auc is None else metrics.auc


def _show_model_row(model: SavedModel, is_default: bool) -> bool:
    """Show one model; return whether it is selected for a comparison."""
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"model-row-{model.id}"
    ):
        selected = st.checkbox(
            f"Select {model.id}",
            key=f"select-model-{model.id}",
            label_visibility="collapsed",
            disabled=model.archived,
        )
        st.html(render_model_row(model, is_default), width="stretch")
        if st.button("Open", key=f"open-{model.id}", help="Model card and actions"):
            dialogs.open_model_page(model.id)
    return selected


def render_model_row(model: SavedModel, is_default: bool) -> Markup:
    """Return a model's row: name, note and facts on the left, the AUC on the right."""
    card, data = model.card, model.card.data
    facts = [
        card.created[:10],
        f"{data.images:,} slices, {data.groups:,} groups" if data else "imported",
        f"audit: {card.audit_verdict}" if card.audit_verdict else "not audited",
        wording.format_megabytes(model.size),
    ]
    if card.trained_by:
        facts.append(f"trained by {card.trained_by}")
    return render_html(
        "models/model_row.html",
        name=model.id,
        badges=list_badges(model, is_default),
        note=model.note[:MAX_NOTE_LENGTH],
        facts=facts,
        group_rule=data.group_rule if data else "",
        auc=summarize_auc(model),
    )


def list_badges(model: SavedModel, is_default: bool) -> list[Badge]:
    """Return a model's badges: default, archived, its tags."""
    badges = [("default", "default")] if is_default else []
    if model.archived:
        badges.append(("archived", ""))
    return badges + [(tag, "tag") for tag in model.tags]


def summarize_auc(model: SavedModel) -> AucSummary:
    """Return the AUC of a model's own evaluation, for the list and the head of its page."""
    metrics = model.card.metrics
    if metrics is None:
        return AucSummary("not evaluated")
    interval = metrics.ci.get("auc")
    text = f"AUC {wording.format_estimate(metrics.auc, interval, 2)}"
    if metrics.auc is None or interval is None:
        return AucSummary(text)
    low, high, estimate = (2 * max(0.0, auc - 0.5) for auc in (*interval, metrics.auc))
    return AucSummary(text, low, high, estimate)


def _show_compare_button(selected: list[SavedModel], n_shown: int, n_total: int) -> None:
    """Say how many there are; compare the selected ones on the Metrics page."""
    with st.container(horizontal=True, vertical_alignment="center"):
        count = wording.format_count(n_total, "model")
        if n_shown != n_total:
            count = f"{n_shown:,} of {count}"
        st.markdown(count, width="stretch")
        if st.button(
            f"Compare {len(selected)}" if selected else "Compare",
            icon=":material/compare_arrows:",
            disabled=not 2 <= len(selected) <= MAX_COMPARED,
            help=f"Select two to {MAX_COMPARED} models to compare.",
            key="compare-models",
        ):
            st.switch_page(
                navigation.page("metrics"),
                query_params={"models": [model.id for model in selected]},
            )


def _show_damaged_model(model: DamagedModel) -> None:
    """Show a folder that is no usable model, why, and how to delete it."""
    key = layout.make_key(model.path)
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"model-row-{key}"
    ):
        st.html(
            render_html("models/damaged_row.html", name=model.id, reason=model.reason),
            width="stretch",
        )
        if visitor.button(
            Action.DELETE_MODEL, "Delete", owner="", key=f"delete-{key}", icon=":material/delete:"
        ):
            dialogs.delete(model)
