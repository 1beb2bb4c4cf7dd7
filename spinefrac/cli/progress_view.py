"""Follow a run in a terminal until it ends or the user interrupts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import typer

from spinefrac import wording
from spinefrac.cli import output, tables
from spinefrac.evaluation.baseline_comparison import describe_comparison
from spinefrac.evaluation.operating_point import THRESHOLD_OPTIMISM_NOTE
from spinefrac.evaluation.scans.scan_metrics import describe_scan_metrics
from spinefrac.training import runs
from spinefrac.training.runs import Event, Run, RunProgress

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Exit status of a command that was interrupted from the keyboard.
INTERRUPTED = 130


def watch_run(run: Run, *, as_json: bool, on_interrupt: Literal["cancel", "leave"]) -> None:
    """Show the progress of a run until it is done, then its result.

    Parameters
    ----------
    run : Run
    as_json : bool
        Print the result as JSON.
    on_interrupt : str
        What an interrupt does to the run where there is no terminal to ask in.

    Raises
    ------
    SpinefracError
        The error of the run.
    """
    try:
        with _open_display(run) as show:
            for event in runs.follow(run.id):
                show(event)
    except KeyboardInterrupt:
        _handle_interrupt(run, on_interrupt)
        raise typer.Exit(INTERRUPTED) from None
    _print_run_result(runs.get_run(run.id), as_json)


def _handle_interrupt(run: Run, on_interrupt: Literal["cancel", "leave"]) -> None:
    """Cancel the run or leave it; in a terminal ask which."""
    action = on_interrupt
    if sys.stdin.isatty() and sys.stderr.isatty():
        action = _prompt_for_action()
    if action == "cancel" and runs.get_run(run.id).is_open:
        runs.cancel(run.id)
        output.print_message(
            f"cancelled; resume it from its last checkpoint with `spinefrac runs resume {run.id}`"
        )
    else:
        output.print_message(
            f"the run continues; follow it again with `spinefrac runs follow {run.id}`"
        )


def _prompt_for_action() -> Literal["cancel", "leave"]:
    print(
        "\nStop following and let the run continue, or cancel it? [s/c] ", end="", file=sys.stderr
    )
    sys.stderr.flush()
    try:
        answer = input().strip().lower()
    except (EOFError, KeyboardInterrupt):
        answer = ""
    return "cancel" if answer.startswith("c") else "leave"


def _print_run_result(run: Run, as_json: bool) -> None:
    from spinefrac.training.runner.cross_validation import load_trained_model

    model = load_trained_model(run)
    of_scans = model.card.scan_metrics
    assert run.result is not None
    if as_json:
        output.print_json(run.result)
        return
    output.print_result(
        "\n".join(
            [
                f"saved {model.id} after {run.result['seconds']:.0f} s",
                f"groups: {model.data.group_rule}",
                "",
                f"out-of-fold, {len(run.result['folds'])} folds:",
                tables.format_metrics_table(run.result["oof"], model.unit),
                *([describe_scan_metrics(of_scans)] if of_scans else []),
                THRESHOLD_OPTIMISM_NOTE,
                *filter(None, [describe_comparison(model.card.baselines)]),
            ]
        )
    )


# --- display while the run trains ---------------------------------------------------------------


@contextmanager
def _open_display(run: Run) -> Iterator[Any]:
    """Yield a function that shows an event: lines, in a terminal with progress bars below."""
    if not sys.stderr.isatty():
        yield lambda event: _print_event(event, run)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def show(event: Event | None) -> None:
            if event is None:
                live.update(_render_bars(runs.get_progress(run.id)), refresh=True)
            elif event.kind != "epoch":  # the bars show those
                text = output.to_one_line(_format_message(event))
                console.print(text, markup=False, highlight=False)

        yield show


def _print_event(event: Event | None, run: Run) -> None:
    if event is None:
        return
    if event.kind == "epoch":
        # Read anew: an automatic number of folds is known only once the slices are read.
        output.print_message(_format_epoch(event, runs.get_run(run.id)))
    elif event.kind in ("log", "fold") or event.message in ("continued", "cancelling"):
        output.print_message(_format_message(event))


def _format_message(event: Event) -> str:
    """Return an event's message in words; the database keeps the state of a run in its own."""
    continued = event.kind == "state" and event.message == "continued"
    return "resumed from checkpoint" if continued else event.message


def _format_epoch(event: Event, run: Run) -> str:
    settings = run.settings
    auc = "-" if event.val_auc is None else f"{event.val_auc:.3f}"
    return (
        f"fold {(event.fold or 0) + 1}/{settings.expected_folds} "
        f"epoch {event.epoch}/{settings.epochs}: "
        f"loss {event.loss or 0:.4f}, held out {event.val_loss or 0:.4f}, AUC {auc}, "
        f"{event.seconds or 0:.1f} s"
    )


def _render_bars(progress: RunProgress) -> RenderableType:
    """Draw one row per fold and one for all."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for fold in progress.folds:
        auc = f"AUC {fold.auc:.3f}" if fold.auc is not None and fold.auc == fold.auc else ""
        rate = f"{fold.images_per_second:.0f} images/s" if fold.images_per_second else ""
        table.add_row(
            f"fold {fold.fold + 1}",
            ProgressBar(total=1.0, completed=fold.share, width=30),
            f"epoch {fold.epoch}/{fold.epochs}",
            auc,
            rate if fold.state == "training" else fold.state,
        )
    table.add_row(
        "all",
        ProgressBar(total=1.0, completed=progress.share, width=30),
        f"{100 * progress.share:.0f} %",
        _format_time_left(progress.seconds_left),
        _format_state(progress),
    )
    return table


def _format_time_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{wording.format_duration(seconds)} left"


def _format_state(progress: RunProgress) -> str:
    run = progress.run
    if run.state == "queued":
        return f"queued, position {progress.position}"
    if run.cancelling:
        return "cancelling"
    if run.interrupted:
        return "interrupted, will be resumed"
    return run.stage or run.state
