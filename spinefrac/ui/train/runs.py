"""Runs on the page: the one that is watched, the queue, and all that have been."""

from __future__ import annotations

import time
from html import escape
from pathlib import Path
from urllib.parse import quote

import streamlit as st

from spinefrac import settings as places
from spinefrac.data import data_roots
from spinefrac.training import runs
from spinefrac.training.runs import Run
from spinefrac.training.runs.records import OPEN
from spinefrac.ui import app
from spinefrac.ui.common import layout
from spinefrac.ui.train import folder, form, live

HEAD = ("Run", "State", "Began", "Duration", "Slices", "AUC (95 %)")
#: Runs in the table; older ones are on the command line.
SHOWN = 50
#: Seconds between two looks at a run that is open, and at the table while one is.
EVERY, TABLE_EVERY = 1.0, 4.0


def watch(run_id: str) -> None:
    """Show a run and what can be done with it; drawn anew every second until it ends."""
    run = runs.get(run_id)
    st.fragment(_live, run_every=EVERY if run.open else None)(run.id, run.state)
    if not run.open:
        _next_steps(run)


def _live(run_id: str, state: str) -> None:
    """Draw a run, and the whole page once it has changed its state."""
    with layout.errors_shown():
        picture = st.empty()
        progress = runs.progress(run_id)
        if progress.run.open and progress.runner is None:
            runs.ensure_runner()  # goes on with a run whose runner was killed
        picture.html(live.show(progress))
        if state in OPEN and _cancel_asked(progress.run):
            runs.cancel(run_id)
            st.rerun()
        if progress.run.state != state:
            st.rerun()


def _cancel_asked(run: Run) -> bool:
    return st.button(
        "Stops…" if run.cancelling else "Cancel",
        icon=":material/stop_circle:",
        key="train-cancel",
        disabled=run.cancelling,
        help="Stops within one batch. Nothing is lost: a cancelled run can be resumed.",
    )


def _next_steps(run: Run) -> None:
    """Offer what can be done with a run that has ended."""
    with st.container(key="train-next", horizontal=True, vertical_alignment="center"):
        if run.model:
            st.page_link(
                app.page("metrics"),
                label=f"Metrics of {run.model}",
                icon=":material/monitoring:",
                query_params={"models": run.model},
            )
        resume = run.resumable and st.button(
            "Resume",
            type="primary",
            icon=":material/play_arrow:",
            key="train-resume",
            help="Goes on after the last finished epoch of each fold.",
        )
        st.button(
            "Run again with these settings",
            icon=":material/replay:",
            key="train-again",
            on_click=_again,
            args=(run,),
            help="Fills the form; nothing starts before you press Train.",
        )
    if resume:
        runs.resume(run.id)
        st.rerun()


def _again(run: Run) -> None:
    """Fill the form with a run's settings and folder, and turn to it."""
    form.fill(run.settings, run.name)
    st.session_state[folder.KEY] = data_roots.shown(Path(run.folder), places.data_roots())
    st.session_state["train"] = "New run"


def open_ones() -> list[Run]:
    """Return the runs that train or wait, in their order."""
    return [run for run in runs.listing(SHOWN) if run.open]


def banner() -> None:
    """Say on the form's page that something trains."""
    found = open_ones()
    if found:
        others = f" and {len(found) - 1} more in the queue" if len(found) > 1 else ""
        words = live.STATES[live.state_of(found[0])][0]
        st.html(
            f'<div class="sf-audit open"><i class="dot"></i><span>{_link(found[0])}: '
            f"{escape(words)}{others}.</span></div>"
        )


def table() -> None:
    """Show all runs, those that are open first; drawn anew every few seconds while one is."""
    st.fragment(_table, run_every=TABLE_EVERY if open_ones() else None)()


def _table() -> None:
    with layout.errors_shown():
        found = runs.listing(SHOWN)
        if found:
            layout.table(HEAD, [_row(run) for run in found])
        else:
            st.info("No run yet: start one with New run.", icon=":material/info:")


def _row(run: Run) -> tuple[str, ...]:
    words, tone = live.STATES[live.state_of(run)]
    began = (
        "–" if run.started is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started))
    )
    took = run.seconds
    if took is None and run.started is not None:
        took = time.time() - run.started
    return (
        _link(run),
        f'<span class="sf-state {tone}"><i class="dot"></i>{escape(words)}</span>',
        began,
        "–" if took is None else live.duration(took),
        f"{run.images:,}" if run.images else "–",
        escape(live.result(run)),
    )


def _link(run: Run) -> str:
    """Return a link that leads anybody who may open this app to a run."""
    return f'<a href="?train=Runs&amp;run={quote(run.id)}">{escape(run.name)}</a>'
