"""`spinefrac runs`: list, show, follow, cancel, resume and adopt training runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from spinefrac import wording
from spinefrac.cli import output, progress_view, tables
from spinefrac.training import runs
from spinefrac.training.runs import Run, RunProgress
from spinefrac.training.runs.json_records import describe_progress, describe_run

app = typer.Typer(help="List, show, follow, cancel, resume and adopt training runs.")

_RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="Id of a run, or its model's name.", show_default=False
    ),
]  # fmt: skip


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(help="Largest number of runs.", min=1)] = 100,
    as_json: output.JsonOption = False,
) -> None:
    """List runs: training and queued ones in their order, then ended ones."""
    runs.ensure_runner()
    found = runs.list_runs(limit)
    if as_json:
        output.print_json([describe_run(run) for run in found])
    elif found:
        head = ("run", "state", "submitted", "took", "AUC (95 % CI)")
        output.print_result(output.format_table([head, *map(_format_row, found)]))
    else:
        output.print_message("no runs yet; start one with `spinefrac train`")


@app.command("show")
def show(run: _RunArgument, as_json: output.JsonOption = False) -> None:
    """Show the state of a run: folds, workers, last log lines, result."""
    runs.ensure_runner()
    progress = runs.get_progress(run)
    if as_json:
        output.print_json({**describe_run(progress.run), **describe_progress(progress)})
    else:
        output.print_result(_format_progress(progress))


@app.command("follow")
def follow(run: _RunArgument, as_json: output.JsonOption = False) -> None:
    """Follow a run until it ends, then print its result as `spinefrac train` does.

    Ctrl-C asks whether to stop following or to cancel the run; without a terminal it only stops
    following.
    """
    progress_view.watch_run(runs.get_run(run), as_json=as_json, on_interrupt="leave")


@app.command("cancel")
def cancel(run: _RunArgument, as_json: output.JsonOption = False) -> None:
    """Cancel a run; its checkpoints stay for `spinefrac runs resume`."""
    stopped = runs.cancel(run)
    if as_json:
        output.print_json(describe_run(stopped))
    else:
        output.print_result(
            f"{stopped.id}: {'cancelling' if stopped.cancelling else stopped.state}"
        )


@app.command("resume")
def resume(
    run: _RunArgument,
    workers: Annotated[
        int | None,
        typer.Option(help="Folds trained at the same time from now on.", min=0, show_default=False),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Queue a cancelled or failed run again; it resumes from its last checkpoint."""
    queued = runs.resume(run, workers=workers)
    if as_json:
        output.print_json(describe_run(queued))
    else:
        output.print_result(
            f"{queued.id}: {queued.state}; follow it with `spinefrac runs follow {queued.id}`"
        )


@app.command("adopt")
def adopt(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Name of the run's folder in HOME/runs.", show_default=False
        ),
    ],
    as_json: output.JsonOption = False,
) -> None:
    """Take a run over from its folder, where the database was lost or deleted.

    A run that had not ended can then be resumed from its last checkpoint.
    """
    adopted = runs.adopt(run)
    if as_json:
        output.print_json(describe_run(adopted))
    elif adopted.is_resumable:
        output.print_result(
            f"{adopted.id}: {adopted.state}; continue it with `spinefrac runs resume {adopted.id}`"
        )
    else:
        output.print_result(f"{adopted.id}: {adopted.state}")


def _format_row(run: Run) -> tuple[str, ...]:
    auc = ""
    if run.result:
        low, high = run.result["oof"]["ci"]["auc"]
        auc = f"{run.result['oof']['auc']:.3f} ({low:.3f} to {high:.3f})"
    took = "" if run.seconds is None else wording.format_duration(run.seconds)
    return (run.id, _format_state(run), _format_time(run.submitted), took, auc)


def _format_state(run: Run) -> str:
    if run.interrupted:
        return "interrupted"
    return "cancelling" if run.cancelling else run.state


def _format_progress(progress: RunProgress) -> str:
    run = progress.run
    settings = run.settings
    n_folds = "automatic" if settings.folds is None else settings.folds
    lines = [
        f"{run.id}: {_format_state(run)}{f', {run.stage}' if run.state == 'running' else ''}",
        f"folder {output.to_one_line(run.folder)}: {run.images} slices, {run.groups} groups",
        f"network {settings.network}, {n_folds} folds of {settings.epochs} epochs, "
        f"{settings.preprocessing.size} pixels, seed {settings.seed}",
        f"submitted {_format_time(run.submitted)}, {run.attempts} attempts",
    ]
    if run.error:
        lines.append(f"error: {output.to_one_line(run.error)}")
    if progress.position:
        lines.append(f"position {progress.position} in the queue")
    head = ("fold", "state", "epoch", "AUC", "images/s", "worker")
    lines += ["", output.format_table([head, *map(_format_fold_row, progress.folds)])]
    if progress.log:
        lines += [
            "",
            *(f"{_format_time(time)}  {output.to_one_line(line)}" for time, line in progress.log),
        ]
    if run.result:
        lines += [
            "",
            tables.format_metrics_table(run.result["oof"], run.result.get("unit", "slices")),
        ]
    return "\n".join(lines)


def _format_fold_row(fold: runs.FoldProgress) -> tuple[str, ...]:
    auc = "" if fold.auc is None or fold.auc != fold.auc else f"{fold.auc:.3f}"
    rate = f"{fold.images_per_second:.0f}" if fold.images_per_second else ""
    epoch = f"{fold.epoch}/{fold.epochs}"
    return (str(fold.fold + 1), fold.state, epoch, auc, rate, fold.worker)


def _format_time(time: float) -> str:
    return f"{datetime.fromtimestamp(time):%Y-%m-%d %H:%M:%S}"
