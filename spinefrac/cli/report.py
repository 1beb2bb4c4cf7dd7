"""`spinefrac report`: everything that is known of a saved model, as one file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output
from spinefrac.system import atomic


class ReportFormat(StrEnum):
    """How a report is written."""

    HTML = "html"
    PDF = "pdf"


def write_report(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Saved model.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write; NAME-report.html if not given."),
    ] = None,
    format: Annotated[
        ReportFormat | None,
        typer.Option(help="By the end of FILE if not given.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="The data it was trained on; its worst errors become pictures."
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Write a report on the saved model NAME: one HTML or PDF file that opens offline.

    Data, audit, method, metrics with intervals, curves, calibration, failure cases, and the
    checklists CLAIM 2024 and TRIPOD+AI, filled in where the run knows.
    """
    kind = format or (
        ReportFormat.PDF if out and out.suffix.lower() == ".pdf" else ReportFormat.HTML
    )
    path = out or Path(f"{name}-report.{kind.value}")
    if data is not None and not data.is_dir():
        raise typer.BadParameter(f"expected a folder, got {data}", param_hint="--data")
    _validate_output_path(path)
    from spinefrac import report as reports
    from spinefrac.report import html, pdf
    from spinefrac.store import repository

    document = reports.build_model_report(repository.load(name), data)
    content = (pdf if kind is ReportFormat.PDF else html).render(document)
    atomic.write_bytes(path, content)
    if as_json:
        output.print_json(
            {"model": name, "file": str(path), "format": kind.value, "bytes": len(content)}
        )
    else:
        output.print_result(f"{path}: {len(content) / 1e6:.2f} MB")


def _validate_output_path(path: Path) -> None:
    """Refuse a place that cannot be meant, before the report is made."""
    if path.suffix.lower() not in (".html", ".pdf"):
        raise typer.BadParameter(
            f"expected a file ending in .html or .pdf, got {path}", param_hint="--out"
        )
    if path.is_dir() or not path.parent.is_dir():
        raise typer.BadParameter(
            f"expected a file in a folder that exists, got {path}", param_hint="--out"
        )
