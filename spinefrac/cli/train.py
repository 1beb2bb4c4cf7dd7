"""`spinefrac train`: a labelled folder becomes a saved model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from spinefrac.cli import output, progress_view
from spinefrac.errors import TrainingError
from spinefrac.training import finetuning, runs
from spinefrac.training.augmentation import presets
from spinefrac.training.augmentation.config import PRESETS
from spinefrac.training.settings import NETWORKS, TrainingSettings

_DEFAULT = TrainingSettings()


def train(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="Labelled slices: FOLDER/fracture and FOLDER/normal, or with labels.csv, or as "
            "RSNA 2022.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the saved model: lower-case letters, digits, hyphens."
        ),
    ] = None,
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
        int | None,
        typer.Option(
            help="Folds trained at the same time on this machine; one a core if not given.",
            show_default=False,
        ),
    ] = None,
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
            help="As --like, and go on from its weights, on slices that it has not seen.",
            show_default=False,
        ),
    ] = None,
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="Kept in the model's card and shown with it.")
    ] = "",
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="tls://HOST:PORT",
            help="Train the folds on this Dask cluster instead; docs/cluster.md says how.",
        ),
    ] = None,
    tls_ca: Annotated[
        str, typer.Option(metavar="FILE", envvar="SPINEFRAC_TLS_CA", help="Its authority, PEM.")
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
            help="Go on with a cancelled or failed run, with its own folder and settings; only "
            "--workers may differ.",
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Train a classifier on FOLDER by cross-validation with whole patients, and save it.

    Nothing is chosen on the slices that are scored: each fold trains a fixed number of epochs
    and answers on the patients that it never saw.

    Training is a run of its own: it goes on when this command, the terminal or the app ends.
    Ctrl-C asks whether to stop watching or to cancel the run; where nobody can be asked it
    cancels.
    """
    if resume is not None:
        run = _resume_run(resume, folder, name, workers)
    else:
        if folder is None:
            raise typer.BadParameter("Missing argument 'FOLDER'")
        if name is None:
            raise typer.BadParameter("Missing option '--name'")
        if like is not None and continue_from is not None:
            raise typer.BadParameter("--like and --continue exclude each other: name one model")
        base, parent = _DEFAULT, None
        if like is not None or continue_from is not None:
            how = "weights" if continue_from is not None else "settings"
            base, parent = finetuning.load_initial_settings(str(continue_from or like), how)
        offered: dict[str, Any] = {
            "network": network,
            "weights": weights,
            "folds": folds,
            "epochs": epochs,
            "batch_size": batch_size,
            "workers": workers or 0,
            "seed": seed,
            "group_by": group_by,
            "early_stopping": early_stopping,
        }
        pictures: dict[str, Any] = {"size": size, "bone_crop": bone_crop}
        given = _list_given_options(context)
        try:
            settings = replace(
                base,
                **{name: value for name, value in offered.items() if name in given},
                preprocessing=replace(
                    base.preprocessing,
                    **{name: value for name, value in pictures.items() if name in given},
                ),
            )
            if "augmentation" in given:
                settings = replace(
                    settings, augmentation=presets.load_by_name_or_path(augmentation)
                )
        except TrainingError as error:
            raise typer.BadParameter(str(error)) from error
        with output.show_progress("reading") as report:
            request = runs.RunRequest(
                folder,
                name,
                settings,
                note=note,
                parent=parent,
                cluster=_build_cluster(cluster, tls_ca, tls_cert, tls_key),
            )
            run = runs.submit(request, progress=report)
    output.print_message(f"run {run.id} is {run.state}")
    progress_view.watch_run(run, as_json=as_json, on_interrupt="cancel")


def _list_given_options(context: typer.Context) -> set[str]:
    """Return the options that the command line names, whatever their value."""
    named = set()
    for option in context.params:
        source = context.get_parameter_source(option)
        if source is not None and source.name == "COMMANDLINE":
            named.add(option)
    return named


def _resume_run(run: str, folder: Path | None, name: str | None, workers: int | None) -> runs.Run:
    """Take a run up again, unless the command line speaks of another one."""
    found = runs.get_run(run)
    if name is not None and name != found.name:
        raise typer.BadParameter(f"the run {found.id} makes the model {found.name}, not {name}")
    if folder is not None and folder.expanduser().resolve() != Path(found.folder):
        raise typer.BadParameter(f"the run {found.id} was submitted with another folder")
    return runs.resume(found.id, workers=workers)


def _build_cluster(address: str | None, ca: str, cert: str, key: str) -> runs.Cluster | None:
    """Gather what is said of a cluster; files are found from anywhere later."""
    if address is None:
        return None
    there = runs.Cluster(address)
    if address.startswith("tls://"):
        files = [str(Path(file).expanduser().resolve()) if file else "" for file in (ca, cert, key)]
        there = replace(there, ca=files[0], cert=files[1], key=files[2])
    return there
