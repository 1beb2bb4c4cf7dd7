"""Train: choose a folder, see what is in it, start a run, watch it, and all runs so far."""

from __future__ import annotations

import streamlit as st

from pages import _shared, _train_folder, _train_runs, _train_start
from spinefrac.training import runs

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
        busy = "run" in st.query_params or bool(_train_runs.open_ones())
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
    _train_runs.banner()
    folder = _train_folder.choose()
    if folder is None:
        return
    found, audit = _train_folder.look(folder)
    _train_folder.show(found, audit)
    audit = _train_folder.show_audit(folder, audit)
    _train_start.show(folder, found, audit)


def all_runs() -> None:
    """One run in full, then every run in a line."""
    chosen = st.query_params.get("run")
    if chosen is None:
        chosen = next((run.id for run in _train_runs.open_ones()), None)
    if chosen is not None:
        with _shared.errors_shown():
            _train_runs.watch(chosen)
    st.subheader("Queue and history", anchor=False)
    _train_runs.table()


_shared.heading(
    "Train",
    "A run is trained by a process of its own: close this page, come back, or open it elsewhere, "
    "and it shows the same.",
)
with _shared.errors_shown():
    if submitted := st.session_state.pop("train-submitted", None):
        open_run(submitted)
    if choose_view() == NEW:
        new_run()
    else:
        all_runs()
