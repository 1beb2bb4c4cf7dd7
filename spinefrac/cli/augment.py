"""`spinefrac augment`: augmented copies of a data set, each linked to its source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output
from spinefrac.cli.setting_options import make_option
from spinefrac.errors import TrainingError
from spinefrac.records import Preprocessing
from spinefrac.training.augmentation import presets
from spinefrac.training.augmentation.config import PRESETS
from spinefrac.training.settings import SETTINGS


def augment(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Labelled slices.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="New folder for the copies.", show_default=False)
    ],
    augmentation: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help=f"{', '.join(PRESETS)}, the name of a saved preset, or a YAML file.",
        ),
    ] = "standard",
    copies: Annotated[int, typer.Option(min=1, max=1000, help="Copies of each slice.")] = 4,
    seed: Annotated[
        int,
        make_option("seed", "Copy 1 is what a run with this seed sees in epoch 1.", limited=True),
    ] = SETTINGS["seed"].default,
    size: Annotated[
        int, make_option("size", "Side of the square images, in pixels.", limited=True)
    ] = SETTINGS["size"].default,
    bone_crop: Annotated[bool, make_option("bone_crop")] = SETTINGS["bone_crop"].default,
    group_by: Annotated[str, make_option("group_by")] = SETTINGS["group_by"].default,
    as_json: output.JsonOption = False,
) -> None:
    """Write the slices of FOLDER as model inputs, with augmented copies, into OUT.

    `spinefrac train` augments by itself and needs no copies. They are for inspection and for
    other programs. Each is named after its source, so that the audit recognises it, and keeps
    the patient of its source in OUT/labels.csv.
    """
    try:
        config = presets.load_by_name_or_path(augmentation)
    except TrainingError as error:
        raise typer.BadParameter(str(error), param_hint="--augmentation") from error
    from spinefrac.training.augmentation.export import export_augmented_copies

    with output.show_progress("writing") as report:
        result = export_augmented_copies(
            folder,
            out,
            config,
            copies=copies,
            seed=seed,
            preprocessing=Preprocessing(size=size, bone_crop=bone_crop),
            group_by=group_by,
            progress=report,
        )
    for unreadable in result.unreadable:
        output.print_message(f"left out {unreadable.path}: {unreadable.reason}")
    if as_json:
        output.print_json(
            {
                "folder": str(out),
                "slices": result.slices,
                "copies": result.copies,
                "seed": seed,
                "left_out": [{"path": u.path, "reason": u.reason} for u in result.unreadable],
            }
        )
    else:
        output.print_line(f"{out}: {result.slices} slices and {result.copies} augmented copies")
