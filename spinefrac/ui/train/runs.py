"""Runs on the page: the one that is watched, the queue, and all that have been."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote

import streamlit as st
from markupsafe import Markup, escape

from spinefrac import settings as places
from spinefrac.data import data_roots
from spinefrac.training import runs
from spinefrac.training.runs import Run
from spinefrac.training.runs.records import OPEN_STATES
from spinefrac.ui import app
from spinefrac.ui.common import layout
from spinefrac.ui.train import folder, form, run_progress

COLUMN_TITLES = ("Run", "State", "Began", "Duration", "Slices", "AUC (95 %)")
#: Runs in the table; older ones are on the command line.
MAX_RUNS = 50
#: Seconds between two looks at a run that is open, and at the table while one is.
REFRESH_S, TABLE_REFRESH_S = 1.0, 4.0


def show_run(run_id: str) -> None:
    """Show a run and what can be done with it; drawn anew every second until it ends."""
    run = runs.get_run(run_id)
    st.fragment(_show_live_run, run_every=REFRESH_S if run.is_open else None)(run.id, run.state)
    if not run.is_open:
        _show_next_steps(run)


def _show_live_run(run_id: str, state: str) -> None:
    """Draw a run, and the whole page once it has changed its state."""
    with layout.show_errors():
        picture = st.empty()
        progress = runs.get_progress(run_id)
        if progress.run.is_open and progress.runner is None:
            runs.ensure_runner()  # goes on with a run whose runner was killed
        picture.html(run_progress.render_run(progress))
        if state in OPEN_STATES and _show_cancel_button(progress.run):
            runs.cancel(run_id)
            st.rerun()
        if progress.run.state != state:
            st.rerun()


def _show_cancel_button(run: Run) -> bool:
    return st.button(
        "Stops…" if run.cancelling else "Cancel",
        icon=":material/stop_circle:",
        key="train-cancel",
        disabled=run.cancelling,
        help="Stops within one batch. Nothing is lost: a cancelled run can be resumed.",
    )


def _show_next_steps(run: Run) -> None:
    """Offer what can be done with a run that has ended."""
    with st.container(key="train-next-steps", horizontal=True, vertical_alignment="center"):
        if run.model:
            st.page_link(
                app.page("metrics"),
                label=f"Metrics of {run.model}",
                icon=":material/monitoring:",
                query_params={"models": run.model},
            )
        resume = run.is_resumable and st.button(
            "Resume",
            type="primary",
            icon=":material/play_arrow:",
            key="train-resume",
            help="Goes on after the last finished epoch of each fold.",
        )
        st.button(
            "Run again with these settings",
            icon=":material/replay:",
            key="train-reuse-settings",
            on_click=_fill_form_from_run,
            args=(run,),
            help="Fills the form; nothing starts before you press Train.",
        )
    if resume:
        runs.resume(run.id)
        st.rerun()


def _fill_form_from_run(run: Run) -> None:
    """Fill the form with a run's settings and folder, and turn to it."""
    form.fill_form(run.settings, run.name)
    st.session_state[folder.FOLDER_KEY] = data_roots.display_path(
        Path(run.folder), places.data_roots()
    )
    st.session_state["train"] = "New run"


def list_open_runs() -> list[Run]:
    """Return the runs that train or wait, in their order."""
    return [run for run in runs.list_runs(MAX_RUNS) if run.is_open]


def show_banner() -> None:
    """Say on the form's page that something trains."""
    found = list_open_runs()
    if found:
        others = f" and {len(found) - 1} more in the queue" if len(found) > 1 else ""
        words = run_progress.RUN_STATE_LABELS[run_progress.get_display_state(found[0])][0]
        st.html(
            f'<div class="sf-alert open"><i class="dot"></i><span>{_render_run_link(found[0])}: '
            f"{escape(words)}{others}.</span></div>"
        )


def show_runs_table() -> None:
    """Show all runs, those that are open first; drawn anew every few seconds while one is."""
    st.fragment(_show_runs_table, run_every=TABLE_REFRESH_S if list_open_runs() else None)()


def _show_runs_table() -> None:
    with layout.show_errors():
        found = runs.list_runs(MAX_RUNS)
        if found:
            layout.show_table(COLUMN_TITLES, [_render_row(run) for run in found])
        else:
            st.info("No run yet: start one with New run.", icon=":material/info:")


def _render_row(run: Run) -> tuple[str, ...]:
    words, tone = run_progress.RUN_STATE_LABELS[run_progress.get_display_state(run)]
    began = (
        "–" if run.started is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started))
    )
    took = run.seconds
    if took is None and run.started is not None:
        took = time.time() - run.started
    return (
        _render_run_link(run),
        Markup(f'<span class="sf-state {tone}"><i class="dot"></i>{escape(words)}</span>'),
        began,
        "–" if took is None else run_progress.format_duration(took),
        f"{run.images:,}" if run.images else "–",
        escape(run_progress.format_result(run)),
    )


def _render_run_link(run: Run) -> str:
    """Return a link that leads anybody who may open this app to a run."""
    return Markup(f'<a href="?train=Runs&amp;run={quote(run.id)}">{escape(run.name)}</a>')
