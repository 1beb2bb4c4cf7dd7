"""`spinefrac evaluate`: metrics of a saved model on a labelled data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinefrac import wording
from spinefrac.cli import output, tables

if TYPE_CHECKING:
    from spinefrac.store.evaluations import Evaluation


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
        typer.Option(metavar="auto|file|csv:COLUMN", help="Grouping rule; see `spinefrac train`."),
    ] = "auto",
    keep: Annotated[
        bool,
        typer.Option("--keep/--no-keep", help="Save the result with the model, for the pages."),
    ] = True,
    as_json: output.JsonOption = False,
) -> None:
    """Evaluate the saved model NAME on the labelled slices of FOLDER, at its own threshold.

    Each metric is shown with its difference from the model's out-of-fold metric, and with a test
    of that difference. Slices that the model was trained on are recognized by their pixels.
    """
    from spinefrac.data.scan import scan
    from spinefrac.inference import external_evaluation
    from spinefrac.inference.predictor import get_predictor

    predictor = get_predictor(name)
    with output.show_progress("reading") as report:
        dataset = scan(folder, group_by=group_by, progress=report)
    for left_out in dataset.unreadable:
        output.print_message(f"left out: {left_out.path}: {left_out.reason}")
    for note in (*dataset.notes, *dataset.details):
        output.print_message(note)
    with output.show_progress("predicting") as report:
        evaluation, _ = external_evaluation.evaluate_external(
            predictor, dataset, save=keep, progress_callback=report
        )
    if overlap := evaluation.seen.describe(evaluation.metrics.n):
        level = "warning" if evaluation.seen.has_leakage else "note"
        output.print_message(f"{level}: {overlap}")
    if as_json:
        output.print_json(_to_json(evaluation, keep))
        return
    _print_evaluation(evaluation)


def _print_evaluation(evaluation: Evaluation) -> None:
    output.print_result(tables.format_metrics_table(evaluation.metrics.to_dict()))
    if found := evaluation.pointing:
        output.print_result(
            "highest value of the heat map inside the box of a fracture: "
            f"{found.hits} of {found.slices} slices, "
            f"{wording.format_estimate(found.share, found.ci, 2)}; by chance {found.chance:.2f}"
        )
    if evaluation.by_grade:
        rows = [wording.GRADE_COLUMNS, *(entry.to_row() for entry in evaluation.by_grade)]
        output.print_result("\n" + tables.format_table(rows))
    if evaluation.shift:
        output.print_result(
            "\n" + tables.format_shift_table(evaluation.shift, evaluation.shift_note)
        )
    else:
        output.print_message(
            "the probability of an imported model is not calibrated, and its threshold of "
            f"{evaluation.metrics.threshold:g} was not chosen on data"
        )


def _to_json(evaluation: Evaluation, kept: bool) -> dict[str, Any]:
    """Return the metrics with the keys that scripts rely on, and the rest of the evaluation."""
    whole = evaluation.to_dict()
    metrics = whole.pop("metrics")
    del whole["card_hash"]
    return {**metrics, **whole, "leaky": evaluation.seen.has_leakage, "kept": kept}
