"""The shelf: every saved model in a line, filtered and sorted, and what is no model."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from spinefrac import wording
from spinefrac.store.repository import DamagedModel, SavedModel
from spinefrac.ui import app
from spinefrac.ui.models import dialogs

SORT_ORDERS = ("Name", "Newest", "Highest AUC", "Largest")

#: Models that are shown at once.
PAGE_SIZE = 20
#: Models that the Metrics page sets side by side.
MAX_COMPARED = 6

AUDIT_LABELS = {"ok": "audit: ok", "caution": "audit: caution", "unusable": "audit: unusable"}


def show_models(models: Sequence[SavedModel | DamagedModel], default_id: str) -> None:
    """Show the shelf."""
    usable = [model for model in models if isinstance(model, SavedModel)]
    shown = _sort_models(*_filter_models(usable))
    top = st.container()
    count = st.session_state.setdefault("models-shown", PAGE_SIZE)
    chosen = [model for model in shown[:count] if _show_model_row(model, model.id == default_id)]
    if usable and not shown:
        st.info("No model fits this search.", icon=":material/search_off:")
    if len(shown) > count and st.button(f"Show {min(PAGE_SIZE, len(shown) - count)} more"):
        st.session_state["models-shown"] = count + PAGE_SIZE
        st.rerun()
    with top:
        _show_compare_button(chosen, len(shown), len(usable))
    for model in models:
        if isinstance(model, DamagedModel):
            _show_damaged_model(model)


def _filter_models(models: list[SavedModel]) -> tuple[list[SavedModel], str]:
    """Let the user narrow the shelf down; return what is left and what to sort it by."""
    tags = sorted({tag for model in models for tag in model.tags}, key=str.casefold)
    archived = sum(model.archived for model in models)
    search, tag_column, sort_column = st.columns([2, 1.5, 1], vertical_alignment="bottom")
    words = search.text_input(
        "Search",
        key="models-search",
        placeholder="name, note, tag, network",
        icon=":material/search:",
    )
    wanted = tag_column.multiselect("Tags", tags, key="models-tags", disabled=not tags)
    order = sort_column.selectbox("Sort by", SORT_ORDERS, key="models-sort")
    everything = archived and st.toggle(f"Show archived models ({archived})", key="models-archived")
    left = [
        model
        for model in models
        if (everything or not model.archived)
        and set(wanted) <= set(model.tags)
        and all(word in _build_search_text(model) for word in words.casefold().split())
    ]
    return left, order


def _build_search_text(model: SavedModel) -> str:
    """Return what a search looks through."""
    card = model.card
    return " ".join((model.id, model.note, *model.tags, card.network, card.trained_by)).casefold()


def _sort_models(models: list[SavedModel], sort_order: str) -> list[SavedModel]:
    if sort_order == "Newest":
        return sorted(models, key=lambda model: model.card.created, reverse=True)
    if sort_order == "Highest AUC":
        return sorted(models, key=_get_auc, reverse=True)
    if sort_order == "Largest":
        return sorted(models, key=lambda model: model.size, reverse=True)
    return sorted(models, key=lambda model: model.id)


def _get_auc(model: SavedModel) -> float:
    metrics = model.card.metrics
    return -1.0 if metrics is None or metrics.auc is None else metrics.auc


def _show_model_row(model: SavedModel, is_default: bool) -> bool:
    """Show one model; return whether it is ticked for a comparison."""
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"model-row-{model.id}"
    ):
        ticked = st.checkbox(
            f"Compare {model.id}",
            key=f"select-model-{model.id}",
            label_visibility="collapsed",
            disabled=model.archived,
        )
        st.html(render_model_line(model, is_default), width="stretch")
        if st.button("Open", key=f"open-{model.id}", help=f"Card and actions of {model.id}"):
            dialogs.open_model_page(model.id)
    return ticked


def render_model_line(model: SavedModel, is_default: bool) -> str:
    """Return a model's line: name, note and facts on the left, the AUC on the right."""
    card, data = model.card, model.card.data
    facts = [
        card.created[:10],
        f"{data.images:,} slices of {data.groups:,} groups" if data else "imported",
        AUDIT_LABELS.get(card.audit_verdict or "", "not audited"),
        f"{model.size / 1e6:.1f} MB",
    ]
    if card.trained_by:
        facts.append(f"by {card.trained_by}")
    rule = f'<p class="sf-note">Groups: {escape(data.group_rule)}</p>' if data else ""
    note = f'<p class="sf-note">{escape(model.note[:200])}</p>' if model.note else ""
    return (
        '<div class="sf-model-row"><div>'
        f'<div class="name">{escape(model.id)}{render_badges(model, is_default)}</div>{note}'
        f'<p class="facts">{" · ".join(map(escape, facts))}</p>{rule}</div>{render_auc(model)}</div>'
    )


def render_badges(model: SavedModel, is_default: bool) -> str:
    """Return what marks a model: default, archived, its tags."""
    marks = [("default", "default")] * is_default + [("archived", "")] * model.archived
    marks += [(tag, "tag") for tag in model.tags]
    return "".join(f'<span class="sf-badge {kind}">{escape(text)}</span>' for text, kind in marks)


def render_auc(model: SavedModel) -> str:
    """Return the AUC with its interval, as numbers and on a line from 0.5 to 1."""
    metrics = model.card.metrics
    if metrics is None:
        return '<div class="auc"><span class="sf-note">not measured</span></div>'
    interval = metrics.ci.get("auc")
    value = wording.format_number(metrics.auc, 2)
    drawn = ""
    if metrics.auc is not None and interval:
        low, high, point = (200 * max(0.0, x - 0.5) for x in (*interval, metrics.auc))
        drawn = (
            f'<span class="sf-interval"><i class="range" style="left:{low:.1f}%;'
            f'width:{high - low:.1f}%"></i><i class="estimate" style="left:{point:.1f}%"></i></span>'
        )
    return (
        f'<div class="auc" title="AUC from 0.5 (chance) to 1, with its 95 % interval">'
        f"<span>AUC <b>{value}</b> ({wording.format_interval(interval, 2)})</span>{drawn}</div>"
    )


def _show_compare_button(selected: list[SavedModel], n_shown: int, n_total: int) -> None:
    """Say how many there are; lead to the Metrics page with those that are ticked."""
    with st.container(horizontal=True, vertical_alignment="center"):
        count = (
            f"{n_total:,} models" if n_shown == n_total else f"{n_shown:,} of {n_total:,} models"
        )
        st.markdown(count if n_total != 1 else "1 model", width="stretch")
        few = 2 <= len(selected) <= MAX_COMPARED
        if st.button(
            f"Compare {len(selected)}" if selected else "Compare",
            icon=":material/compare_arrows:",
            disabled=not few,
            help=f"Tick two to {MAX_COMPARED} models to set them side by side.",
            key="compare-models",
        ):
            st.switch_page(
                app.page("metrics"), query_params={"models": [model.id for model in selected]}
            )


def _show_damaged_model(model: DamagedModel) -> None:
    """Show what is no usable model, why, and how to be rid of it."""
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"model-row-{model.id}"
    ):
        st.html(
            f'<div class="sf-model-row damaged"><div><div class="name">{escape(model.id)}'
            '<span class="sf-badge bad">cannot be used</span></div>'
            f'<p class="sf-note">{escape(wording.to_sentence(model.reason))}</p></div></div>',
            width="stretch",
        )
        if st.button("Delete", key=f"delete-{model.id}", icon=":material/delete:"):
            dialogs.delete(model)
