"""A synthetic set, made on the page: a few choices, a button, progress, and then it is chosen."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from spinefrac.access.policy import Action
from spinefrac.data.phantom import worker
from spinefrac.data.phantom.plan import DIFFICULTIES
from spinefrac.system.background import WorkProgress
from spinefrac.ui.common import background_work, layout, visitor

#: What the set is called while it is rendered; one a session.
_FOLDER_KEY = "train-synthetic-folder"
PATIENTS = (10, 20, 40, 60, 120)
SLICES = 12
SEED = 7
_DEFAULT_DIFFICULTY, _DEFAULT_PATIENTS = "standard", 20


def show_synthetic_set(root: Path) -> Path | None:
    """Offer a synthetic set, or show how far it is; return its folder once it is complete.

    Parameters
    ----------
    root : Path
        The folder of data sets in which it is made.
    """
    out = st.session_state.get(_FOLDER_KEY)
    progress = worker.read_progress(out) if out else None
    if out and progress and progress.running:
        st.markdown("**Synthetic set**")
        background_work.show_until_done(partial(worker.read_progress, out), _describe_progress)
        return None
    if out and progress and not progress.error:
        del st.session_state[_FOLDER_KEY]
        return Path(out)
    if progress and progress.error:
        layout.show_error(progress.error)
    _show_form(root)
    return None


def is_in_progress() -> bool:
    """Return whether the session waits for a set, or for a look at how it ended."""
    return _FOLDER_KEY in st.session_state


def make_folder(root: Path, difficulty: str, patients: int) -> Path:
    """Return the folder of a synthetic set; the same choices lead to the same set."""
    return root / f"synthetic-{difficulty}-{patients}"


def _show_form(root: Path) -> None:
    difficulty = st.selectbox(
        "Difficulty",
        list(DIFFICULTIES),
        index=list(DIFFICULTIES).index(_DEFAULT_DIFFICULTY),
        format_func=_describe_difficulty,
        key="train-synthetic-difficulty",
    )
    patients = st.select_slider(
        f"Patients, {SLICES} slices each",
        PATIENTS,
        _DEFAULT_PATIENTS,
        key="train-synthetic-patients",
    )
    out = make_folder(root, difficulty, patients)
    if visitor.button(
        Action.ADD_DATASET,
        "Make the set",
        icon=":material/auto_awesome:",
        key="train-synthetic",
    ):
        with visitor.act(Action.ADD_DATASET, out.name):
            _start(out, difficulty, patients)
        st.rerun()


def _describe_difficulty(name: str) -> str:
    thinnest, widest = DIFFICULTIES[name].width_mm
    return f"{name}: fracture lines of {thinnest:g} to {widest:g} mm"


def _start(out: Path, difficulty: str, patients: int) -> None:
    worker.start_phantom(out, patients=patients, slices=SLICES, seed=SEED, difficulty=difficulty)
    st.session_state[_FOLDER_KEY] = out


def _describe_progress(progress: WorkProgress) -> str:
    text = "Starting"
    if progress.total:
        text = f"{progress.done:,} of {progress.total:,} slices rendered"
    return f"{text}. You can leave this page; the rendering continues."
