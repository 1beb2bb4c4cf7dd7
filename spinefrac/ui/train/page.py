"""Train: choose a folder, see what is in it, start a run, watch it, and all runs so far."""

from __future__ import annotations

import streamlit as st

from spinefrac.training import runs
from spinefrac.ui.common import layout
from spinefrac.ui.train import folder as folder_view
from spinefrac.ui.train import runs as runs_view
from spinefrac.ui.train import start

NEW, RUNS = "New run", "Runs"


def open_run(run: runs.Run) -> None:
    """Turn to a run; done before anything of the page is drawn."""
    st.session_state["train"] = RUNS
    st.session_state["train-name"] = ""  # the next one needs another
    st.query_params["run"] = run.id


def choose_view() -> str:
    """Let the user choose between the form and the runs; the address holds the choice."""
    state = st.session_state
    if "train" not in state and "train" not in st.query_params:
        busy = "run" in st.query_params or bool(runs_view.open_ones())
        state["train"] = RUNS if busy else NEW
    chosen = st.segmented_control(
        "View",
        (NEW, RUNS),
        required=True,
        key="train",
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen or NEW


def new_run() -> None:
    """From the choice of a folder to the button that starts."""
    runs_view.banner()
    folder = folder_view.choose()
    if folder is None:
        return
    found, audit = folder_view.look(folder)
    folder_view.show(found, audit)
    audit = folder_view.show_audit(folder, audit)
    start.show(folder, found, audit)


def all_runs() -> None:
    """One run in full, then every run in a line."""
    chosen = st.query_params.get("run")
    if chosen is None:
        chosen = next((run.id for run in runs_view.open_ones()), None)
    if chosen is not None:
        with layout.errors_shown():
            runs_view.watch(chosen)
    st.subheader("Queue and history", anchor=False)
    runs_view.table()


def render() -> None:
    """Draw the page."""
    layout.heading(
        "Train",
        "A run is trained by a process of its own: close this page, come back, or open it elsewhere, "
        "and it shows the same.",
    )
    with layout.errors_shown():
        if submitted := st.session_state.pop("train-submitted", None):
            open_run(submitted)
        if choose_view() == NEW:
            new_run()
        else:
            all_runs()
