"""`spinefrac recalibrate`: temperature and threshold of a model for another site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output


def recalibrate(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Saved model.", show_default=False)],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Labelled slices of the site, as for training.",
            show_default=False,
        ),
    ],
    new_name: Annotated[
        str,
        typer.Option(
            "--name", metavar="NAME", help="Name of the new model; MODEL-site if not given."
        ),
    ] = "",
    threshold_rule: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="youden, sensitivity:S, specificity:S or cost:C; that of MODEL if not given.",
        ),
    ] = "",
    group_by: Annotated[
        str,
        typer.Option(metavar="auto|file|csv:COLUMN", help="Grouping rule; see `spinefrac train`."),
    ] = "auto",
    as_json: output.JsonOption = False,
) -> None:  # fmt: skip
    """Fit temperature and threshold of MODEL to a few labelled slices of another site.

    About 30 slices of 10 patients or more. The result is a saved model of its own; MODEL stays as
    it is. What it is worth is measured on patients of the site that it was not fitted to.
    """
    from dataclasses import asdict

    from spinefrac.data.scan import scan
    from spinefrac.inference import recalibration
    from spinefrac.inference.predictor import get_predictor

    predictor = get_predictor(name)
    with output.show_progress("reading") as report:
        dataset = scan(folder, group_by=group_by, progress=report)
    for left_out in dataset.unreadable:
        output.print_message(f"left out: {left_out.path}: {left_out.reason}")
    with output.show_progress("predicting") as report:
        model = recalibration.recalibrate(
            predictor,
            dataset,
            new_name or f"{name}-site",
            rule=threshold_rule,
            progress_callback=report,
        )
    card = model.card
    assert card.recalibration is not None
    if as_json:
        output.print_json(
            {
                "model": model.id,
                "parent": name,
                "temperature": model.temperature,
                "threshold": model.threshold,
                **asdict(card.recalibration),
            }
        )
        return
    output.print_result(
        f"{model.id}: temperature {model.temperature:.3f}, threshold {model.threshold:.3f}; "
        f"{card.calibration.method}."
    )
