"""`spinefrac train`: a labelled folder becomes a saved model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from spinefrac.cli import output, progress_view
from spinefrac.cli.setting_options import is_given, with_setting_options
from spinefrac.errors import TrainingError
from spinefrac.store.card import ParentModel
from spinefrac.training import finetuning, runs
from spinefrac.training.augmentation import presets
from spinefrac.training.augmentation.config import PRESETS
from spinefrac.training.settings import TrainingSettings

#: Settings that have an option, in the order of ``--help``; files and models hold the others.
_SETTINGS = (
    *("folds", "epochs", "network", "size", "group_by", "workers", "seed", "batch_size"),
    *("weights", "thaw", "bone_crop", "early_stopping", "places"),
)


@with_setting_options(_SETTINGS)
def train(
    *,
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="Labelled slices: FOLDER/fracture and FOLDER/normal, or labels.csv (of slices or "
            "of scans, see docs/scans.md), or as RSNA 2022.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the saved model: lower-case letters, digits, hyphens."
        ),
    ] = None,
    settings: dict[str, Any],
    augmentation: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="Random changes to the training slices in every epoch: "
            f"{', '.join(PRESETS)}, the name of a saved preset, or a YAML file.",
        ),
    ] = "standard",
    like: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Take all settings that are not given here from this saved model.",
            show_default=False,
        ),
    ] = None,
    continue_from: Annotated[
        str | None,
        typer.Option(
            "--continue",
            metavar="MODEL",
            help="Fine-tune this saved model on slices that it has not seen; settings as --like.",
            show_default=False,
        ),
    ] = None,
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="Saved in the model card and shown with the model.")
    ] = "",
    threshold_rule: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="How the threshold is chosen on out-of-fold predictions: youden, sensitivity:0.9, "
            "specificity:0.9 or cost:5.",
        ),
    ] = "youden",
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="tls://HOST:PORT",
            help="Train the folds on this Dask cluster instead; see docs/cluster.md.",
        ),
    ] = None,
    tls_ca: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            envvar="SPINEFRAC_TLS_CA",
            help="Certificate of the cluster's authority, PEM.",
        ),
    ] = "",
    tls_cert: Annotated[
        str,
        typer.Option(metavar="FILE", envvar="SPINEFRAC_TLS_CERT", help="Your certificate, PEM."),
    ] = "",
    tls_key: Annotated[
        str, typer.Option(metavar="FILE", envvar="SPINEFRAC_TLS_KEY", help="Your key, PEM.")
    ] = "",
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Resume a cancelled or failed run from its last checkpoint, with its own folder "
            "and settings; only --workers may differ.",
        ),
    ] = None,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help="Save no model: estimate the out-of-fold AUC from features of frozen networks, "
            "in about two minutes.",
        ),
    ] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Train a classifier on FOLDER by cross-validation with whole patients, and save it.

    Nothing is chosen on the slices that are evaluated: each fold trains a fixed number of epochs
    and is evaluated on patients that it never saw.

    Training continues in a process of its own when this command, the terminal or the app ends.
    Ctrl-C asks whether to stop watching or to cancel the run; without a terminal it cancels.
    """
    if estimate:
        _estimate(folder, settings, as_json)
        return
    if resume is not None:
        run = _resume_run(resume, folder, name, settings.get("workers"))
    else:
        folder, name = _require_folder_and_name(folder, name)
        base, parent = _load_base(like, continue_from)
        if is_given(context, "augmentation"):
            settings["augmentation"] = augmentation
        request = runs.RunRequest(
            folder,
            name,
            _change_settings(base, settings),
            note=note,
            threshold_rule=threshold_rule,
            parent=parent,
            cluster=_build_cluster(cluster, tls_ca, tls_cert, tls_key),
        )
        with output.show_progress("reading") as report:
            run = runs.submit(request, progress=report)
    output.print_message(f"run {run.id} is {run.state}")
    progress_view.watch_run(run, as_json=as_json, on_interrupt="cancel")


def _estimate(folder: Path | None, values: dict[str, Any], as_json: bool) -> None:
    """Print a first estimate of a folder."""
    from spinefrac.training.estimate.compute import estimate_folder

    if folder is None:
        raise typer.BadParameter("Missing argument 'FOLDER'")
    settings = _change_settings(TrainingSettings(), values)
    with output.show_progress("estimating") as report:
        found = estimate_folder(folder, settings, report)
    if as_json:
        output.print_json({**found.to_dict(), "proposed": found.proposed})
        return
    for sentence in found.describe():
        output.print_line(sentence)


def _require_folder_and_name(folder: Path | None, name: str | None) -> tuple[Path, str]:
    """Refuse a command line without what only ``--resume`` can do without."""
    if folder is None:
        raise typer.BadParameter("Missing argument 'FOLDER'")
    if name is None:
        raise typer.BadParameter("Missing option '--name'")
    return folder, name


def _load_base(
    like: str | None, continue_from: str | None
) -> tuple[TrainingSettings, ParentModel | None]:
    """Return the settings that options change, and the saved model that they are from."""
    if like is not None and continue_from is not None:
        raise typer.BadParameter("--like and --continue exclude each other: name one model")
    if continue_from is not None:
        return finetuning.load_initial_settings(continue_from, "weights")
    if like is not None:
        return finetuning.load_initial_settings(like, "settings")
    return TrainingSettings(), None


def _change_settings(base: TrainingSettings, values: dict[str, Any]) -> TrainingSettings:
    """Return settings with the values of the command line."""
    try:
        if "augmentation" in values:
            augmentation = presets.load_by_name_or_path(values["augmentation"])
            values = {**values, "augmentation": augmentation}
        return base.with_values(values)
    except TrainingError as error:
        raise typer.BadParameter(str(error)) from error


def _resume_run(run: str, folder: Path | None, name: str | None, workers: int | None) -> runs.Run:
    """Resume a run, unless folder or name belong to another one."""
    found = runs.get_run(run)
    if name is not None and name != found.name:
        raise typer.BadParameter(f"the run {found.id} makes the model {found.name}, not {name}")
    if folder is not None and folder.expanduser().resolve() != Path(found.folder):
        raise typer.BadParameter(f"the run {found.id} was submitted with another folder")
    return runs.resume(found.id, workers=workers)


def _build_cluster(address: str | None, ca: str, cert: str, key: str) -> runs.Cluster | None:
    """Return the cluster of the options; its files by absolute paths, for other processes."""
    if address is None:
        return None
    cluster = runs.Cluster(address)
    if address.startswith("tls://"):
        files = [str(Path(file).expanduser().resolve()) if file else "" for file in (ca, cert, key)]
        cluster = replace(cluster, ca=files[0], cert=files[1], key=files[2])
    return cluster
