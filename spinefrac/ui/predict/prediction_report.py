"""The report on a slice or a series: what to tick, and the downloads."""

from __future__ import annotations

import json
from collections.abc import Sequence

import streamlit as st

from spinefrac.report import dicom_results, html, pdf
from spinefrac.report import prediction_report as reports
from spinefrac.report.prediction_report import IDENTITY_KEYWORDS, ReportSlice, SeriesSummary
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common.layout import show_errors


@st.fragment
def show_report_downloads(
    model: SavedModel, items: Sequence[ReportSlice], series_summary: SeriesSummary | None = None
) -> None:
    """Offer the report as HTML, PDF, JSON, and DICOM where the slices came as DICOM.

    Each file is made when its button is clicked, not before.
    """
    if not items:
        return
    dicom = all(part.content is not None and part.ct.format == "dicom" for part in items)
    with show_errors(), st.container(key="report"):
        ticked: list[str] = []
        if dicom:
            ticked = st.pills(
                "Put into the report",
                list(IDENTITY_KEYWORDS),
                selection_mode="multi",
                format_func=IDENTITY_KEYWORDS.__getitem__,
                key="report-identity",
                help="Nothing of the patient is put in unless you tick it. The pictures show "
                "what the slice shows.",
            )
        name = "spinefrac-series" if series_summary else "spinefrac-slice"
        columns = st.columns(4, gap="small")

        def document() -> reports.Document:
            return reports.build_prediction_report(
                items, model, identity_keywords=ticked, series=series_summary
            )

        files = [
            ("HTML", lambda: html.render(document()), "html", "text/html"),
            ("PDF", lambda: pdf.render(document()), "pdf", "application/pdf"),
            (
                "JSON",
                lambda: json.dumps(
                    reports.to_dict(items, model, identity_keywords=ticked, series=series_summary),
                    indent=2,
                ),
                "json",
                "application/json",
            ),
        ]
        if dicom:
            files.append(
                (
                    "DICOM",
                    lambda: dicom_results.zip_files(
                        dicom_results.build_dicom_results(items, model, identity_keywords=ticked)
                    ),
                    "zip",
                    "application/zip",
                )
            )
        for column, (label, make, ending, kind) in zip(columns, files, strict=False):
            column.download_button(
                label,
                make,
                f"{name}.{ending}",
                kind,
                key=f"report-{ending}",
                icon=":material/download:",
                width="stretch",
                on_click="ignore",
            )
        st.html(
            '<p class="sf-note">DICOM: a Secondary Capture of each picture and a structured '
            "report, which refer to the original study by its identifiers.</p>"
            if dicom
            else '<p class="sf-note">DICOM results refer to the study of a slice; this one did '
            "not come as DICOM.</p>"
        )
