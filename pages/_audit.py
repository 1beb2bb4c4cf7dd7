"""The audit of a folder on a page: asked for here, done by a process of its own.

    _audit.panel()

The process is `spinefrac audit`, which keeps its result under ``HOME/runs/audits``; an audit
goes on when the browser leaves, and an unchanged folder is answered at once.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from html import escape
from pathlib import Path

import streamlit as st

from pages import _shared
from spinefrac import processes, settings
from spinefrac.audit import kept
from spinefrac.audit.report import Audit, Baseline, Finding
from spinefrac.errors import DatasetError

VERDICTS = {
    "ok": ("ok", "Nothing speaks against training on this folder."),
    "caution": ("bad", "Train on it, but read the findings before you believe a score."),
    "unusable": ("bad", "No score on this folder says how a model does on new patients."),
}


def panel() -> None:
    """Ask for a folder and show what its audit says, while it runs and after."""
    roots = [root for root in settings.data_roots() if root.is_dir()]
    choices = [path for root in roots for path in (root, *sorted(root.iterdir())) if path.is_dir()]
    if not choices:
        st.caption("No data folder is open to this page: set SPINEFRAC_DATA_ROOTS.")
        _shared.commands("spinefrac audit my-slices")
        return
    folder = st.selectbox("Folder", choices, format_func=_shown, key="audit-folder")
    with _shared.errors_shown():
        result = kept.by_listing(kept.listing_key(folder, "auto"))
        if result is not None:
            show(result, folder)
            return
        if st.button("Audit this folder", key="audit-start"):
            start(folder)
    if _log(folder).exists():
        _wait(folder)


def start(folder: Path) -> None:
    """Start the audit as a process that outlives the page, unless one is at it.

    Raises
    ------
    DatasetError
        If the folder is not inside one of the data roots.
    """
    if not any(folder.resolve().is_relative_to(root) for root in settings.data_roots()):
        raise DatasetError("Expected a folder inside the data roots: choose one of the list.")
    log = _log(folder)
    if _running(log):
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "spinefrac", "audit", str(folder), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stream,
            start_new_session=True,
        )
    started = processes.start_time(process.pid) or time.time()
    log.with_suffix(".pid").write_text(f"{process.pid} {started}")


@st.fragment(run_every=2.0)
def _wait(folder: Path) -> None:
    """Look every two seconds whether the result is there."""
    log = _log(folder)
    if _running(log):
        st.info("The audit is running; you may leave this page.", icon=":material/hourglass_top:")
        return
    message = log.read_text(encoding="utf-8", errors="replace").strip() if log.exists() else ""
    log.unlink(missing_ok=True)
    if message.startswith("error: "):
        st.error(_shared.plain(_shared.sentence(message.removeprefix("error: "))))
    else:
        st.rerun()


def _log(folder: Path) -> Path:
    """Return where the process of a folder writes what goes wrong."""
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return kept.folder() / f"run-{name}.log"


def _running(log: Path) -> bool:
    """Whether the process that writes `log` is at work."""
    try:
        pid, started = log.with_suffix(".pid").read_text().split()
        return processes.alive(int(pid), float(started))
    except (OSError, ValueError):
        return False


def _shown(path: Path) -> str:
    """Return a folder as people choose it: below which data root."""
    root = next(root for root in settings.data_roots() if path.is_relative_to(root))
    return path.name if path == root else f"{root.name}/{path.relative_to(root)}"


# --- the result ----------------------------------------------------------------------------


def show(result: Audit, folder: Path) -> None:
    """Show verdict, numbers, findings with their pictures, and the groups."""
    tone, meaning = VERDICTS[result.verdict]
    st.html(
        f'<div class="sf-audit {tone}"><i class="dot"></i><strong>{result.verdict}</strong> '
        f"{meaning}</div>"
    )
    _shared.table(
        ("Trivial model, AUC (95 %)", "Random folds", "Whole groups left out"),
        [
            (
                "16 × 16 thumbnail",
                _number(result.naive_baseline),
                _number(result.grouped_baseline),
            ),
            (
                "Brightness and storage",
                _number(result.feature_baselines["naive"]),
                _number(result.feature_baselines["grouped"]),
            ),
        ],
    )
    st.caption(
        f"{result.images:,} slices, {result.classes['fracture']:,} with a fracture, of "
        f"{result.groups:,} groups, {result.groups_with_both:,} of which hold both classes. "
        f"Groups: {_shared.plain(result.group_rule)}. Shuffled labels: "
        f"{_shared.number(result.shuffled_label_auc, 2)}."
    )
    for finding in result.findings:
        _finding(finding, folder)
    with st.expander("Groups"):
        st.dataframe(
            [
                {"group": row.group, "fracture": row.fracture, "normal": row.normal}
                for row in result.group_table
            ],
            hide_index=True,
        )
        st.caption("To correct them, edit this table and save it as labels.csv in the folder:")
        _shared.commands("spinefrac audit FOLDER --write-groups labels.csv")


def _finding(finding: Finding, folder: Path) -> None:
    """Show one finding, and the slices it is about."""
    tone = "ok" if finding.severity == "ok" else "bad"
    st.html(f'<div class="sf-audit {tone}"><i class="dot"></i>{escape(finding.message)}</div>')
    if finding.examples:
        with st.expander(f"Slices ({min(len(finding.examples), finding.count or 8)} shown)"):
            from spinefrac import charts, imaging
            from spinefrac.errors import ImageError

            for column, path in zip(st.columns(4), finding.examples[:4], strict=False):
                try:
                    picture = imaging.display(imaging.read(folder / path))
                except ImageError as error:
                    column.caption(_shared.plain(str(error)))
                    continue
                column.image(charts.data_url(picture), caption=_shared.plain(path))


def _number(base: Baseline) -> str:
    if base.auc is None:
        return "–"
    return f"{base.auc:.2f} ({_shared.number_range(base.ci, 2)})"
