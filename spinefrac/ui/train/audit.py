"""The audit of a folder on a page: asked for here, done by a process of its own.

    result = _audit.panel(folder)

An unchanged folder is answered at once from what is kept; an audit goes on when the browser
leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from markupsafe import escape

from spinefrac import imaging, wording
from spinefrac.audit import background, cache, label_errors
from spinefrac.audit.report import Audit, Baseline, Finding
from spinefrac.data import group_overrides
from spinefrac.errors import ImageError, SpinefracError
from spinefrac.store import repository
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout
from spinefrac.viz import heatmap
from spinefrac.wording import AUDIT_ADVICE, AUDIT_BASELINES, DUPLICATE_KINDS, FILE_PROPERTIES

_BASELINE_NAME = "a linear model on thumbnails"
#: Pictures of a gallery that are shown at once.
PAGE_SIZE = 8


def show_audit_panel(folder: Path) -> Audit | None:
    """Show what the audit of a folder says; offer it where there is none, wait while it runs.

    Parameters
    ----------
    folder : Path
        One that this page may read, see `spinefrac.data.data_roots.resolve_folder`.

    Returns
    -------
    Audit or None
        The result, where there is one of the folder as it is now.
    """
    result = cache.find_by_listing(cache.hash_listing(folder, "auto"))
    if result is not None:
        background.clear_progress(folder)
        _show_audit_result(result, folder)
        return result
    found = background.read_progress(folder)
    if found is not None and found.running:
        _show_audit_progress(folder)
        return None
    if found is not None and found.error:
        st.error(layout.escape_markdown(wording.to_sentence(found.error)), icon=":material/error:")
    st.caption(
        "The audit looks at every slice once: what is there twice, whether anything but the "
        "fracture tells the classes apart, and which labels look wrong."
    )
    if st.button("Audit this folder", key="audit-start", icon=":material/fact_check:"):
        background.start_audit(folder)
        st.rerun()
    return None


@st.fragment(run_every=1.0)
def _show_audit_progress(folder: Path) -> None:
    """Show how far the audit is until it ends."""
    found = background.read_progress(folder)
    if found is None or not found.running:
        st.rerun()
    if 0 < found.done < found.total:
        share, words = found.done / found.total, f"{found.done:,} of {found.total:,} files read"
    elif found.done:
        share, words = 1.0, "Every file is read; comparing them"
    else:
        share, words = 0.0, "Starting"
    st.progress(share, f"{words}. You may leave this page; the audit goes on.")


# --- the result ----------------------------------------------------------------------------


def _show_audit_result(result: Audit, folder: Path) -> None:
    """Show the verdict and the findings, and what they rest on."""
    tone = "ok" if result.verdict == "ok" else "bad"
    st.html(
        f'<div class="sf-alert {tone}"><i class="dot"></i><span><strong>'
        f"{result.verdict.capitalize()}.</strong> {AUDIT_ADVICE[result.verdict]}</span></div>"
    )
    st.caption(
        f"{result.images:,} slices, {result.classes['fracture']:,} with a fracture and "
        f"{result.classes['normal']:,} without, of {result.groups:,} groups, "
        f"{result.groups_with_both:,} of which hold both classes. "
        f"Groups: {layout.escape_markdown(result.group_rule)}."
    )
    for finding in result.findings:
        _show_finding(finding, folder)
    for title, draw in (
        ("What a trivial model gets", _show_baselines),
        ("What is in the folder", _show_properties),
        (f"Copies ({_summarize_duplicates(result)})", _show_duplicates),
        ("Labels that look wrong", _show_suspected_label_errors),
        (f"Groups ({result.groups:,}), and how to correct them", _show_groups),
    ):
        with st.expander(title):
            draw(result, folder)
    if st.button("Audit again", key="audit-again", icon=":material/refresh:", type="tertiary"):
        cache.delete_listing(cache.hash_listing(folder, "auto"))
        background.start_audit(folder, fresh=True)
        st.rerun()


def _show_finding(finding: Finding, folder: Path) -> None:
    """Show one finding, and the slices it is about."""
    tone = {"ok": "open", "caution": "bad", "unusable": "bad"}[finding.severity]
    word = {"ok": "", "caution": "Caution. ", "unusable": "Unusable. "}[finding.severity]
    st.html(
        f'<div class="sf-alert {tone}"><i class="dot"></i><span><strong>{word}</strong>'
        f"{escape(finding.message)}</span></div>"
    )
    if finding.examples and finding.code not in ("label_errors", "unreadable"):
        with st.expander("Some of these slices"):
            _show_slices(folder, [(path, "") for path in finding.examples])


def _show_baselines(result: Audit, folder: Path) -> None:
    """Show the scores of models that cannot see a fracture."""
    layout.show_table(
        ("Trivial model", "Random folds", "Whole groups"),
        [
            (name, _format_baseline(naive), _format_baseline(grouped))
            for name, naive, grouped in (
                (AUDIT_BASELINES["thumbnail"], result.naive_baseline, result.grouped_baseline),
                (
                    AUDIT_BASELINES["features"],
                    result.feature_baselines["naive"],
                    result.feature_baselines["grouped"],
                ),
            )
        ],
    )
    gap, shuffled = (
        wording.format_number(value, 2) for value in (result.leak_gap, result.shuffled_label_auc)
    )
    st.caption(
        "AUC with its 95 % interval, where slices are split at random and where whole groups are "
        f"left out. Leak gap: {gap}, what splitting at random adds within groups. With shuffled "
        f"labels: {shuffled}, which should be near 0.50."
    )
    if result.properties:
        layout.show_table(
            ("Property alone", "AUC (95 %)"),
            [
                (escape(entry.name.capitalize()), _format_baseline(Baseline(entry.auc, entry.ci)))
                for entry in result.properties
            ],
        )


def _show_properties(result: Audit, folder: Path) -> None:
    """Show how many slices are stored how, what cannot be read, and traces of patients."""
    rows = [
        {
            "property": FILE_PROPERTIES[kind],
            "value": value,
            **{k: n[k] for k in ("fracture", "normal")},
        }
        for kind, values in result.counts.items()
        for value, n in values.items()
    ]
    st.dataframe(rows, hide_index=True)
    if result.unreadable:
        st.markdown(f"**{len(result.unreadable):,} files cannot be read**")
        st.dataframe([dict(entry) for entry in result.unreadable], hide_index=True)
    else:
        st.caption("Every file can be read.")
    st.markdown("**Traces of patients** (counted, never shown)")
    traces = [(escape(kind), f"{n:,}") for kind, n in result.privacy.items()]
    layout.show_table(("Trace", "Files"), traces)
    for note in result.notes:
        st.caption(layout.escape_markdown(note))


def _summarize_duplicates(result: Audit) -> str:
    counts = (result.exact_duplicates, result.near_duplicates, result.augmented_copies)
    return (
        "none" if not any(counts) else "{:,} exact, {:,} near pairs, {:,} augmented".format(*counts)
    )


def _show_duplicates(result: Audit, folder: Path) -> None:
    """Show copies beside what they are copies of."""
    kinds = {entry.kind: DUPLICATE_KINDS[entry.kind] for entry in result.copies}
    if not kinds:
        st.caption("No slice is there twice.")
        return
    kind = st.segmented_control(
        "Kind", list(kinds), default=next(iter(kinds)), required=True, key="audit-duplicate-kind",
        format_func=kinds.__getitem__, label_visibility="collapsed",
    )  # fmt: skip
    sets = [entry for entry in result.copies if entry.kind == kind]
    _show_slices(
        folder,
        [(path, f"set {n}") for n, entry in enumerate(sets, start=1) for path in entry.paths],
        key=f"duplicates-{kind}",
    )
    st.caption("Copies stay on one side of every split. The first sets of each kind are shown.")


def _show_suspected_label_errors(result: Audit, folder: Path) -> None:
    """Show the slices whose labels are contradicted most, by a trained model where there is one."""
    trained = {
        model.id: model
        for model in repository.list_models()
        if isinstance(model, SavedModel)
        and model.has_out_of_fold
        and model.data.fingerprint == result.fingerprint
    }
    suspects, by = result.suspects, _BASELINE_NAME
    if trained:
        by = st.selectbox("Contradicted by", [*trained, _BASELINE_NAME], key="audit-label-source")
        if by in trained:
            suspects = label_errors.suspects_from_model(trained[by], result.fingerprint)
    if not suspects:
        st.caption(
            f"{layout.escape_markdown(by)} contradicts no label."
            if by != _BASELINE_NAME
            else "A trivial model knows too little of these classes to doubt a label. Once a model "
            "was trained on this folder, its doubts are shown here."
        )
        return
    st.caption(
        f"{len(suspects)} slices whose label is contradicted by models that had not seen them, "
        "the surest first. Some are wrong labels, others hard slices: look at each."
    )
    shown = [
        (entry.path, f"labelled {entry.label}, label quality {entry.quality:.2f} of 1")
        for entry in suspects
    ]
    _show_slices(folder, shown, key="label-errors")


def _show_groups(result: Audit, folder: Path) -> None:
    """Show the groups, give the table to correct, and take it back."""
    st.dataframe(
        [
            {"group": row.group, "fracture": row.fracture, "normal": row.normal}
            for row in result.group_table
        ],
        hide_index=True,
    )
    table = cache.read_groups_csv(result)
    if table is None:
        st.caption("The table to correct is missing: audit again.")
        return
    st.markdown(
        "1. Download the table of slices. 2. Correct its column `patient`: slices of one patient "
        "have the same entry. 3. Give it back. It holds for this folder from then on, for audit "
        "and training; the folder itself is not changed."
    )
    st.download_button(
        "Table of groups", table, "groups.csv", "text/csv", key="audit-groups-download",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    file = st.file_uploader("Corrected table", type="csv", key="audit-groups-upload")
    take, drop = st.columns(2)
    if file is not None and take.button("Use this table", key="audit-groups-apply", type="primary"):
        try:
            group_overrides.save_overrides(folder, file.getvalue())
        except SpinefracError as error:
            st.error(
                layout.escape_markdown(wording.to_sentence(str(error))), icon=":material/error:"
            )
        else:
            background.start_audit(folder)
            st.rerun()
    if group_overrides.hash_overrides(folder) and drop.button(
        "Forget the correction", key="audit-groups-reset"
    ):
        group_overrides.delete_overrides(folder)
        background.start_audit(folder)
        st.rerun()


# --- pictures ------------------------------------------------------------------------------


def _show_slices(folder: Path, entries: Sequence[tuple[str, str]], key: str = "") -> None:
    """Show slices with their paths and a line each, a few at a time."""
    pages = -(-len(entries) // PAGE_SIZE)
    number = 1
    if pages > 1:
        number = st.number_input(f"Page, of {pages}", 1, pages, 1, key=f"audit-{key}", width=140)
    cells = []
    for path, line in entries[PAGE_SIZE * (number - 1) : PAGE_SIZE * number]:
        picture = _load_slice_data_url(folder, path)
        shown = (
            f'<img src="{picture}" alt="CT slice">'
            if picture.startswith("data:")
            else f'<p class="sf-note">{escape(picture)}</p>'
        )
        cells.append(
            f'<div class="sf-slice"><div class="images"><figure>{shown}</figure></div>'
            f'<div>{escape(line)}</div><div class="path" title="{escape(path)}">{escape(path)}'
            "</div></div>"
        )
    st.html(f'<div class="sf-slice-grid">{"".join(cells)}</div>')


@st.cache_data(max_entries=256, show_spinner=False, scope="session")
def _load_slice_data_url(folder: Path, path: str) -> str:
    """Return a slice as a ``data:`` address, or why it cannot be shown."""
    try:
        ct = imaging.read(folder / path)
    except ImageError as error:
        return str(error)
    return heatmap.encode_data_url(imaging.to_display(ct), ct.spacing_mm, max_side=288)


def _format_baseline(baseline: Baseline) -> str:
    if baseline.auc is None:
        return "–"
    if baseline.ci is None:
        return f"{baseline.auc:.2f} (too few groups for an interval)"
    return f"{baseline.auc:.2f} ({wording.format_interval(baseline.ci, 2)})"
