"""One saved model: its card, what can be done with it, and runs that start from it."""

from __future__ import annotations

from functools import partial

import streamlit as st
from markupsafe import Markup

from spinefrac import settings
from spinefrac.access.policy import Action
from spinefrac.errors import SpinefracError
from spinefrac.store import card_markdown, lineage, manage, repository
from spinefrac.store.repository import SavedModel
from spinefrac.training import finetuning, runs
from spinefrac.ui.common import folders, layout, metric_tables, share, submission, visitor
from spinefrac.ui.common.templates import render_html
from spinefrac.ui.models import dialogs, listing, recalibration, transfer

CARD_VIEW, FINETUNE_VIEW, RECALIBRATE_VIEW, EXPORT_VIEW = VIEWS = (
    "Model card",
    "Fine-tune",
    "Recalibrate",
    "Export",
)
START_MODES = {
    "settings": "Retrain: same settings, new random weights",
    "weights": "Fine-tune: continue from its weights, on new slices",
}


def show_model(model_id: str) -> None:
    """Show a model, or why there is none to show."""
    if st.button("Back to all models", icon=":material/arrow_back:", key="back-to-models"):
        dialogs.open_model_page(None)
    try:
        model = repository.load(model_id)
    except SpinefracError as error:
        layout.show_error(str(error))
        return
    is_default = repository.get_default_id() == model.id
    st.html(
        render_html(
            "models/detail_header.html",
            model=model,
            badges=listing.list_badges(model, is_default),
            auc=listing.summarize_auc(model),
        )
    )
    _show_actions(model, is_default)
    view = st.segmented_control(
        "View", VIEWS, default=CARD_VIEW, required=True, label_visibility="collapsed"
    )
    if view == FINETUNE_VIEW:
        if visitor.may(Action.START_RUN):
            _show_finetune_form(model)
    elif view == RECALIBRATE_VIEW:
        if visitor.may(Action.DUPLICATE_MODEL):
            recalibration.show_form(model)
    elif view == EXPORT_VIEW:
        if visitor.may(Action.EXPORT_MODEL):
            transfer.show_export(model)
    else:
        _show_card(model)


def _show_actions(model: SavedModel, is_default: bool) -> None:
    """Show a button for each action."""
    with st.container(horizontal=True, key="model-actions"):
        share.show_model_button(model.id)
        change = partial(visitor.button, Action.CHANGE_MODEL, owner=model.owner)
        if change("Rename", icon=":material/edit:"):
            dialogs.rename(model)
        if change("Edit note and tags", icon=":material/sell:"):
            dialogs.annotate(model)
        if visitor.button(Action.DUPLICATE_MODEL, "Duplicate", icon=":material/content_copy:"):
            dialogs.duplicate(model)
        if visitor.button(
            Action.SET_DEFAULT_MODEL,
            "Set as default",
            icon=":material/star:",
            disabled=is_default or model.archived,
            help="Used when no model is given.",
        ):
            with visitor.act(Action.SET_DEFAULT_MODEL, model.id):
                manage.set_default(model.id)
            st.rerun()
        if change(
            "Unarchive" if model.archived else "Archive",
            icon=":material/unarchive:" if model.archived else ":material/archive:",
            help="Archived models are hidden from lists. No files are removed.",
        ):
            with visitor.act(Action.CHANGE_MODEL, model.id, owner=model.owner):
                manage.annotate(model.id, archived=not model.archived)
            st.rerun()
        if visitor.button(
            Action.DELETE_MODEL, "Delete", owner=model.owner, icon=":material/delete:"
        ):
            dialogs.delete(model, is_default)


def _show_card(model: SavedModel) -> None:
    """Show the model card, and beside it performance and lineage."""
    text = card_markdown.render_markdown(model)
    left, right = st.columns([1.7, 1], gap="medium")
    with right:
        st.html(metric_tables.render_performance(model) + render_lineage(model))
        st.download_button(
            "Download model card (Markdown)",
            text,
            card_markdown.FILE_NAME,
            "text/markdown",
            icon=":material/download:",
            on_click="ignore",
        )
    with left, st.container(key="model-card"):
        st.markdown(text[text.index("## Model Details") :])


def render_lineage(model: SavedModel) -> Markup:
    """Return which models this one comes from and which come from it; empty for none."""
    models = repository.list_models()
    ancestors = [step.description for step in lineage.list_ancestors(model, models)[1:]]
    children = [
        f"{child.id} ({parent.how})" for child, parent in lineage.list_children(model, models)
    ]
    if not ancestors and not children:
        return Markup()
    return render_html("models/lineage.html", ancestors=ancestors, children=children)


def _show_finetune_form(model: SavedModel) -> None:
    """Ask for what a run from the model's settings or weights needs, and submit it."""
    roots = ", ".join(root.name for root in settings.data_roots())
    with st.form("train-from", enter_to_submit=False):
        mode = st.radio("Start from", list(START_MODES), format_func=START_MODES.__getitem__)
        folder = st.text_input(
            "Folder of labelled slices", help=f"In one of the server's data folders: {roots}."
        )
        name = st.text_input("Name of the new model", f"{model.id}-2", help=dialogs.NAME_RULE)
        submitted = visitor.button(
            Action.START_RUN, "Start training", widget=st.form_submit_button, type="primary"
        )
    if submitted:
        with layout.show_errors(), st.spinner("Submitting…"):
            _submit(model, mode, folder, name.strip())


def _submit(model: SavedModel, mode: str, folder: str, name: str) -> None:
    """Queue a run that starts from a model."""
    training_settings, parent = finetuning.load_initial_settings(model.id, mode)
    request = runs.RunRequest(
        folders.resolve(folder),
        name,
        training_settings,
        parent=parent,
        trained_by=visitor.get_owner(),
        roots=folders.list_roots(),
        list_only=True,
    )
    run = submission.submit_run(request)
    st.success(f"Run {run.id} is queued. See its progress on the page Train.")
