"""`spinefrac phantom`: synthetic slices with known truth."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output


class Difficulty(StrEnum):
    """How wide the fracture lines are and how much noise hides them."""

    EASY = "easy"
    STANDARD = "standard"
    HARD = "hard"


class ImageFormat(StrEnum):
    """How the slices are written."""

    PNG = "png"
    DICOM = "dicom"


def generate_phantom(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.", show_default=False)],
    patients: Annotated[int, typer.Option(min=2, max=9999, help="Patients.")] = 60,
    slices: Annotated[int, typer.Option(min=1, max=999, help="Slices of each patient.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same slices.")] = 7,
    difficulty: Annotated[
        Difficulty, typer.Option(help="How hard fractures are to see.")
    ] = Difficulty.STANDARD,
    format: Annotated[ImageFormat, typer.Option(help="How slices are written.")] = ImageFormat.PNG,
    size: Annotated[int, typer.Option(help="Side of a slice in pixels: 512 or 256.")] = 512,
    as_json: output.JsonOption = False,
) -> None:
    """Render synthetic axial vertebrae, with and without fractures, as a data set in OUT.

    OUT/fracture and OUT/normal hold the slices, OUT/masks the fractures' outlines, and
    OUT/phantom.json the truth. An interrupted call goes on where it stopped.
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
            progress=report,
        )
    seconds = time.perf_counter() - start
    if as_json:
        output.print_json({**summary.to_dict(), "seconds": round(seconds, 1)})
    else:
        output.print_result(
            f"{summary.folder}: {summary.slices} slices ({summary.fracture} fracture, "
            f"{summary.normal} normal) of {summary.patients} patients "
            f"({summary.fractured_patients} fractured) in {seconds:.1f} s"
        )
