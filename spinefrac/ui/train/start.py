"""The button that starts a run: what speaks against it, how long it will take, the queue."""

from __future__ import annotations

import time
from html import escape
from pathlib import Path

import streamlit as st

from spinefrac import settings as places
from spinefrac import wording
from spinefrac.audit import Audit
from spinefrac.data import splits
from spinefrac.data.preview import FolderPreview
from spinefrac.errors import DatasetError, SpinefracError
from spinefrac.store import saving
from spinefrac.training import runs
from spinefrac.training.runner import run_names
from spinefrac.training.settings import TrainingSettings
from spinefrac.ui.common import layout
from spinefrac.ui.train import form
from spinefrac.ui.train.run_progress import format_duration

#: Two clicks on Train within so many seconds are meant as one.
DOUBLE_CLICK_S = 5.0


@st.fragment
def show_start(folder: Path, preview: FolderPreview, audit: Audit | None) -> None:
    """Ask how to train and start it. A fragment: a changed field redraws this and no more."""
    if not form.is_form_filled():
        form.fill_form(TrainingSettings())
    st.subheader("How to train", anchor=False)
    name = st.text_input(
        "Name of the model",
        key="train-name",
        placeholder=run_names.propose_name(folder.name),
        persist_state="session",
        help="Lower-case letters, digits and hyphens. Left empty, it gets the name shown here, "
        "or the next free one.",
    )
    chosen, problem = None, ""
    try:
        chosen = form.show_form(preview)
        _validate(name, chosen, audit)
    except SpinefracError as error:
        problem = str(error)
    summary = runs.summarize_audit(audit) if audit else runs.summarize_preview(preview)
    _show_start_button(folder, name, chosen, problem, audit, summary)


def _validate(name: str, settings: TrainingSettings, audit: Audit | None) -> None:
    """Raise what can be known before anything is started."""
    if name.strip():
        saving.check_id_unused(name.strip())
    if audit is not None and settings.group_by == "auto":
        rows = tuple((row.group, row.fracture, row.normal) for row in audit.group_table)
        if said := _find_folds_problem(audit.fingerprint, rows, settings.folds, settings.seed):
            raise DatasetError(said)


@st.cache_data(max_entries=64, show_spinner=False)
def _find_folds_problem(
    fingerprint: str, _rows: tuple[tuple[str, int, int], ...], folds: int, seed: int
) -> str:
    try:
        splits.check_folds(_rows, folds, seed)
    except DatasetError as error:
        return str(error)
    return ""


def _show_start_button(
    folder: Path,
    name: str,
    settings: TrainingSettings | None,
    problem: str,
    audit: Audit | None,
    summary: runs.FolderSummary,
) -> None:
    """Say how long it will take, and start it when that is asked for."""
    button, words = st.columns([1, 4], gap="medium", vertical_alignment="center")
    ready = settings is not None and not problem
    wanted = button.button(
        "Train",
        type="primary",
        icon=":material/model_training:",
        key="train-start",
        disabled=not ready,
        width="stretch",
    )
    if problem:
        words.error(layout.escape_markdown(wording.to_sentence(problem)), icon=":material/error:")
    elif settings is not None:
        with words:
            _show_duration_estimate(settings, summary.images)
            if audit is None:
                st.caption(
                    "The audit is not done. A run that starts now reads every slice itself, and "
                    "says so where the folds cannot be made."
                )
    if wanted and settings is not None and ready:
        with layout.show_errors():
            _submit(folder, name, settings, summary)


def _submit(
    folder: Path, name: str, settings: TrainingSettings, summary: runs.FolderSummary
) -> None:
    """Queue a run and turn to it; a second click on the same form opens the run of the first."""
    state, asked = st.session_state, (str(folder), name, settings)
    last, when, run = state.get("train-last-submission", (None, 0.0, None))
    if last != asked or time.monotonic() - when > DOUBLE_CLICK_S:
        with st.spinner("Putting it into the queue…"):
            request = runs.RunRequest(
                folder,
                name,
                settings,
                roots=places.data_roots(),
                trained_by=layout.get_user_name(),
                list_only=True,
            )
            # The page knows the folder by automatic groups only; for others it is listed anew.
            known = summary if settings.group_by == "auto" else None
            run = run_names.submit_with_free_name(request, known)
    state["train-last-submission"] = (asked, time.monotonic(), run)
    state["train-submitted"] = run
    st.rerun()


def _show_duration_estimate(settings: TrainingSettings, n_slices: int) -> None:
    """Say how long it will take; where nobody knows, have a few batches tried and wait for it."""
    found = runs.estimate_duration(n_slices, settings)
    if found is None:
        _start_throughput_probe(settings)
    waiting = found is None and runs.is_probe_running()
    st.fragment(_show_estimate_line, run_every=2.0 if waiting else None)(
        settings, n_slices, waiting
    )


def _start_throughput_probe(settings: TrainingSettings) -> None:
    """Have a few batches tried, once in a session for the same settings and never beside a run."""
    tried = st.session_state.setdefault("train-tried", set())
    asked = (settings.network, settings.preprocessing.size, settings.batch_size)
    if asked in tried or runs.is_probe_running() or any(run.is_open for run in runs.list_runs(1)):
        return
    tried.add(asked)
    runs.start_throughput_probe(settings)


def _show_estimate_line(settings: TrainingSettings, n_slices: int, waiting: bool) -> None:
    if waiting and not runs.is_probe_running():
        st.rerun()
    each = round(n_slices * (settings.folds - 1) / settings.folds)
    text = (
        f"{settings.folds} networks, each on about {each:,} of {n_slices:,} slices, {settings.epochs} "
        f"times: {each * settings.folds * settings.epochs:,} slices in all. "
    )
    found = runs.estimate_duration(n_slices, settings)
    if found is not None:
        text += f"About {_format_estimate(found)} from start to end ({found.basis})."
    elif waiting:
        text += "A few batches are being tried, to tell how long it takes."
    else:
        text += "How long it takes will be known after the first batches."
    st.html(f'<p class="sf-note">{escape(text)}</p>')


def _format_estimate(estimate: runs.DurationEstimate) -> str:
    """Return between which times training will take, as people say it."""
    if estimate.high < 60:
        return "less than a minute"
    low, high = format_duration(max(estimate.low, 60)), format_duration(estimate.high)
    return low if low == high else f"{low} to {high}"
