"""Train: choose a folder, see its contents, start a run, watch it, and see all runs."""

from __future__ import annotations

import streamlit as st

from spinefrac import extras
from spinefrac.access.policy import Action
from spinefrac.data.folder_layouts import list_labelled_files
from spinefrac.training import runs
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.train import datasets, estimate, start
from spinefrac.ui.train import folder as folder_view
from spinefrac.ui.train import runs as runs_view

# The labels are part of the address.
NEW_RUN_VIEW, RUNS_VIEW = "New run", "Runs"


def open_run(run: runs.Run) -> None:
    """Show a run; call it before anything of the page is drawn."""
    st.session_state["train"] = RUNS_VIEW
    st.session_state["train-name"] = ""  # the next one needs another
    st.query_params["run"] = run.id


def choose_view() -> str:
    """Let the user choose between the form and the runs; the address holds the choice."""
    state = st.session_state
    if not visitor.permits(Action.START_RUN):
        return RUNS_VIEW
    if "train" not in state and "train" not in st.query_params:
        busy = "run" in st.query_params or bool(runs_view.list_open_runs())
        state["train"] = RUNS_VIEW if busy else NEW_RUN_VIEW
    chosen = st.segmented_control(
        "View",
        (NEW_RUN_VIEW, RUNS_VIEW),
        required=True,
        key="train",
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen or NEW_RUN_VIEW


def show_new_run() -> None:
    """Show everything from the choice of a folder to the button that starts."""
    runs_view.show_banner()
    folder = None
    with layout.show_errors():
        folder = folder_view.choose_folder()
    datasets.show_left_out()
    if folder is None:
        return
    datasets.show_dataset(folder)
    listing = list_labelled_files(folder)  # once: it takes seconds where there are many files
    preview, audit = folder_view.inspect_folder(folder, listing)
    folder_view.show_preview(preview, audit)
    folder_view.show_audit(folder, audit)
    if problem := extras.explain_missing("train"):
        layout.show_note(problem)
        return
    estimate.show_estimate(folder, listing)
    start.show_start(folder, preview, audit)


def show_runs() -> None:
    """Show one run in full, then a table of all runs."""
    chosen = st.query_params.get("run")
    if chosen is None:
        chosen = next((run.id for run in runs_view.list_open_runs()), None)
    if chosen is not None:
        with layout.show_errors():
            runs_view.show_run(chosen)
    st.header("All runs", anchor=False)
    runs_view.show_runs_table()


def render() -> None:
    """Draw the page."""
    layout.show_heading(
        "Train",
        "A run trains in the background: you can close this page and return to it later.",
    )
    with layout.show_errors():
        if submitted := st.session_state.pop("train-submitted", None):
            open_run(submitted)
        if choose_view() == NEW_RUN_VIEW:
            show_new_run()
        else:
            show_runs()
