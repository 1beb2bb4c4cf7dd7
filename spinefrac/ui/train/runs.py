"""Runs on the page: the one that is watched, the queue, and all former ones."""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st
from markupsafe import Markup

from spinefrac.access.policy import Action
from spinefrac.training import runs
from spinefrac.training.runs import Run, live
from spinefrac.training.runs.records import OPEN_STATES
from spinefrac.ui.common import folders, layout, navigation, share, visitor
from spinefrac.ui.common.shared_html import SharedHtml
from spinefrac.ui.common.templates import render_html
from spinefrac.ui.train import folder, form, run_progress
from spinefrac.wording import format_duration

COLUMN_TITLES = ("Run", "State", "Started", "Duration", "Slices", "AUC (95 % CI)")
#: Runs in the table; `spinefrac runs list` has older ones.
MAX_RUNS = 50
#: Seconds between two refreshes of an open run, and of the table while one is open.
REFRESH_S, TABLE_REFRESH_S = 1.0, 4.0

#: After the metrics: address of the page, label and icon of what can be done with the model.
_MODEL_STEPS = (
    ("predict", "Predict with it", ":material/radiology:"),
    ("models", "Share it", ":material/share:"),
)

_run_html = SharedHtml(run_progress.render_run)


def show_run(run_id: str) -> None:
    """Show a run and what can be done with it; refreshed every second until it ends."""
    run = live.get_progress(run_id).run  # the reading that the fragment shows, never a newer one
    visitor.fragment(_show_live_run, run_every=REFRESH_S if run.is_open else None)(
        run.id, run.state
    )
    share.show_button("train", {"train": "Runs", "run": run.id}, key="share-run")
    if not run.is_open:
        _show_next_steps(run)


def _show_live_run(run_id: str, state: str) -> None:
    """Draw a run, and the whole page once it has changed its state."""
    with layout.show_errors():
        place = st.empty()
        progress = live.get_progress(run_id)
        if progress.run.is_open and progress.runner is None:
            runs.ensure_runner()  # resumes a run whose runner was killed
        place.html(_run_html.get(run_id, progress))
        if state in OPEN_STATES and _show_cancel_button(progress.run):
            with visitor.act(Action.CHANGE_RUN, run_id, owner=progress.run.trained_by):
                runs.cancel(run_id)
                live.forget()
            st.rerun()
        if progress.run.state != state:
            st.rerun()


def _show_cancel_button(run: Run) -> bool:
    return visitor.button(
        Action.CHANGE_RUN,
        "Cancelling…" if run.cancelling else "Cancel",
        icon=":material/stop_circle:",
        key="train-cancel",
        owner=run.trained_by,
        disabled=run.cancelling,
        help="Stops after the current batch. You can resume a cancelled run.",
    )


def _show_next_steps(run: Run) -> None:
    """Offer what can be done with a run that has ended."""
    with st.container(key="train-next-steps", horizontal=True, vertical_alignment="center"):
        if run.model:
            st.page_link(
                navigation.page("metrics"),
                label=f"Metrics of {run.model}",
                icon=":material/monitoring:",
                query_params={"models": run.model},
            )
            for page, label, icon in _MODEL_STEPS:
                st.page_link(
                    navigation.page(page), label=label, icon=icon, query_params={"model": run.model}
                )
        resume = run.is_resumable and visitor.button(
            Action.CHANGE_RUN,
            "Resume",
            owner=run.trained_by,
            type="primary",
            icon=":material/play_arrow:",
            key="train-resume",
            help="Continues after the last completed epoch of each fold.",
        )
        visitor.button(
            Action.START_RUN,
            "Reuse settings",
            icon=":material/replay:",
            key="train-reuse-settings",
            on_click=_fill_form_from_run,
            args=(run,),
            help="Copies the settings to the form. Training starts when you click Train.",
        )
    if resume:
        with visitor.act(Action.CHANGE_RUN, run.id, owner=run.trained_by):
            runs.resume(run.id)
            live.forget()
        st.rerun()


def _fill_form_from_run(run: Run) -> None:
    """Fill the form with a run's settings and folder, and show it."""
    form.fill_form(run.settings, run.name)
    st.session_state[folder.FOLDER_KEY] = folders.display(Path(run.folder))
    st.session_state["train"] = "New run"


def list_open_runs() -> list[Run]:
    """Return the runs that train or wait, in their order."""
    return [run for run in live.list_runs(MAX_RUNS) if run.is_open]


def show_banner() -> None:
    """Say above the form which run trains."""
    open_runs = list_open_runs()
    if not open_runs:
        return
    state, _ = run_progress.RUN_STATE_LABELS[run_progress.get_display_state(open_runs[0])]
    more = f" and {len(open_runs) - 1} more queued" if len(open_runs) > 1 else ""
    layout.show_alert(_render_run_link(open_runs[0]) + f": {state}{more}.", "open")


def show_runs_table() -> None:
    """Show all runs, open ones first; refreshed every few seconds while one is open."""
    visitor.fragment(_show_runs_table, run_every=TABLE_REFRESH_S if list_open_runs() else None)()


def _show_runs_table() -> None:
    with layout.show_errors():
        found = live.list_runs(MAX_RUNS)
        if len(found) > layout.SEARCH_FROM:
            matches = layout.ask_search("runs-search", "Search runs by name")
            found = tuple(run for run in found if matches(run.name))
        if found or "runs-search" in st.session_state:
            rows = layout.build_rows(found, _make_row, lambda reason: (reason,))
            layout.show_table(COLUMN_TITLES, rows)
        else:
            st.info("No runs yet. Start one under “New run”.", icon=":material/info:")


def _make_row(run: Run) -> tuple[str, ...]:
    state, tone = run_progress.RUN_STATE_LABELS[run_progress.get_display_state(run)]
    started, seconds = "–", run.seconds
    if run.started is not None:
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started))
        if seconds is None:
            seconds = time.time() - run.started
    return (
        _render_run_link(run),
        render_html("train/state.html", text=state, tone=tone),
        started,
        "–" if seconds is None else format_duration(seconds),
        f"{run.images:,}" if run.images else "–",
        run_progress.format_result(run),
    )


def _render_run_link(run: Run) -> Markup:
    """Return a link that opens a run for anybody who may open this app."""
    return render_html("train/run_link.html", id=run.id, name=run.name)
