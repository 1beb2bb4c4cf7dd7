"""Data sets from the browser: upload one, say what it is, share, rename and delete it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import streamlit as st

from spinefrac import wording
from spinefrac.access import datasets
from spinefrac.access.datasets import Dataset
from spinefrac.access.policy import Action
from spinefrac.errors import DatasetError
from spinefrac.imaging.collect import SourceFile, file_from_bytes
from spinefrac.records import Unreadable
from spinefrac.training import runs
from spinefrac.ui.common import folders, layout, session, visitor

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

#: Holds the option of a data set that is to be chosen in the next run of the page.
CHOSEN_KEY = "train-new-dataset"
_GENERATION_KEY = "dataset-generation"
#: What can be uploaded, and what `st.file_uploader` accepts for it.
_MODES: dict[str, bool | Literal["directory"]] = {"A ZIP": False, "A folder": "directory"}
_MAX_LEFT_OUT_SHOWN = 5


def show_upload() -> None:
    """Offer to upload a data set, to a person who may."""
    if visitor.may(Action.ADD_DATASET):
        st.markdown(
            "A ZIP or a folder with one folder per class. It is private until you share "
            "it. An upload that breaks off here begins anew. By REST a large set is sent in parts, "
            "and goes on with those that are missing."
        )
        mode = st.segmented_control("Upload", list(_MODES), default="A ZIP", required=True)
        uploads = _upload(mode)
        name = st.text_input(
            "Name of the data set",
            max_chars=datasets.MAX_NAME_LENGTH,
            key="dataset-name",
            placeholder="spine-ct-2026",
            help="Others see it once you share it. Do not enter patient names.",
        )
        deidentify = st.toggle(
            "De-identify DICOM files on arrival",
            key="dataset-deidentify",
            help="Keeps copies without what identifies the patient (PS3.15 Annex E), under new "
            "names. Other formats, and files whose pixels may show text, are left out.",
        )
        if visitor.button(
            Action.ADD_DATASET,
            "Save data set",
            type="primary",
            key="dataset-save",
            disabled=not uploads,
        ):
            _save(name, uploads, deidentify)


def _upload(mode: str) -> list[UploadedFile]:
    generation = st.session_state.setdefault(_GENERATION_KEY, 0)
    uploaded = st.file_uploader(
        mode,
        key=f"dataset-upload-{mode}-{generation}",
        accept_multiple_files=_MODES[mode],
        type="zip" if mode == "A ZIP" else None,
        label_visibility="collapsed",
    )
    uploads = uploaded if isinstance(uploaded, list) else [uploaded] if uploaded else []
    session.hold_uploads("page", *uploads)
    return uploads


def _save(name: str, uploads: list[UploadedFile], deidentify: bool) -> None:
    """Save the upload with a progress bar, and have it chosen."""
    owner = session.get_owner()
    files = [_to_source(upload, owner) for upload in uploads]
    bar = st.progress(0.0, "Saving the slices")

    def show_progress(done: int, total: int) -> None:
        bar.progress(done / max(total, 1), f"Saving the slices: {done:,} of {total:,}")

    identity = visitor.require(Action.ADD_DATASET)
    result = datasets.add(identity, name, files, deidentify=deidentify, progress=show_progress)
    visitor.record(Action.ADD_DATASET, result.dataset.id)
    state = st.session_state
    state[_GENERATION_KEY] += 1
    state["dataset-left-out"] = result.left_out
    state[CHOSEN_KEY] = folders.make_option(result.dataset)
    st.rerun()


def _to_source(upload: UploadedFile, owner: str) -> SourceFile:
    """Return an upload under its whole name, which says the class."""
    return replace(file_from_bytes(upload.name, upload.getvalue(), owner), name=upload.name)


def show_left_out() -> None:
    """Say once which files of an upload were left out."""
    left_out: tuple[Unreadable, ...] = st.session_state.pop("dataset-left-out", ())
    if not left_out:
        return
    count = wording.format_count(len(left_out), "file")
    reasons = dict.fromkeys(entry.reason for entry in left_out)
    shown = "; ".join(list(reasons)[:_MAX_LEFT_OUT_SHOWN])
    layout.show_warning(f"{count} left out: {shown}")


def show_dataset(folder: Path) -> None:
    """Show whose data set a folder is and what can be done with it; nothing for other folders."""
    dataset = datasets.find_by_folder(folder)
    if dataset is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="dataset-actions"):
        st.markdown(layout.escape_markdown(describe(dataset)), width="stretch")
        if visitor.button(
            Action.CHANGE_DATASET,
            "Rename",
            owner=dataset.owner,
            icon=":material/edit:",
            key="dataset-rename",
        ):
            _rename(dataset)
        if visitor.button(
            Action.CHANGE_DATASET,
            "Make private" if dataset.shared else "Share",
            owner=dataset.owner,
            icon=":material/lock:" if dataset.shared else ":material/group:",
            help="Every trainer may look at a shared data set and train on it.",
            key="dataset-share",
        ):
            with visitor.act(Action.CHANGE_DATASET, dataset.id, owner=dataset.owner) as identity:
                datasets.change(identity, dataset.id, shared=not dataset.shared)
            st.rerun()
        if visitor.button(
            Action.DELETE_DATASET,
            "Delete",
            owner=dataset.owner,
            icon=":material/delete:",
            key="dataset-delete",
        ):
            _delete(dataset)


def describe(dataset: Dataset) -> str:
    """Return what is known of a data set, as a line."""
    owner = f"by {dataset.owner} " if dataset.owner else ""
    parts = [
        f"Uploaded {owner}on {dataset.created_at[:10]}",
        f"{wording.format_count(dataset.files, 'file')}, {wording.format_megabytes(dataset.bytes)}",
        "shared with all trainers" if dataset.shared else "private",
    ]
    if dataset.deidentified:
        parts.append("de-identified on arrival")
    return " · ".join(parts)


@st.dialog("Rename data set")
def _rename(dataset: Dataset) -> None:
    new = st.text_input(
        "New name", dataset.name, max_chars=datasets.MAX_NAME_LENGTH, key="dataset-new-name"
    )
    if st.button("Rename", type="primary", key="confirm-dataset-rename"):
        with layout.show_errors():
            with visitor.act(Action.CHANGE_DATASET, dataset.id, owner=dataset.owner) as identity:
                renamed = datasets.change(identity, dataset.id, name=new)
            st.session_state[CHOSEN_KEY] = folders.make_option(renamed)
            st.rerun()


@st.dialog("Delete data set")
def _delete(dataset: Dataset) -> None:
    st.markdown(
        f"Delete **{layout.escape_markdown(dataset.name)}** with its "
        f"{wording.format_count(dataset.files, 'file')}? This cannot be undone. Models that were "
        "trained on it stay."
    )
    if st.button("Delete", type="primary", icon=":material/delete:", key="confirm-dataset-delete"):
        with layout.show_errors():
            _require_unused(dataset)
            with visitor.act(Action.DELETE_DATASET, dataset.id, owner=dataset.owner) as identity:
                datasets.delete(identity, dataset.id)
            st.session_state[CHOSEN_KEY] = None
            st.rerun()


def _require_unused(dataset: Dataset) -> None:
    """Refuse to delete what a run trains on, or will."""
    for run in runs.list_runs():
        if run.is_open and Path(run.folder).is_relative_to(dataset.folder):
            raise DatasetError(
                f"The run {run.id} needs this data set: wait until it has ended, or cancel it"
            )
