"""`spinefrac deidentify`: copies of DICOM files that do not identify the patient."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output


def deidentify(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Folder of DICOM files.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="New folder for the copies.", show_default=False)
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the secret of the mapping (32 bytes or more), which gives the same "
            "names, UIDs and dates in another call. By default it is random and not saved.",
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """De-identify the DICOM files of IN into OUT by the basic profile of PS3.15 Annex E.

    Files whose pixels may show text go to OUT/quarantine. The program cannot see whether pixels
    identify a patient: look at the copies before you share them.
    """
    secret = key.read_bytes() if key else None
    if secret is not None and len(secret) < 32:
        raise typer.BadParameter("expected 32 bytes or more", param_hint="--key")
    from spinefrac.data.deidentify import deidentify as copy

    with output.show_progress("copying") as report:
        result = copy(source, out, key=secret, progress=report)
    if as_json:
        output.print_json(
            {
                "copied": result.copied,
                "quarantined": [{"path": p, "reason": why} for p, why in result.quarantined],
                "left_out": [{"path": p, "reason": why} for p, why in result.skipped],
            }
        )
        return
    output.print_result(
        f"{result.copied} files copied, {len(result.quarantined)} to quarantine, "
        f"{len(result.skipped)} left out"
    )
    for path, why in result.skipped:
        output.print_message(f"left out: {path}: {why}")
