"""`spinefrac phantom`: synthetic slices with known labels."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output
from spinefrac.cli.setting_options import is_given

_OF_PHANTOMS_ONLY = ("patients", "slices", "format", "size", "variety", "scans")


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
    context: typer.Context,
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
    scans: Annotated[
        bool,
        typer.Option(
            "--scans",
            help="Scans instead of slices: OUT/P000 and so on, with labels of whole scans in "
            "OUT/labels.csv; see docs/scans.md.",
        ),
    ] = False,
    background: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Draw the fracture lines into half of the real slices of FOLDER, which show no "
            "fracture. Only --seed and --difficulty apply then.",
            show_default=False,
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Generate synthetic axial slices of vertebrae, with and without fractures, in OUT.

    OUT/fracture and OUT/normal hold the slices, OUT/masks the masks of the fractures, and
    OUT/phantom.json the parameters and labels. The same command completes an interrupted one.
    """
    if size not in (256, 512):
        raise typer.BadParameter(f"expected 512 or 256, got {size}", param_hint="--size")
    if background is not None:
        _draw_on_backgrounds(context, background, out, seed, difficulty, as_json)
        return
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
            scans=scans,
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


def _draw_on_backgrounds(
    context: typer.Context,
    background: Path,
    out: Path,
    seed: int,
    difficulty: Difficulty,
    as_json: bool,
) -> None:
    given = [name for name in _OF_PHANTOMS_ONLY if is_given(context, name)]
    if given:
        raise typer.BadParameter(
            f"does not apply with --background, which takes --seed and --difficulty: leave out "
            f"--{given[0]}",
            param_hint=f"--{given[0]}",
        )
    from spinefrac.data.phantom.backgrounds import write_lines_on_backgrounds

    with output.show_progress("drawing") as report:
        summary = write_lines_on_backgrounds(
            background, out, seed=seed, difficulty=difficulty.value, progress=report
        )
    if as_json:
        output.print_json(summary.to_dict())
    else:
        output.print_line(
            f"{summary.folder}: {summary.slices} slices ({summary.fracture} with lines, "
            f"{summary.normal} without) of {summary.patients} patients, {summary.left_out} left out"
        )
