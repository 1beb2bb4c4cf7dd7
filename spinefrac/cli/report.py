"""`spinefrac report`: a report on a saved model, as one file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spinefrac import wording
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
        typer.Option(metavar="FILE", help="File to write; NAME-report.html if not given."),
    ] = None,
    format: Annotated[
        ReportFormat | None,
        typer.Option(help="By the ending of FILE if not given.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="The training data, to show the slices with the largest errors."
        ),
    ] = None,
    keep_names: output.KeepNamesOption = False,
    as_json: output.JsonOption = False,
) -> None:
    """Write a report on the saved model NAME: one HTML or PDF file that opens offline.

    Data, audit, method, metrics with confidence intervals, curves, calibration, failure cases,
    and the checklists CLAIM 2024 and TRIPOD+AI, filled in from the run.
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

    model = repository.load(name)
    document = reports.build_model_report(model, data, keep_names=keep_names)
    content = (pdf if kind is ReportFormat.PDF else html).render(document)
    atomic.write_bytes(path, content)
    if as_json:
        output.print_json(
            {"model": name, "file": str(path), "format": kind.value, "bytes": len(content)}
            | ({"names_kept": True} if keep_names else {})
        )
    else:
        output.print_line(f"{path}: {wording.format_megabytes(len(content))}")
    output.print_if_names_kept(keep_names)


def _validate_output_path(path: Path) -> None:
    """Refuse a path that cannot work, before the report is made."""
    if path.suffix.lower() not in (".html", ".pdf"):
        raise typer.BadParameter(
            f"expected a file ending in .html or .pdf, got {path}", param_hint="--out"
        )
    if path.is_dir() or not path.parent.is_dir():
        raise typer.BadParameter(
            f"expected a file in a folder that exists, got {path}", param_hint="--out"
        )
