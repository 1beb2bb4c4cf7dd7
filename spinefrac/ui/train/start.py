"""The button that starts a run: what prevents it, the estimated duration, the submission."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import streamlit as st

from spinefrac.access.policy import Action
from spinefrac.audit import Audit
from spinefrac.data import splits
from spinefrac.data.preview import FolderPreview
from spinefrac.errors import DatasetError, SpinefracError
from spinefrac.store import saving
from spinefrac.training import expectation, runs
from spinefrac.training.runner import run_names
from spinefrac.training.settings import TrainingSettings
from spinefrac.ui.common import folders, layout, visitor
from spinefrac.ui.common.submission import submit_run
from spinefrac.ui.train import form
from spinefrac.wording import explain_fewer_folds, format_count, format_duration

#: Two clicks on Train within so many seconds count as one.
DOUBLE_CLICK_S = 5.0


@visitor.fragment
def show_start(folder: Path, preview: FolderPreview, audit: Audit | None) -> None:
    """Show the form and the button. A fragment: a changed field redraws this and no more."""
    if not form.is_form_filled():
        form.fill_form(TrainingSettings())
    st.header("Training settings", anchor=False)
    name = st.text_input(
        "Name of the model",
        key="train-name",
        placeholder=run_names.propose_name(folder.name),
        persist_state="session",
        help="Lower-case letters, digits and hyphens. If empty, the suggested name or the next "
        "free one is used.",
    )
    chosen, problem, n_folds = None, "", None
    try:
        chosen = form.show_form(preview)
        n_folds = _validate(name, chosen, audit)
    except SpinefracError as error:
        problem = str(error)
    summary = runs.summarize_audit(audit) if audit else runs.summarize_preview(preview)
    if chosen is not None and audit is not None and chosen.group_by == "auto":
        _show_expectation(replace(chosen, folds=n_folds), audit.groups)
    _show_start_button(folder, name, chosen, problem, audit, summary, n_folds)


def _validate(name: str, settings: TrainingSettings, audit: Audit | None) -> int | None:
    """Raise what prevents the run, and return the number of folds, as far as both are known."""
    if name.strip():
        saving.check_id_unused(name.strip())
    if audit is not None and settings.group_by == "auto":
        rows = tuple((row.group, row.fracture, row.normal) for row in audit.group_table)
        found = _count_folds(audit.fingerprint, rows, settings.folds, settings.seed)
        if isinstance(found, str):
            raise DatasetError(found)
        return found
    return settings.folds


@st.cache_data(max_entries=64, show_spinner=False)
def _count_folds(
    fingerprint: str, _rows: tuple[tuple[str, int, int], ...], folds: int | None, seed: int
) -> int | str:
    """Return the number of folds, or why there are none."""
    try:
        return splits.check_folds(_rows, folds, seed)
    except DatasetError as error:
        return str(error)


def _show_start_button(
    folder: Path,
    name: str,
    settings: TrainingSettings | None,
    problem: str,
    audit: Audit | None,
    summary: runs.FolderSummary,
    n_folds: int | None,
) -> None:
    """Show the button, beside it the estimated duration or what prevents the run."""
    button, text = st.columns([1, 4], gap="medium", vertical_alignment="center")
    ready = settings is not None and not problem
    clicked = visitor.button(
        Action.START_RUN,
        "Train",
        widget=button.button,
        type="primary",
        icon=":material/model_training:",
        key="train-start",
        disabled=not ready,
        width="stretch",
    )
    with text:
        if problem:
            layout.show_error(problem)
        elif settings is not None:
            _show_duration_estimate(replace(settings, folds=n_folds), summary.images)
            if settings.folds is None and n_folds is not None and n_folds < splits.DEFAULT_FOLDS:
                st.caption(f"{explain_fewer_folds(n_folds, splits.DEFAULT_FOLDS)}.")
            if audit is None:
                st.caption(
                    "The audit is not complete. If you start now, the run reads all slices first "
                    "and reports an error if the folds cannot be made."
                )
    if clicked and settings is not None and ready:
        with layout.show_errors():
            _submit(folder, name, settings, summary)


def _submit(
    folder: Path, name: str, settings: TrainingSettings, summary: runs.FolderSummary
) -> None:
    """Queue a run and show it; a second click on the same form opens the run of the first."""
    state, submission = st.session_state, (str(folder), name, settings)
    last, when, run = state.get("train-last-submission", (None, 0.0, None))
    if last != submission or time.monotonic() - when > DOUBLE_CLICK_S:
        with st.spinner("Submitting…"):
            request = runs.RunRequest(
                folder,
                name,
                settings,
                roots=folders.list_roots(),
                trained_by=visitor.get_owner(),
                list_only=True,
            )
            # The page knows the folder by automatic groups only; for others it is listed anew.
            known = summary if settings.group_by == "auto" else None
            run = submit_run(request, known)
    state["train-last-submission"] = (submission, time.monotonic(), run)
    state["train-submitted"] = run
    st.rerun()


def _show_duration_estimate(settings: TrainingSettings, n_slices: int) -> None:
    """Show the estimated duration; where there is none, measure a few batches and wait for it."""
    estimate = runs.estimate_duration(n_slices, settings)
    if estimate is None:
        _start_throughput_probe(settings)
    waiting = estimate is None and runs.is_probe_running()
    visitor.fragment(_show_estimate_line, run_every=2.0 if waiting else None)(
        settings, n_slices, waiting
    )


def _start_throughput_probe(settings: TrainingSettings) -> None:
    """Measure a few batches, once in a session for the same settings and never beside a run."""
    probed = st.session_state.setdefault("train-probed-settings", set())
    key = (settings.network, settings.preprocessing.size, settings.batch_size)
    if key in probed or runs.is_probe_running() or any(run.is_open for run in runs.list_runs(1)):
        return
    probed.add(key)
    runs.start_throughput_probe(settings)


def _show_estimate_line(settings: TrainingSettings, n_slices: int, waiting: bool) -> None:
    if waiting and not runs.is_probe_running():
        st.rerun()
    estimate = runs.estimate_duration(n_slices, settings)
    layout.show_note(f"{describe_work(settings, n_slices)} {_describe_estimate(estimate, waiting)}")


def describe_work(settings: TrainingSettings, n_slices: int) -> str:
    """Return how many slices a run will train on, as a sentence."""
    n_folds = settings.expected_folds
    if settings.fits_head_only:
        return (
            f"{n_folds} networks whose backbones stay as they are, so that all folds share the "
            f"features of {n_slices:,} slices in {format_count(settings.epochs, 'epoch')}: "
            f"{n_slices * settings.epochs:,} slices in total."
        )
    per_network = round(n_slices * (n_folds - 1) / n_folds)
    total = per_network * n_folds * settings.epochs
    return (
        f"{n_folds} networks, each trained on about {per_network:,} of {n_slices:,} slices "
        f"for {settings.epochs} epochs: {total:,} slices in total."
    )


def _show_expectation(settings: TrainingSettings, n_groups: int) -> None:
    if expected := describe_expectation(settings, n_groups):
        layout.show_note(expected)


def describe_expectation(settings: TrainingSettings, n_groups: int) -> str:
    """Return what AUC such networks reached on phantoms, as a sentence; empty if not measured.

    Each network is trained on the groups of all folds but one.
    """
    n_folds = settings.expected_folds
    n_training = round(n_groups * (n_folds - 1) / n_folds)
    curve = expectation.find_curve(settings)
    expected = curve.expect(n_training) if curve else None
    if curve is None or expected is None:
        return ""
    more = curve.expect(2 * n_training)
    twice = f", and {more.auc:.3f} with twice as many" if more else ""
    kind = "phantoms"
    if settings.initial_weights == "spine":
        kind = "phantoms of the kind that the weights spine were taught with"
    return (
        f"Each network is trained on about {n_training} patients: on {kind}, that led to an AUC of "
        f"{expected.auc:.3f} ({expected.low:.3f} to {expected.high:.3f}) in "
        f"{format_count(curve.epochs, 'epoch')}{twice}; phantoms are not patients, and real "
        "slices can be far harder or easier, so rely on the out-of-fold AUC of the run."
    )


def _describe_estimate(estimate: runs.DurationEstimate | None, waiting: bool) -> str:
    if estimate is not None:
        return f"Estimated duration: {format_estimate(estimate)} ({estimate.basis})."
    if waiting:
        return "Measuring training speed…"
    return "The duration is estimated after the first batches."


def format_estimate(estimate: runs.DurationEstimate) -> str:
    """Return the range of an estimated duration for people."""
    if estimate.high < 60:
        return "less than a minute"
    low, high = format_duration(max(estimate.low, 60)), format_duration(estimate.high)
    return low if low == high else f"{low} to {high}"
