"""The audit of a folder on the page: started here, done by a background process.

An unchanged folder is shown at once from the saved result; an audit continues when the browser
leaves.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from spinefrac import wording
from spinefrac.audit import background, cache
from spinefrac.audit.report import Audit, Finding
from spinefrac.system.background import WorkProgress
from spinefrac.ui.common import background_work, layout
from spinefrac.ui.train import audit_sections
from spinefrac.wording import AUDIT_ADVICE

#: Of an alert, by the severity of a finding.
_FINDING_TONES = {"ok": "open", "caution": "bad", "unusable": "bad"}
#: Findings whose slices are shown in a section of their own.
_SHOWN_ELSEWHERE = ("label_errors", "unreadable")


def show_audit_panel(folder: Path, result: Audit | None, *, with_verdict: bool = True) -> None:
    """Show the audit of a folder; offer it where there is none, wait while it runs.

    Parameters
    ----------
    folder : Path
        One that this page may read, see `spinefrac.data.data_roots.resolve_folder`.
    result : Audit or None
        The result, where there is one of the folder as it is now.
    with_verdict : bool
        Whether the verdict comes first; not where a title above states it.
    """
    if result is not None:
        background.clear_progress(folder)
        if with_verdict:
            _show_verdict(result)
        _show_audit_result(result, folder)
        return
    progress = background.read_progress(folder)
    if progress is not None and progress.running:
        read = partial(background.read_progress, folder)
        background_work.show_until_done(read, _describe_progress)
        return
    if progress is not None and progress.error:
        layout.show_error(progress.error)
    st.caption(
        "The audit reads every slice once. It finds duplicates, properties other than the "
        "fracture that separate the classes, and suspected label errors."
    )
    if st.button("Audit this folder", key="audit-start", icon=":material/fact_check:"):
        background.start_audit(folder)
        st.rerun()


def _describe_progress(progress: WorkProgress) -> str:
    text = "Starting"
    if 0 < progress.done < progress.total:
        text = f"{progress.done:,} of {progress.total:,} files read"
    elif progress.done:
        text = "All files read; comparing slices"
    return f"{text}. You can leave this page; the audit continues."


def _show_verdict(result: Audit) -> None:
    layout.show_alert(
        AUDIT_ADVICE[result.verdict],
        "ok" if result.verdict == "ok" else "bad",
        title=f"{result.verdict.capitalize()}.",
    )


def _show_audit_result(result: Audit, folder: Path) -> None:
    """Show the findings, and the sections behind them."""
    st.caption(
        f"{result.images:,} slices, {result.classes['fracture']:,} with a fracture and "
        f"{result.classes['normal']:,} without, from {wording.format_count(result.groups, 'group')}"
        f"; {result.groups_with_both:,} of them contain both classes. "
        f"Grouping: {layout.escape_markdown(result.group_rule)}."
    )
    layout.show_rows(result.findings, lambda finding: _show_finding(finding, folder))
    for title, show in audit_sections.list_sections(result):
        with st.expander(title), layout.show_errors():
            show(result, folder)
    if st.button("Repeat audit", key="audit-again", icon=":material/refresh:", type="tertiary"):
        cache.delete_listing(cache.hash_listing(folder, "auto"))
        background.start_audit(folder, fresh=True)
        st.rerun()


def _show_finding(finding: Finding, folder: Path) -> None:
    """Show one finding, and the slices it is about."""
    title = "" if finding.severity == "ok" else f"{finding.severity.capitalize()}."
    layout.show_alert(finding.message, _FINDING_TONES[finding.severity], title=title)
    if finding.examples and finding.code not in _SHOWN_ELSEWHERE:
        with st.expander("Show examples"):
            audit_sections.show_slices(folder, [(path, "") for path in finding.examples])
