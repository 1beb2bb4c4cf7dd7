"""Which folder to train on, and its contents."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from markupsafe import Markup

from spinefrac import settings
from spinefrac.audit import Audit, background, cache
from spinefrac.data import preview
from spinefrac.data.folder_layouts import FolderListing
from spinefrac.data.preview import EXAMPLE_SIDE, FolderPreview
from spinefrac.records import CLASS_NAMES
from spinefrac.ui.common import folders, layout
from spinefrac.ui.common.slice_card import replace_invalid_unicode
from spinefrac.ui.common.templates import render_html
from spinefrac.ui.train import audit as audit_view
from spinefrac.ui.train import ways
from spinefrac.ui.train.datasets import CHOSEN_KEY
from spinefrac.viz import heatmap
from spinefrac.wording import AUDIT_ADVICE, format_count

FOLDER_KEY = "train-folder"
#: A folder that was made or found on this page, which is to be chosen.
_MADE_KEY = "train-made-folder"
#: Folders of up to so many files are audited as soon as they are chosen: a minute or less.
AUTO_AUDIT_MAX_FILES = 3000
#: Unreadable files that are named before the audit is opened.
MAX_UNREADABLE_SHOWN = 3


def choose_folder() -> Path | None:
    """Let the user choose a folder within the data roots; None where none is chosen.

    Raises
    ------
    DatasetError
        If what was typed is no folder within the roots.
    """
    roots = settings.data_roots()
    if CHOSEN_KEY in st.session_state:
        st.session_state[FOLDER_KEY] = st.session_state.pop(CHOSEN_KEY)
    options = folders.list_options()
    if made := st.session_state.pop(_MADE_KEY, None):
        st.session_state[FOLDER_KEY] = folders.display(made)
    text = st.selectbox(
        "Folder of labelled slices",
        options,
        index=None,
        key=FOLDER_KEY,
        persist_state="session",
        placeholder="Choose a folder or enter a path" if options else "Enter a path",
        accept_new_options=True,
        help=f"A folder on the server, within {', '.join(f'`{root}`' for root in roots)}. The "
        "administrator can add folders with SPINEFRAC_DATA_ROOTS.",
    )
    if text:
        return folders.resolve(text)
    if made := ways.show_ways():
        st.session_state[_MADE_KEY] = made
        st.rerun()
    return None


def inspect_folder(folder: Path, listing: FolderListing) -> tuple[FolderPreview, Audit | None]:
    """Return a preview of a folder, cached until a file changes, and its audit.

    Where there is no audit, one is started, unless the folder is so large that it takes minutes.
    """
    key = cache.hash_listing(listing, "auto")
    found, audit = _load_preview(key, listing), cache.find_by_listing(key)
    if (
        audit is None
        and found.image_count <= AUTO_AUDIT_MAX_FILES
        and background.read_progress(folder) is None
    ):
        background.start_audit(folder)
    return found, audit


@st.cache_data(max_entries=16, show_spinner="Reading the folder…")
def _load_preview(key: str, _listing: FolderListing) -> FolderPreview:
    return preview.preview_folder(_listing)


def show_audit(folder: Path, audit: Audit | None) -> None:
    """Show the audit, collapsed where there is one; offer it where there is none."""
    if audit is None:
        audit_view.show_audit_panel(folder, None)
        return
    with st.expander(
        f"**Audit: {audit.verdict}.** {AUDIT_ADVICE[audit.verdict]}",
        expanded=audit.verdict == "unusable",
    ):
        audit_view.show_audit_panel(folder, audit, with_verdict=False)


def show_preview(preview: FolderPreview, audit: Audit | None) -> None:
    """Show counts, groups and example slices of both classes."""
    left, right = st.columns([1, 1.25], gap="medium")
    with left:
        layout.show_table(("", ""), list_facts(preview, audit))
    right.html(render_examples(preview))


def list_facts(preview: FolderPreview, audit: Audit | None) -> list[tuple[str, str]]:
    """Return what is known of a folder, as titles and texts; more once it was audited."""
    normal, fracture = preview.class_counts
    groups = "available after the audit"
    if audit:
        normal, fracture = audit.classes["normal"], audit.classes["fracture"]
        groups = (
            f"{audit.groups:,}; each group stays in one fold. Grouping rule: {audit.group_rule}"
        )
    facts = [
        ("Slices", f"{normal + fracture:,}: {fracture:,} with a fracture, {normal:,} without"),
        ("Groups (patients)", groups),
    ]
    if audit and audit.unreadable:
        facts.append(("Unreadable", _describe_unreadable(audit)))
    if preview.split_counts:
        counts = ", ".join(f"{name} {count:,}" for name, count in preview.split_counts.items())
        facts.append(("Splits", f"{counts}: merged; cross-validation makes its own splits"))
    found = (preview, audit) if audit else (preview,)
    notes = dict.fromkeys(note for one in found for note in (*one.notes, *one.details))
    facts += [("Note", note) for note in notes]
    return [(title, replace_invalid_unicode(text)) for title, text in facts]


def _describe_unreadable(audit: Audit) -> str:
    files = [f"{entry['path']}: {entry['reason']}" for entry in audit.unreadable]
    shown = files[:MAX_UNREADABLE_SHOWN]
    if more := len(files) - len(shown):
        shown.append(f"and {more:,} more")
    return f"{format_count(len(files), 'file')}, skipped. {'; '.join(shown)}"


def render_examples(preview: FolderPreview) -> Markup:
    """Return example slices of both classes as HTML."""
    rows = [
        (
            CLASS_NAMES[label],
            [
                heatmap.thumbnail_url(heatmap.encode_thumbnail(example.image, EXAMPLE_SIDE))
                for example in preview.examples
                if example.label == label
            ],
        )
        for label in (1, 0)
    ]
    return render_html("train/examples.html", rows=rows)
