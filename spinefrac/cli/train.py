"""`spinefrac train`: a labelled folder becomes a saved model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinefrac.cli import numbers, output
from spinefrac.errors import TrainingError
from spinefrac.evaluation.operating_point import CHOSEN_HERE
from spinefrac.records import EpochRecord, Preprocessing
from spinefrac.training import augmentation_sets
from spinefrac.training.augmentation_config import PRESETS
from spinefrac.training.settings import NETWORKS, TrainingSettings

if TYPE_CHECKING:
    from spinefrac.store.saved import SavedModel

_DEFAULT = TrainingSettings()


def train(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Labelled slices: FOLDER/fracture and FOLDER/normal, or with labels.csv, or as "
            "RSNA 2022.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Name of the saved model: lower-case letters, digits, hyphens."
        ),
    ],
    folds: Annotated[int, typer.Option(help="Parts for cross-validation.")] = _DEFAULT.folds,
    epochs: Annotated[int, typer.Option(help="Epochs of each fold.")] = _DEFAULT.epochs,
    network: Annotated[
        str, typer.Option(metavar="NETWORK", help=f"One of {', '.join(NETWORKS)}.")
    ] = _DEFAULT.network,
    size: Annotated[
        int, typer.Option(help="Side of the square model input, in pixels.")
    ] = _DEFAULT.preprocessing.size,
    group_by: Annotated[
        str,
        typer.Option(
            metavar="auto|file|csv:COLUMN",
            help="What makes a patient, whom no fold splits: found by itself, from file names, "
            "or a column of labels.csv.",
        ),
    ] = _DEFAULT.group_by,
    workers: Annotated[
        int, typer.Option(help="Folds trained at the same time; 0 means one a core.")
    ] = _DEFAULT.workers,
    seed: Annotated[
        int, typer.Option(help="The same seed and workers give the same numbers.")
    ] = _DEFAULT.seed,
    batch_size: Annotated[int, typer.Option(help="Slices a step.")] = _DEFAULT.batch_size,
    weights: Annotated[
        str | None,
        typer.Option(metavar="imagenet|FILE", help="Weights to start from; random if not given."),
    ] = _DEFAULT.weights,
    bone_crop: Annotated[
        bool,
        typer.Option(
            "--bone-crop/--no-bone-crop", help="Crop to the bone before shrinking to --size."
        ),
    ] = _DEFAULT.preprocessing.bone_crop,
    early_stopping: Annotated[
        bool,
        typer.Option(
            "--early-stopping",
            help="Stop a fold when patients held out of its own training no longer improve.",
        ),
    ] = _DEFAULT.early_stopping,
    augmentation: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help=f"Random changes of the training slices: {', '.join(PRESETS)}, a saved set's "
            "name, or a YAML file.",
        ),
    ] = "standard",
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="Kept in the model's card and shown with it.")
    ] = "",
    as_json: output.Json = False,
) -> None:
    """Train a classifier on FOLDER by cross-validation with whole patients, and save it.

    Nothing is chosen on the slices that are scored: each fold trains a fixed number of epochs
    and answers on the patients that it never saw.
    """
    try:
        settings = TrainingSettings(
            network=network,
            weights=weights,
            folds=folds,
            epochs=epochs,
            batch_size=batch_size,
            workers=workers,
            seed=seed,
            group_by=group_by,
            early_stopping=early_stopping,
            preprocessing=Preprocessing(size=size, bone_crop=bone_crop),
            augmentation=augmentation_sets.resolve(augmentation),
        )
    except TrainingError as error:
        raise typer.BadParameter(str(error)) from error
    from spinefrac.training.cross_validation import train as cross_validate

    start = time.perf_counter()
    total = settings.folds * settings.epochs
    done = 0
    with output.stdout_kept_clean(), output.progress("training") as report:

        def on_epoch(record: EpochRecord) -> None:
            nonlocal done
            done += 1
            report(done, total)
            output.note(_epoch_line(record, settings))

        saved = cross_validate(
            folder, name, settings, note=note, on_epoch=on_epoch, log=output.note
        )
    result = _result(saved, time.perf_counter() - start)
    if as_json:
        output.emit_json(result)
    else:
        output.emit(_report(saved, result))


def _epoch_line(record: EpochRecord, settings: TrainingSettings) -> str:
    return (
        f"fold {record.fold + 1}/{settings.folds} epoch {record.epoch}/{settings.epochs}: "
        f"loss {record.loss:.4f}, held out {record.val_loss:.4f}, AUC {record.val_auc:.3f}, "
        f"{record.seconds:.1f} s"
    )


def _result(saved: SavedModel, seconds: float) -> dict[str, Any]:
    """Return what scripts rely on."""
    card = saved.card
    return {
        "model": saved.id,
        "run": f"{saved.id}@{card.created}",
        "seconds": round(seconds, 1),
        "folds": [
            {
                "fold": fold.fold,
                "epochs": fold.epochs,
                "auc": fold.auc,
                "seconds": round(fold.seconds, 1),
            }
            for fold in card.folds
        ],
        "oof": saved.metrics.to_dict(),
    }


def _report(saved: SavedModel, result: dict[str, Any]) -> str:
    """Return the result for people."""
    return "\n".join(
        [
            f"saved {saved.id} after {result['seconds']:.0f} s",
            f"groups: {saved.card.data.group_rule}",
            "",
            f"out-of-fold, {len(result['folds'])} folds:",
            numbers.metrics_table(result["oof"]),
            CHOSEN_HERE,
        ]
    )
