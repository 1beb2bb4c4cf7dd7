"""Which folder to train on, and what is in it."""

from __future__ import annotations

import base64
from pathlib import Path

import streamlit as st
from markupsafe import escape

from spinefrac import settings
from spinefrac.audit import Audit, background, cache
from spinefrac.data import data_roots, preview
from spinefrac.data.preview import EXAMPLE_SIDE, FolderPreview
from spinefrac.records import CLASS_NAMES
from spinefrac.ui.common import layout
from spinefrac.ui.train import audit as audit_view
from spinefrac.viz import heatmap
from spinefrac.wording import AUDIT_ADVICE

FOLDER_KEY = "train-folder"
#: Folders of up to so many files are audited as soon as they are chosen: a minute or less.
AUTO_AUDIT_MAX_FILES = 3000
EXAMPLE_LAYOUT = (
    "my-slices/\n  fracture/   P012_03.dcm  P012_04.dcm  …\n  normal/     P001_11.dcm  …"
)


def choose_folder() -> Path | None:
    """Let the user choose a folder within the data roots; None where none is chosen.

    Raises
    ------
    DatasetError
        If what was typed is no folder within the roots.
    """
    roots = settings.data_roots()
    options = [
        data_roots.display_path(folder, roots) for folder in data_roots.list_dataset_folders(roots)
    ]
    text = st.selectbox(
        "Folder of labelled slices",
        options,
        index=None,
        key=FOLDER_KEY,
        persist_state="session",
        placeholder="Choose a folder, or type its path" if options else "Type a folder's path",
        accept_new_options=True,
        help="A folder on the machine that runs this app, within "
        + ", ".join(f"`{root}`" for root in roots)
        + ". Whoever runs the app opens other ones with SPINEFRAC_DATA_ROOTS.",
    )
    if not text:
        _show_folder_help(roots, bool(options))
        return None
    return data_roots.resolve_folder(text, roots)


def _show_folder_help(roots: tuple[Path, ...], has_folders: bool) -> None:
    """Say what a folder must look like, and how to come by one."""
    if not has_folders:
        st.info(
            "There is no folder of slices within the folders that this app may read. Put one "
            f"into {layout.escape_markdown(str(roots[0]))}, or name its place in SPINEFRAC_DATA_ROOTS "
            "before the app is started.",
            icon=":material/folder_off:",
        )
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(
            "One folder a class, in DICOM, PNG, JPEG, TIFF or BMP. A `labels.csv` with the "
            "columns `path`, `label` and `patient`, or the layout of RSNA 2022, does as well."
        )
        st.code(EXAMPLE_LAYOUT, language=None)
    with right:
        st.markdown("No data at hand? This renders a synthetic set with known truth:")
        place = next((root for root in roots if root.is_dir()), roots[0]) / "my-slices"
        layout.show_commands(f"spinefrac phantom {place} --patients 60 --slices 12")


def inspect_folder(folder: Path) -> tuple[FolderPreview, Audit | None]:
    """Return what is in a folder at first sight, kept until a file changes, and its audit.

    Where there is no audit, one is started, unless the folder is so large that it takes minutes.
    """
    listing = cache.hash_listing(folder, "auto")
    found, audit = _load_preview(str(folder), listing), cache.find_by_listing(listing)
    if (
        audit is None
        and found.image_count <= AUTO_AUDIT_MAX_FILES
        and background.read_progress(folder) is None
    ):
        background.start_audit(folder)
    return found, audit


@st.cache_data(max_entries=16, show_spinner="Looking into the folder…")
def _load_preview(folder: str, listing: str) -> FolderPreview:
    return preview.preview_folder(folder)


def show_audit(folder: Path, audit: Audit | None) -> Audit | None:
    """Show the audit, folded away where there is one; return it."""
    if audit is None:
        return audit_view.show_audit_panel(folder)
    with st.expander(
        f"**Audit: {audit.verdict}.** {AUDIT_ADVICE[audit.verdict]}",
        expanded=audit.verdict == "unusable",
    ):
        return audit_view.show_audit_panel(folder)


def show_preview(preview: FolderPreview, audit: Audit | None) -> None:
    """Show counts, groups and example slices of both classes."""
    normal, fracture = preview.class_counts
    if audit:
        normal, fracture = audit.classes["normal"], audit.classes["fracture"]
    rows = [
        ("Slices", f"{normal + fracture:,}: {fracture:,} with a fracture, {normal:,} without"),
        ("Patients or other groups", escape(_describe_groups(audit))),
    ]
    if audit and audit.unreadable:
        shown = "; ".join(f"{u['path']}: {u['reason']}" for u in audit.unreadable[:3])
        more = len(audit.unreadable) - 3
        text = f"{len(audit.unreadable):,} files, left out. {shown}"
        rows.append(("Unreadable", escape(text + (f"; and {more:,} more" if more > 0 else ""))))
    if preview.split_counts:
        text = ", ".join(f"{name} {count:,}" for name, count in preview.split_counts.items())
        rows.append(("Splits", escape(f"{text}: read as one set, cross-validation makes its own")))
    for note in dict.fromkeys((*preview.notes, *(audit.notes if audit else ()))):
        rows.append(("Note", escape(_replace_invalid_unicode(note))))
    left, right = st.columns([1, 1.25], gap="medium")
    with left:
        layout.show_table(("", ""), rows)
    right.html(_render_examples(preview))


def _describe_groups(audit: Audit | None) -> str:
    if audit is None:
        return "known once every slice has been read: see the audit"
    return f"{audit.groups:,}, none of which a fold will split. Rule: {audit.group_rule}"


def _render_examples(preview: FolderPreview) -> str:
    """Return example slices of both classes as HTML."""
    rows = []
    for label in (1, 0):
        pictures = "".join(
            f'<img src="{_to_data_url(heatmap.encode_thumbnail(example.image, EXAMPLE_SIDE))}" '
            f'alt="Slice, {CLASS_NAMES[label]}">'
            for example in preview.examples
            if example.label == label
        )
        empty = '<p class="sf-note">None of the first files can be read.</p>'
        rows.append(
            f'<div class="sf-card-title">{CLASS_NAMES[label].capitalize()}</div>'
            f'<div class="sf-examples">{pictures or empty}</div>'
        )
    return f'<section aria-label="Example slices">{"".join(rows)}</section>'


def _to_data_url(content: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(content).decode()


def _replace_invalid_unicode(text: str) -> str:
    """Return a text that any browser can be sent, whatever bytes a file's name holds."""
    return text.encode("utf-8", "replace").decode()
