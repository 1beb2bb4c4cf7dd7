"""The button that starts a run: what speaks against it, how long it will take, the queue."""

from __future__ import annotations

import time
from html import escape
from pathlib import Path

import streamlit as st

from spinefrac import settings as places
from spinefrac.audit import Audit
from spinefrac.data import splits
from spinefrac.data.preview import Contents
from spinefrac.errors import DatasetError, SpinefracError
from spinefrac.store import saving
from spinefrac.training import runs
from spinefrac.training.runner import run_names
from spinefrac.training.settings import TrainingSettings
from spinefrac.ui.common import layout
from spinefrac.ui.train import form
from spinefrac.ui.train.live import duration

#: Two clicks on Train within so many seconds are meant as one.
DOUBLE_CLICK_S = 5.0


@st.fragment
def show(folder: Path, contents: Contents, audit: Audit | None) -> None:
    """Ask how to train and start it. A fragment: a changed field redraws this and no more."""
    if not form.filled():
        form.fill(TrainingSettings())
    st.subheader("How to train", anchor=False)
    name = st.text_input(
        "Name of the model",
        key="train-name",
        placeholder=run_names.propose(folder.name),
        persist_state="session",
        help="Lower-case letters, digits and hyphens. Left empty, it gets the name shown here, "
        "or the next free one.",
    )
    chosen, problem = None, ""
    try:
        chosen = form.ask(contents)
        _check(name, chosen, audit)
    except SpinefracError as error:
        problem = str(error)
    _start(folder, name, chosen, problem, audit, audit.images if audit else contents.images)


def _check(name: str, chosen: TrainingSettings, audit: Audit | None) -> None:
    """Raise what can be known before anything is started."""
    if name.strip():
        saving.require_free(name.strip())
    if audit is not None and chosen.group_by == "auto":
        rows = tuple((row.group, row.fracture, row.normal) for row in audit.group_table)
        if said := _folds_problem(audit.fingerprint, rows, chosen.folds, chosen.seed):
            raise DatasetError(said)


@st.cache_data(max_entries=64, show_spinner=False)
def _folds_problem(
    fingerprint: str, _rows: tuple[tuple[str, int, int], ...], folds: int, seed: int
) -> str:
    try:
        splits.check_folds(_rows, folds, seed)
    except DatasetError as error:
        return str(error)
    return ""


def _start(
    folder: Path,
    name: str,
    chosen: TrainingSettings | None,
    problem: str,
    audit: Audit | None,
    images: int,
) -> None:
    """Say how long it will take, and start it when that is asked for."""
    button, words = st.columns([1, 4], gap="medium", vertical_alignment="center")
    ready = chosen is not None and not problem
    wanted = button.button(
        "Train",
        type="primary",
        icon=":material/model_training:",
        key="train-start",
        disabled=not ready,
        width="stretch",
    )
    if problem:
        words.error(layout.plain(layout.sentence(problem)), icon=":material/error:")
    elif chosen is not None:
        with words:
            _expected(chosen, images)
            if audit is None:
                st.caption(
                    "The audit is not done. A run that starts now reads every slice itself, and "
                    "says so where the folds cannot be made."
                )
    if wanted and chosen is not None and ready:
        with layout.errors_shown():
            _submit(folder, name, chosen)


def _submit(folder: Path, name: str, chosen: TrainingSettings) -> None:
    """Queue a run and turn to it; a second click on the same form opens the run of the first."""
    state, asked = st.session_state, (str(folder), name, chosen)
    last, when, run = state.get("train-last", (None, 0.0, None))
    if last != asked or time.monotonic() - when > DOUBLE_CLICK_S:
        with st.spinner("Putting it into the queue…"):
            run = run_names.submit(
                folder,
                name,
                chosen,
                roots=places.data_roots(),
                trained_by=layout.signed_in(),
                quick=True,
            )
    state["train-last"] = (asked, time.monotonic(), run)
    state["train-submitted"] = run
    st.rerun()


def _expected(chosen: TrainingSettings, images: int) -> None:
    """Say how long it will take; where nobody knows, have a few batches tried and wait for it."""
    found = runs.estimate(images, chosen)
    if found is None:
        _try(chosen)
    waiting = found is None and runs.trying()
    st.fragment(_expected_line, run_every=2.0 if waiting else None)(chosen, images, waiting)


def _try(chosen: TrainingSettings) -> None:
    """Have a few batches tried, once in a session for the same settings and never beside a run."""
    tried = st.session_state.setdefault("train-tried", set())
    asked = (chosen.network, chosen.preprocessing.size, chosen.batch_size)
    if asked in tried or runs.trying() or any(run.open for run in runs.listing(1)):
        return
    tried.add(asked)
    runs.start_trial(chosen)


def _expected_line(chosen: TrainingSettings, images: int, waiting: bool) -> None:
    if waiting and not runs.trying():
        st.rerun()
    each = round(images * (chosen.folds - 1) / chosen.folds)
    text = (
        f"{chosen.folds} networks, each on about {each:,} of {images:,} slices, {chosen.epochs} "
        f"times: {each * chosen.folds * chosen.epochs:,} slices in all. "
    )
    found = runs.estimate(images, chosen)
    if found is not None:
        text += f"About {_span(found)} from start to end ({found.basis})."
    elif waiting:
        text += "A few batches are being tried, to tell how long it takes."
    else:
        text += "How long it takes will be known after the first batches."
    st.html(f'<p class="sf-note">{escape(text)}</p>')


def _span(found: runs.Estimate) -> str:
    """Return between which times training will take, as people say it."""
    if found.high < 60:
        return "less than a minute"
    low, high = duration(max(found.low, 60)), duration(found.high)
    return low if low == high else f"{low} to {high}"
