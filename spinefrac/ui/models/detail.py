"""One saved model: its card, what can be done with it, and runs that start from it."""

from __future__ import annotations

from html import escape

import streamlit as st

from spinefrac import settings, wording
from spinefrac.data import data_roots
from spinefrac.errors import SpinefracError
from spinefrac.store import card_markdown, lineage, manage, repository
from spinefrac.store.repository import SavedModel
from spinefrac.training import finetuning, runs
from spinefrac.ui.common import layout, metric_tables
from spinefrac.ui.models import dialogs, listing, transfer

VIEWS = ("Card", "Train from it", "Take it along")
START_MODES = {
    "settings": "Same settings, weights start anew",
    "weights": "Go on from its weights, on slices that it has not seen",
}


def show_model(model_id: str) -> None:
    """Show a model, or why there is none to show."""
    if st.button("All models", icon=":material/arrow_back:", key="back-to-models"):
        dialogs.open_model_page(None)
    try:
        model = repository.load(model_id)
    except SpinefracError as error:
        st.error(layout.escape_markdown(wording.to_sentence(str(error))), icon=":material/error:")
        return
    default = repository.get_default_id() == model.id
    st.html(
        f'<div class="sf-model-row"><div><div class="name large">{escape(model.id)}'
        f"{listing.render_badges(model, default)}</div>"
        f'<p class="sf-note">{escape(model.note)}</p></div>{listing.render_auc(model)}</div>'
    )
    _show_actions(model, default)
    view = st.segmented_control(
        "View", VIEWS, default=VIEWS[0], required=True, label_visibility="collapsed"
    )
    if view == "Card":
        _show_card(model)
    elif view == "Train from it":
        _show_finetune_form(model)
    else:
        transfer.show_export(model)


def _show_actions(model: SavedModel, is_default: bool) -> None:
    """Show a button for each thing that can be done."""
    with st.container(horizontal=True, key="model-actions"):
        if st.button("Rename", icon=":material/edit:"):
            dialogs.rename(model)
        if st.button("Note and tags", icon=":material/sell:"):
            dialogs.annotate(model)
        if st.button("Duplicate", icon=":material/content_copy:"):
            dialogs.duplicate(model)
        if st.button(
            "Make default",
            icon=":material/star:",
            disabled=is_default or model.archived,
            help="Used where no model is named.",
        ):
            manage.set_default(model.id)
            st.rerun()
        if st.button(
            "Take back" if model.archived else "Archive",
            icon=":material/archive:",
            help="Archived models are left out of lists and choices; nothing is removed.",
        ):
            manage.annotate(model.id, archived=not model.archived)
            st.rerun()
        if st.button("Delete", icon=":material/delete:"):
            dialogs.delete(model, is_default)


def _show_card(model: SavedModel) -> None:
    """Show the model card, its record and lineage beside it."""
    text = card_markdown.render_markdown(model)
    left, right = st.columns([1.7, 1], gap="medium")
    with right:
        st.html(metric_tables.render_performance(model) + _render_lineage(model))
        st.download_button(
            "Model card as Markdown",
            text,
            card_markdown.FILE_NAME,
            "text/markdown",
            icon=":material/download:",
            on_click="ignore",
        )
    with left, st.container(key="model-card"):
        st.markdown(text[text.index("## Model Details") :])


def _render_lineage(model: SavedModel) -> str:
    """Return what the model came from and what came from it; empty where that is nothing."""
    shelf_now = repository.list_models()
    before = [step.description for step in lineage.list_ancestors(model, shelf_now)[1:]]
    after = [f"{other.id} ({p.how})" for other, p in lineage.list_children(model, shelf_now)]
    if not before and not after:
        return ""
    lines = [f"Trained from the {text}." for text in before[:1]]
    lines += [f"Before that: the {text}." for text in before[1:]]
    if after:
        lines.append(f"Trained from it: {', '.join(after)}.")
    body = "".join(f'<p class="sf-note">{escape(text)}</p>' for text in lines)
    return (
        '<section class="sf-card" aria-label="Lineage"><div class="sf-card-title">Lineage</div>'
        f"{body}</section>"
    )


def _show_finetune_form(model: SavedModel) -> None:
    """Start a run from the model's settings or weights."""
    roots = ", ".join(root.name for root in settings.data_roots())
    with st.form("train-from", enter_to_submit=False):
        how = st.radio("What to take over", list(START_MODES), format_func=START_MODES.__getitem__)
        folder = st.text_input(
            "Folder of labelled slices", help=f"In one of the server's data folders: {roots}."
        )
        name = st.text_input("Name of the new model", f"{model.id}-2", help=dialogs.NAME_RULE)
        wanted = st.form_submit_button("Start training", type="primary")
    if not wanted:
        return
    with layout.show_errors(), st.spinner("Putting it into the queue…"):
        taken, parent = finetuning.load_initial_settings(model.id, how or "settings")
        request = runs.RunRequest(
            data_roots.resolve_folder(folder, settings.data_roots()),
            name.strip(),
            taken,
            parent=parent,
            trained_by=layout.get_user_name(),
            roots=settings.data_roots(),
            list_only=True,
        )
        run = runs.submit(request)
        st.success(f"The run {run.id} is in the queue; the page Train shows how it goes.")
