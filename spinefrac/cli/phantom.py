"""`spinefrac phantom`: synthetic slices with known labels."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output


class Difficulty(StrEnum):
    """Width of the fracture lines, and noise."""

    EASY = "easy"
    STANDARD = "standard"
    HARD = "hard"


class Variety(StrEnum):
    """How much anatomy, scan and picture vary."""

    NARROW = "narrow"
    WIDE = "wide"


class ImageFormat(StrEnum):
    """File format of the slices."""

    PNG = "png"
    DICOM = "dicom"


def generate_phantom(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder to create.", show_default=False)
    ],
    patients: Annotated[int, typer.Option(min=2, max=9999, help="Number of patients.")] = 60,
    slices: Annotated[int, typer.Option(min=1, max=999, help="Slices of each patient.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same slices.")] = 7,
    difficulty: Annotated[
        Difficulty, typer.Option(help="How difficult fractures are to see.")
    ] = Difficulty.STANDARD,
    format: Annotated[
        ImageFormat, typer.Option(help="File format of the slices.")
    ] = ImageFormat.PNG,
    variety: Annotated[
        Variety,
        typer.Option(
            help="How much anatomy, scan and picture vary; wide is for training networks that "
            "shall work elsewhere."
        ),
    ] = Variety.NARROW,
    size: Annotated[int, typer.Option(help="Side of a slice in pixels: 512 or 256.")] = 512,
    as_json: output.JsonOption = False,
) -> None:
    """Generate synthetic axial slices of vertebrae, with and without fractures, in OUT.

    OUT/fracture and OUT/normal hold the slices, OUT/masks the masks of the fractures, and
    OUT/phantom.json the parameters and labels. The same command completes an interrupted one.
    """
    if size not in (256, 512):
        raise typer.BadParameter(f"expected 512 or 256, got {size}", param_hint="--size")
    from spinefrac.data.phantom import write_phantom

    start = time.perf_counter()
    with output.show_progress("rendering") as report:
        summary = write_phantom(
            out,
            patients=patients,
            slices=slices,
            seed=seed,
            difficulty=difficulty.value,
            format=format.value,
            size=size,
            variety=variety.value,
            progress=report,
        )
    seconds = time.perf_counter() - start
    if as_json:
        output.print_json({**summary.to_dict(), "seconds": round(seconds, 1)})
    else:
        output.print_line(
            f"{summary.folder}: {summary.slices} slices ({summary.fracture} fracture, "
            f"{summary.normal} normal) of {summary.patients} patients "
            f"({summary.fractured_patients} fractured) in {seconds:.1f} s"
        )
