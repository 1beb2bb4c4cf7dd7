"""`spinefrac evaluate`: a saved model measured on a labelled folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import numbers, output


def evaluate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Saved model.", show_default=False)],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Labelled slices, as for training.", show_default=False
        ),
    ],
    group_by: Annotated[
        str,
        typer.Option(
            metavar="auto|file|csv:COLUMN", help="What makes a patient; see `spinefrac train`."
        ),
    ] = "auto",
    as_json: output.Json = False,
) -> None:
    """Measure the saved model NAME on the labelled slices of FOLDER, at its own threshold."""
    from spinefrac import imaging
    from spinefrac.data.scan import scan
    from spinefrac.evaluation.metrics import summarize
    from spinefrac.serving.predictor import open_model

    predictor = open_model(name)
    dataset = scan(folder, group_by=group_by)
    for left_out in dataset.unreadable:
        output.note(f"left out: {left_out.path}: {left_out.reason}")
    for remark in dataset.notes:
        output.note(remark)
    if dataset.fingerprint == predictor.model.card.data.fingerprint:
        output.note(
            "warning: the model was trained on these very slices, so these numbers flatter it; "
            f"the honest ones are out-of-fold: spinefrac models show {name}"
        )
    slices = (imaging.read(dataset.root / path) for path in dataset.paths)
    probabilities = [answer.probability for answer in predictor.predict_many(slices)]
    metrics = summarize(dataset.labels, probabilities, dataset.groups, predictor.model.threshold)
    if as_json:
        output.emit_json(metrics.to_dict())
    else:
        output.emit(numbers.metrics_table(metrics.to_dict()))
