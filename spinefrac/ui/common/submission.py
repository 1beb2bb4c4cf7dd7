"""Runs that a session submits, each counted until it ends."""

from __future__ import annotations

import streamlit as st

from spinefrac.access.policy import Action
from spinefrac.system import budgets
from spinefrac.training import runs
from spinefrac.training.runner import run_names
from spinefrac.training.runs import live
from spinefrac.ui.common import session, visitor

_SUBMITTED_KEY = "submitted-runs"


def submit_run(request: runs.RunRequest, summary: runs.FolderSummary | None = None) -> runs.Run:
    """Queue a run of this session; see `run_names.submit_with_free_name`.

    Raises
    ------
    AccessError
        The person may not train.
    BudgetError
        The session, or all of them, would have too many runs that wait or train.
    SpinefracError
        What `runs.submit` raises.
    """
    visitor.require(Action.START_RUN)
    owner, state = session.get_owner(), st.session_state
    is_open = {run.id for run in runs.list_runs() if run.is_open}
    own = [run_id for run_id in state.get(_SUBMITTED_KEY, ()) if run_id in is_open]
    budgets.RUNS.hold(owner, _SUBMITTED_KEY, len(own) + 1)
    try:
        run = run_names.submit_with_free_name(request, summary)
        visitor.record(Action.START_RUN, run.id)
        own.append(run.id)
        live.forget()
    finally:
        state[_SUBMITTED_KEY] = own
        budgets.RUNS.hold(owner, _SUBMITTED_KEY, len(own))
    return run
