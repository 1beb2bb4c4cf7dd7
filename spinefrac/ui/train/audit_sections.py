"""What an audit rests on: baselines, contents, duplicates, suspected label errors and groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from spinefrac import imaging, wording
from spinefrac.access import datasets
from spinefrac.access.policy import Action
from spinefrac.audit import background, cache, label_errors
from spinefrac.audit.report import Audit, Baseline
from spinefrac.data import group_overrides
from spinefrac.errors import ImageError, SpinefracError
from spinefrac.imaging import decoder_pool
from spinefrac.imaging.sources import Source
from spinefrac.store import repository
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, session, visitor
from spinefrac.ui.common.slice_card import SliceImage, render_slice_card
from spinefrac.ui.common.templates import render_html
from spinefrac.viz import heatmap
from spinefrac.wording import AUDIT_BASELINES, DUPLICATE_KINDS, FILE_PROPERTIES

#: Slices that are shown at once.
PAGE_SIZE = 8
_BASELINE_NAME = "Linear baseline on thumbnails"

Section = Callable[[Audit, Path], None]


def list_sections(result: Audit) -> list[tuple[str, Section]]:
    """Return the title of each section, and the function that shows it."""
    return [
        ("Baselines", show_baselines),
        ("Contents of the folder", show_properties),
        (f"Duplicates ({summarize_duplicates(result)})", show_duplicates),
        ("Suspected label errors", show_suspected_label_errors),
        (f"Groups ({result.groups:,}): view and correct", show_groups),
    ]


def show_baselines(result: Audit, folder: Path) -> None:
    """Show the AUC of models that cannot see a fracture."""
    features = result.feature_baselines
    layout.show_table(
        ("Baseline", "Random split (AUC)", "Group split (AUC)"),
        [
            (AUDIT_BASELINES[key], format_baseline(naive), format_baseline(grouped))
            for key, naive, grouped in (
                ("thumbnail", result.naive_baseline, result.grouped_baseline),
                ("features", features["naive"], features["grouped"]),
            )
        ],
    )
    gap, shuffled = (
        wording.format_number(value, 2) for value in (result.leak_gap, result.shuffled_label_auc)
    )
    st.caption(
        "AUC with 95 % confidence interval, for a random split of slices and for a split by "
        f"groups. Leakage gap: {gap}, the gain from a random split. With shuffled labels: "
        f"{shuffled}, which should be near 0.50."
    )
    if result.properties:
        layout.show_table(
            ("Single property", "AUC (95 % CI)"),
            [
                (entry.name.capitalize(), format_baseline(Baseline(entry.auc, entry.ci)))
                for entry in result.properties
            ],
        )


def format_baseline(baseline: Baseline) -> str:
    """Return the AUC of a baseline with its interval, or that groups are too few for one."""
    if baseline.auc is not None and baseline.ci is None:
        return f"{baseline.auc:.2f} (too few groups for a confidence interval)"
    return wording.format_estimate(baseline.auc, baseline.ci, 2)


def show_properties(result: Audit, folder: Path) -> None:
    """Show how slices are stored, which files cannot be read, and personal data in files."""
    rows = [
        {
            "property": FILE_PROPERTIES[kind],
            "value": value,
            "fracture": counts["fracture"],
            "normal": counts["normal"],
        }
        for kind, values in result.counts.items()
        for value, counts in values.items()
    ]
    st.dataframe(rows, hide_index=True, column_config={"normal": "no fracture"})
    if result.unreadable:
        st.markdown(f"**{wording.format_count(len(result.unreadable), 'unreadable file')}**")
        st.dataframe([dict(entry) for entry in result.unreadable], hide_index=True)
    else:
        st.caption("All files are readable.")
    st.markdown("**Personal data in files** (counted, never shown)")
    layout.show_table(("Type", "Files"), [(kind, f"{n:,}") for kind, n in result.privacy.items()])
    for note in result.notes:
        st.caption(layout.escape_markdown(note))


def summarize_duplicates(result: Audit) -> str:
    """Return how many duplicates of each kind there are, for the title of their section."""
    counts = (result.exact_duplicates, result.near_duplicates, result.augmented_copies)
    if not any(counts):
        return "none"
    return "{:,} exact, {:,} near, {:,} augmented".format(*counts)


def show_duplicates(result: Audit, folder: Path) -> None:
    """Show sets of duplicates side by side."""
    kinds = {entry.kind: DUPLICATE_KINDS[entry.kind] for entry in result.copies}
    if not kinds:
        st.caption("No duplicates found.")
        return
    kind = st.segmented_control(
        "Kind",
        list(kinds),
        default=next(iter(kinds)),
        required=True,
        key="audit-duplicate-kind",
        format_func=kinds.__getitem__,
        label_visibility="collapsed",
    )
    sets = [entry for entry in result.copies if entry.kind == kind]
    show_slices(
        folder,
        [(path, f"set {n}") for n, entry in enumerate(sets, start=1) for path in entry.paths],
        key=f"duplicates-{kind}",
    )
    st.caption("Duplicates are kept in the same fold. Only the first sets of each kind are shown.")


def show_suspected_label_errors(result: Audit, folder: Path) -> None:
    """Show the slices whose labels disagree most with a trained model, else with the baseline."""
    trained = {
        model.id: model
        for model in repository.list_models()
        if isinstance(model, SavedModel)
        and model.has_slice_predictions
        and model.data.fingerprint == result.fingerprint
    }
    suspects, source = result.suspects, _BASELINE_NAME
    if trained:
        source = st.selectbox(
            "Compare labels with", [*trained, _BASELINE_NAME], key="audit-label-source"
        )
        if source in trained:
            suspects = label_errors.suspects_from_model(trained[source], result.fingerprint)
    if not suspects:
        st.caption(
            "The baseline is too weak to find label errors here. Train a model on this folder to "
            "see its suspected label errors."
            if source == _BASELINE_NAME
            else f"{layout.escape_markdown(source)} found no suspected label error."
        )
        return
    st.caption(
        f"{wording.format_count(len(suspects), 'slice')} whose label disagrees with out-of-fold "
        "predictions, most confident first. Some labels are wrong, other slices are only "
        "difficult: check each one."
    )
    lines = [
        (entry.path, f"labelled {entry.label}, label quality {entry.quality:.2f} (0 to 1)")
        for entry in suspects
    ]
    show_slices(folder, lines, key="label-errors")


def show_groups(result: Audit, folder: Path) -> None:
    """Show the groups; offer their table for correction, and take the corrected one."""
    st.dataframe(
        [
            {"group": row.group, "fracture": row.fracture, "no fracture": row.normal}
            for row in result.group_table
        ],
        hide_index=True,
    )
    table = cache.read_groups_csv(result)
    if table is None:
        st.caption("The table of groups is missing. Repeat the audit.")
        return
    st.markdown(
        "1. Download the table. 2. Correct the column `patient`: slices of one patient have the "
        "same value. 3. Upload the table. Audit and training then use it; the folder is not "
        "changed."
    )
    st.download_button(
        "Download table of groups",
        table,
        "groups.csv",
        "text/csv",
        key="audit-groups-download",
        icon=":material/download:",
        on_click="ignore",
    )
    file = st.file_uploader("Upload corrected table", type="csv", key="audit-groups-upload")
    session.hold_uploads("page", *([file] if file else []))
    apply_column, discard_column = st.columns(2)
    button = partial(visitor.button, Action.CHANGE_DATASET, owner=_get_owner(folder))
    if file is not None and button(
        "Apply table", widget=apply_column.button, key="audit-groups-apply", type="primary"
    ):
        _apply_overrides(folder, file.getvalue())
    if group_overrides.hash_overrides(folder) and button(
        "Discard correction", widget=discard_column.button, key="audit-groups-reset"
    ):
        group_overrides.delete_overrides(folder)
        background.start_audit(folder)
        st.rerun()


def _get_owner(folder: Path) -> str:
    """Return whose data set a folder is; a folder of the server is nobody's."""
    dataset = datasets.find_by_folder(folder)
    return dataset.owner if dataset else ""


def _apply_overrides(folder: Path, content: bytes) -> None:
    """Save a corrected table of groups and audit the folder with it."""
    try:
        group_overrides.save_overrides(folder, content)
    except SpinefracError as error:
        layout.show_error(str(error))
        return
    background.start_audit(folder)
    st.rerun()


def show_slices(folder: Path, entries: Sequence[tuple[str, str]], key: str = "") -> None:
    """Show slices page by page, each with its path and a line of text.

    Parameters
    ----------
    folder : Path
    entries : sequence of (str, str)
        Path below the folder, and the line.
    key : str
        Of the widget that chooses the page, where there are several.
    """
    n_pages = -(-len(entries) // PAGE_SIZE)
    number = 1
    if n_pages > 1:
        number = st.number_input(
            f"Page (of {n_pages})", 1, n_pages, 1, key=f"audit-{key}", width=140
        )
    cards = [
        render_slice_card(path, [_load_image(folder, path)], [line])
        for path, line in entries[PAGE_SIZE * (number - 1) : PAGE_SIZE * number]
    ]
    st.html(render_html("train/slice_grid.html", cards=cards))


@st.cache_data(max_entries=256, show_spinner=False, scope="session")
def _load_image(folder: Path, path: str) -> SliceImage:
    """Return a slice as an image, or why it cannot be shown."""
    try:
        file = folder / path
        ct = decoder_pool.read(Source.from_path(file, folder), name=file.name)
    except ImageError as error:
        return SliceImage(error=str(error))
    return SliceImage(heatmap.encode_data_url(imaging.to_display(ct), ct.spacing_mm, max_side=288))
