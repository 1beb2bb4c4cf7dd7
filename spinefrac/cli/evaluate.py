"""`spinefrac evaluate`: a saved model measured on a labelled folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
        typer.Option(
            metavar="auto|file|csv:COLUMN", help="What makes a patient; see `spinefrac train`."
        ),
    ] = "auto",
    keep: Annotated[
        bool,
        typer.Option("--keep/--no-keep", help="Keep the result with the model, for the pages."),
    ] = True,
    as_json: output.JsonOption = False,
) -> None:
    """Measure the saved model NAME on the labelled slices of FOLDER, at its own threshold.

    Beside each metric stands how far it lies from the model's out-of-fold metric, and whether
    that is more than chance. Slices that the model was trained on are found by their pixels.
    """
    from spinefrac.data.scan import scan
    from spinefrac.inference import external_evaluation
    from spinefrac.inference.predictor import get_predictor

    predictor = get_predictor(name)
    with output.show_progress("reading") as report:
        dataset = scan(folder, group_by=group_by, progress=report)
    for left_out in dataset.unreadable:
        output.print_message(f"left out: {left_out.path}: {left_out.reason}")
    for remark in dataset.notes:
        output.print_message(remark)
    with output.show_progress("answering") as report:
        evaluation, _ = external_evaluation.evaluate_external(
            predictor, dataset, save=keep, progress_callback=report
        )
    if said := evaluation.seen.describe(evaluation.metrics.n):
        output.print_message(f"{'warning' if evaluation.seen.has_leakage else 'note'}: {said}")
    if as_json:
        output.print_json(_to_json(evaluation, keep))
        return
    output.print_result(tables.format_metrics_table(evaluation.metrics.to_dict()))
    if found := evaluation.pointing:
        interval = f" (95 % interval {found.ci[0]:.2f} to {found.ci[1]:.2f})" if found.ci else ""
        output.print_result(
            f"hottest point of the heat map inside a fracture's box: {found.hits} of "
            f"{found.slices} slices, {found.share:.2f}{interval}; by chance {found.chance:.2f}"
        )
    if evaluation.shift:
        output.print_result("\n" + tables.format_shift_table(evaluation.shift))
    else:
        output.print_message(
            "the probability of an imported model is not calibrated, and its threshold of "
            f"{evaluation.metrics.threshold:g} was not chosen on any data"
        )


def _to_json(evaluation: Evaluation, kept: bool) -> dict[str, Any]:
    """Return the metrics as scripts rely on them, and what belongs to them."""
    whole = evaluation.to_dict()
    metrics = whole.pop("metrics")
    del whole["card_hash"]
    return {**metrics, **whole, "leaky": evaluation.seen.has_leakage, "kept": kept}
