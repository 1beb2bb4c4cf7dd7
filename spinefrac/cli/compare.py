"""`spinefrac compare`: the metrics of saved models on the same slices, and their differences."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinefrac import wording
from spinefrac.cli import output, tables
from spinefrac.wording import METRICS

if TYPE_CHECKING:
    from spinefrac.evaluation.compare import PairComparison
    from spinefrac.evaluation.metrics import Metrics
    from spinefrac.store.paired import PairedPredictions
    from spinefrac.store.repository import SavedModel


def compare(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME NAME…", help="Saved models.", show_default=False)
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Labelled slices to compare on; if not given, the out-of-fold predictions, which "
            "needs models that were trained on the same data.",
        ),
    ] = None,
    group_by: Annotated[
        str,
        typer.Option(metavar="auto|file|csv:COLUMN", help="Grouping rule; see `spinefrac train`."),
    ] = "auto",
    as_json: output.JsonOption = False,
) -> None:
    """Compare saved models, and test whether their differences are significant.

    All models predict the same slices, and each bootstrap resample of the patients is the same
    for all, so the comparison is paired. Each model is used at its own threshold.
    """
    if len(set(names)) < 2:
        raise typer.BadParameter("expected two or more different models", param_hint="NAME")
    from spinefrac.evaluation.compare import compare_models
    from spinefrac.evaluation.metrics import compute_metrics
    from spinefrac.store import paired, repository

    models = [repository.load(name) for name in dict.fromkeys(names)]
    if data is None:
        shared = paired.pair_out_of_fold(models)
    else:
        shared = _predict_dataset(models, data, group_by)
    pairs = compare_models(shared.labels, shared.probabilities, shared.groups, shared.thresholds)
    metrics = {
        name: compute_metrics(shared.labels, scores, shared.groups, shared.thresholds[name])
        for name, scores in shared.probabilities.items()
    }
    if as_json:
        output.print_json(
            {
                "on": "out-of-fold" if data is None else data.resolve().name,
                "n": len(shared.paths),
                "groups": len(set(shared.groups.tolist())),
                "models": {name: entry.to_dict() for name, entry in metrics.items()},
                "pairs": [asdict(pair) for pair in pairs],
            }
        )
    else:
        output.print_result(_format_table(metrics))
        for pair in pairs:
            output.print_result(f"\n{_format_pair_table(pair)}\n{pair.conclusion}")


def _predict_dataset(models: list[SavedModel], folder: Path, group_by: str) -> PairedPredictions:
    """Predict the slices of a folder with every model."""
    from spinefrac.data.scan import scan
    from spinefrac.inference import external_evaluation
    from spinefrac.inference.predictor import get_predictor
    from spinefrac.store import paired

    dataset = scan(folder, group_by=group_by)
    for left_out in dataset.unreadable:
        output.print_message(f"left out: {left_out.path}: {left_out.reason}")
    predictions = {}
    for model in models:
        evaluation, found = external_evaluation.evaluate_external(get_predictor(model.id), dataset)
        predictions[model.id] = found
        if evaluation.seen.has_leakage:
            output.print_message(
                f"warning: {model.id}: {evaluation.seen.describe(evaluation.metrics.n)}"
            )
    return paired.align_predictions(models, predictions)


def _format_table(metrics: dict[str, Metrics]) -> str:
    """Return one column a model."""
    rows: list[tuple[Any, ...]] = [("metric", *metrics)]
    for name, words in METRICS.items():
        rows.append((words.title, *(entry.format_metric(name) for entry in metrics.values())))
    return output.format_table(rows)


def _format_pair_table(pair: PairComparison) -> str:
    """Return the differences of one pair, and the tests."""
    rows = [
        (
            f"{pair.first} minus {pair.second}",
            "difference",
            wording.CONFIDENCE_INTERVAL_SHORT,
            "p",
            "",
        )
    ]
    for name, words in METRICS.items():
        rows.append((words.title, *tables.format_difference(pair.differences[name])))
    lines = [output.format_table(rows)]
    if pair.delong:
        lines.append(
            f"DeLong's test of the AUC over groups: {wording.format_p_value(pair.delong.p)}"
        )
    test = pair.mcnemar
    lines.append(
        f"only {pair.first} correct on {test.only_first} slices, only {pair.second} on "
        f"{test.only_second}; McNemar's test over groups: {wording.format_p_value(test.p_groups)}"
    )
    return "\n".join(lines)
