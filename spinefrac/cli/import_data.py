"""`spinefrac import`: public data sets as a folder of labelled slices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output
from spinefrac.wording import format_count

_AXES = {"sagittal": 0, "coronal": 1, "axial": 2}


def import_data(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="rsna|nifti|flat|yolo|coco",
            help="Kind of source: RSNA 2022 as downloaded, NIfTI volumes with a table (VerSe), a "
            "folder of slices with a table, or an export of YOLO or COCO.",
            show_default=False,
        ),
    ],
    source: Annotated[Path, typer.Argument(metavar="IN", help="The download.", show_default=False)],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="A new folder, or one where this import was interrupted.",
            show_default=False,
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Table of labels, nifti and flat [default: IN/labels.csv]."
        ),
    ] = None,
    axis: Annotated[
        str,
        typer.Option(
            metavar="axial|sagittal|coronal", help="Plane of the slices of NIfTI volumes."
        ),
    ] = "axial",
    studies: Annotated[
        int | None,
        typer.Option(min=1, help="Import N random studies, half with a fracture.", metavar="N"),
    ] = None,
    per_study: Annotated[
        int | None,
        typer.Option(
            min=1, help="Import N evenly spaced slices of each class of a study.", metavar="N"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random choice of studies.")] = 0,
    include_outside_boxes: Annotated[
        bool,
        typer.Option(
            "--outside-boxes",
            help="RSNA: label slices of fractured studies outside every box as normal.",
        ),
    ] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Import a public data set into OUT as labelled slices.

    The same command continues an interrupted import.
    """
    from spinefrac.data.importers import KINDS, import_dataset
    from spinefrac.data.importers.plan import ImportSelection

    if kind not in KINDS:
        raise typer.BadParameter(f"expected {', '.join(KINDS)} to import, got '{kind}'")
    if axis not in _AXES:
        raise typer.BadParameter(f"expected --axis {', '.join(_AXES)}, got '{axis}'")
    with output.show_progress("importing studies") as report:
        result = import_dataset(
            kind,
            source,
            out,
            labels=labels,
            axis=_AXES[axis],
            selection=ImportSelection(studies, per_study, seed, include_outside_boxes),
            progress=report,
        )
    if as_json:
        output.print_json(result.to_dict())
        return
    patients = f"{result.groups:,} patients" if result.groups else "patients that are not named"
    output.print_line(
        f"{out}: {result.slices:,} slices ({result.fracture:,} fracture, {result.normal:,} "
        f"normal) of {patients}, {result.boxes:,} boxes; {result.written:,} "
        "slices written by this call"
    )
    for note in result.notes:
        output.print_line(note)
    for reason, count in result.left_out.items():
        output.print_line(f"left out: {format_count(count, 'slice')} {reason}")
