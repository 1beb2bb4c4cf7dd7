"""Downloads of the report on predictions, with a choice of the patient data to include."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import streamlit as st

from spinefrac.report import dicom_results, html, pdf
from spinefrac.report import prediction_report as reports
from spinefrac.report.prediction_report import IDENTITY_KEYWORDS, ReportSlice, SeriesSummary
from spinefrac.store.repository import SavedModel
from spinefrac.ui.common import layout, visitor
from spinefrac.ui.common.layout import show_errors


class _Download(NamedTuple):
    label: str
    make: Callable[[], str | bytes]
    extension: str
    media_type: str


@visitor.fragment
def show_report_downloads(
    model: SavedModel,
    report_slices: Sequence[ReportSlice],
    series_summary: SeriesSummary | None = None,
) -> None:
    """Offer the report as HTML, PDF and JSON, and as DICOM where the slices came as DICOM.

    Each file is made when its button is clicked, not before.
    """
    if not report_slices:
        return
    is_dicom = all(one.content is not None and one.ct.format == "dicom" for one in report_slices)
    with show_errors(), st.container(key="report"):
        identity_keywords = _choose_identity_keywords() if is_dicom else []
        downloads = _list_downloads(model, report_slices, series_summary, identity_keywords)
        if is_dicom:
            downloads.append(_make_dicom_download(model, report_slices, identity_keywords))
        stem = "spinefrac-series" if series_summary else "spinefrac-slice"
        for column, download in zip(st.columns(4, gap="small"), downloads, strict=False):
            column.download_button(
                download.label,
                download.make,
                f"{stem}.{download.extension}",
                download.media_type,
                key=f"report-{download.extension}",
                icon=":material/download:",
                width="stretch",
                on_click="ignore",
            )
        layout.show_note(
            "DICOM: a Secondary Capture for each image and a Structured Report, linked to the "
            "original study by its UIDs."
            if is_dicom
            else "DICOM output is available only for DICOM input."
        )


def _choose_identity_keywords() -> list[str]:
    return st.pills(
        "Include in the report",
        list(IDENTITY_KEYWORDS),
        selection_mode="multi",
        format_func=IDENTITY_KEYWORDS.__getitem__,
        key="report-identity",
        help="No patient data are included unless you select them. The images are those of the "
        "slice.",
    )


def _list_downloads(
    model: SavedModel,
    report_slices: Sequence[ReportSlice],
    series_summary: SeriesSummary | None,
    identity_keywords: Sequence[str],
) -> list[_Download]:
    def build_document() -> reports.Document:
        return reports.build_prediction_report(
            report_slices, model, identity_keywords=identity_keywords, series=series_summary
        )

    def make_json() -> str:
        content = reports.to_dict(
            report_slices, model, identity_keywords=identity_keywords, series=series_summary
        )
        return json.dumps(content, indent=2)

    return [
        _Download("HTML", lambda: html.render(build_document()), "html", "text/html"),
        _Download("PDF", lambda: pdf.render(build_document()), "pdf", "application/pdf"),
        _Download("JSON", make_json, "json", "application/json"),
    ]


def _make_dicom_download(
    model: SavedModel, report_slices: Sequence[ReportSlice], identity_keywords: Sequence[str]
) -> _Download:
    def make_zip() -> bytes:
        return dicom_results.zip_files(
            dicom_results.build_dicom_results(
                report_slices, model, identity_keywords=identity_keywords
            )
        )

    return _Download("DICOM", make_zip, "zip", "application/zip")
