"""A run while it trains and after: one row a fold, the workers, the log, as HTML.

Everything is drawn from one `RunProgress`, so that every browser shows the same; one element holds
it all, so that a refresh sends little.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from spinefrac import wording
from spinefrac.training.runs.records import FoldProgress, Run, RunProgress, WorkerState
from spinefrac.ui.common.templates import render_html
from spinefrac.viz.colours import CLASS_COLOURS

#: State of a run, for people; the tone of its dot.
RUN_STATE_LABELS = {
    "queued": ("queued", "open"),
    "running": ("running", "run"),
    "done": ("done", "ok"),
    "failed": ("failed", "bad"),
    "cancelled": ("cancelled", "open"),
    "interrupted": ("interrupted: continues when the runner starts again", "bad"),
    "cancelling": ("cancelling", "open"),
}
STAGE_LABELS = {
    "preparing": "preparing: reading and preprocessing slices",
    "training": "training",
    "saving": "saving: computing metrics and saving the model",
}
FOLD_STATE_LABELS = {
    "waiting": "waiting",
    "training": "training",
    "lost": "worker lost; resumed from checkpoint",
    "done": "done",
}
#: Width and height of a sparkline, in its own units.
_SPARKLINE_WIDTH, _SPARKLINE_HEIGHT = 120, 28


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Training and validation loss of a fold: a ``data:`` address, and its text."""

    source: str
    label: str


@dataclass(frozen=True, slots=True)
class FoldRow:
    """One fold as the page shows it.

    Attributes
    ----------
    name : str
    share : float
        Done, 0…1.
    tone : str
        Of its progress bar.
    epoch, auc, state : str
    sparkline : Sparkline or None
        None before the first epoch.
    """

    name: str
    share: float
    tone: str
    epoch: str
    auc: str
    state: str
    sparkline: Sparkline | None


def get_display_state(run: Run) -> str:
    """Return the most specific key of `RUN_STATE_LABELS`."""
    return "cancelling" if run.cancelling else "interrupted" if run.interrupted else run.state


def render_run(progress: RunProgress) -> Markup:
    """Return everything that is known of a run as one piece of HTML."""
    run = progress.run
    state, tone = describe_state(progress)
    return render_html(
        "train/run.html",
        run=run,
        state=state,
        tone=tone,
        timing=_format_timing(progress),
        share=progress.share,
        folds=make_fold_rows(progress.folds),
        workers=[_describe_worker(worker) for worker in progress.workers if run.is_open],
        without_runner=run.is_open and progress.runner is None and not run.cancelling,
        log=[f"{_format_time(when)}  {line}" for when, line in progress.log],
    )


def describe_state(progress: RunProgress) -> tuple[str, str]:
    """Return a run's state for people, and the tone of its dot."""
    run = progress.run
    key = get_display_state(run)
    text, tone = RUN_STATE_LABELS[key]
    if key == "running":
        text = STAGE_LABELS.get(run.stage, text)
    elif key == "queued" and progress.position:
        ahead = progress.position - 1
        text = f"queued, {wording.format_count(ahead, 'run')} ahead" if ahead else "queued, next"
    return text, tone


def _format_timing(progress: RunProgress) -> str:
    """Return how far a run is and how long it will take, or took."""
    run = progress.run
    if run.seconds is not None and not run.is_open:
        auc = f"AUC {format_result(run)} · " if run.result else ""
        return f"{auc}duration {wording.format_duration(run.seconds)}"
    parts = [wording.format_percent(progress.share)] if progress.share else []
    if run.started is not None and run.state == "running":
        parts.append(f"elapsed {wording.format_duration(max(0.0, time.time() - run.started))}")
    if progress.seconds_left is not None:
        parts.append(f"about {wording.format_duration(progress.seconds_left)} left")
    elif run.state == "running" and run.stage == "training" and not progress.share:
        parts.append("estimating time left")
    return " · ".join(parts)


def format_result(run: Run) -> str:
    """Return a finished run's out-of-fold AUC with its 95 % confidence interval."""
    out_of_fold = (run.result or {}).get("oof")
    if not out_of_fold:
        return "–"
    interval = out_of_fold["ci"].get("auc")
    return wording.format_estimate(out_of_fold["auc"], interval, 2)


def make_fold_rows(folds: Sequence[FoldProgress]) -> list[FoldRow]:
    """Return one row a fold, all sparklines on one scale."""
    losses = [
        value
        for fold in folds
        for record in fold.history
        for value in (record.loss, record.val_loss)
        if math.isfinite(value)
    ]
    max_loss = max(losses, default=1.0) or 1.0
    return [
        FoldRow(
            name=f"Fold {fold.fold + 1}",
            share=min(1.0, max(0.0, fold.share if fold.practised is None else fold.practised)),
            tone=_choose_tone(fold),
            epoch=f"epoch {fold.epoch}/{fold.epochs}" if fold.practised is None else "practice",
            auc="–" if fold.auc is None or not math.isfinite(fold.auc) else f"{fold.auc:.2f}",
            state=_describe_fold(fold),
            sparkline=draw_sparkline(fold, max_loss),
        )
        for fold in folds
    ]


def _choose_tone(fold: FoldProgress) -> str:
    """Return the tone of a fold's bar: one that moves before there is anything to count."""
    if fold.state == "done":
        return "ok"
    if fold.practised is not None:
        return "open"
    return "busy" if fold.state == "training" and not fold.share else "run"


def _describe_fold(fold: FoldProgress) -> str:
    if fold.state == "training":
        # Before the first batch it loads its slices and builds its network.
        text = FOLD_STATE_LABELS["training"] if fold.share else "building the network"
        if fold.practised is not None:
            text = "practising on drawn lines"
        speed = fold.images_per_second
        return f"{text}, {speed:.0f} slices/s" if speed else text
    return FOLD_STATE_LABELS.get(fold.state, fold.state)


def draw_sparkline(fold: FoldProgress, max_loss: float) -> Sparkline | None:
    """Return training and validation loss of every epoch; None before the first.

    Parameters
    ----------
    fold : FoldProgress
    max_loss : float
        The loss at the upper edge; 0 is at the lower one.
    """
    if not fold.history:
        return None
    series = (
        ([record.loss for record in fold.history], CLASS_COLOURS[0], ""),
        ([record.val_loss for record in fold.history], CLASS_COLOURS[1], "3 2"),
    )
    svg = render_html(
        "train/sparkline.svg",
        width=_SPARKLINE_WIDTH,
        height=_SPARKLINE_HEIGHT,
        lines=[
            (_compute_points(values, fold.epochs, max_loss), colour, dashes)
            for values, colour, dashes in series
        ],
    )
    # As an image: `st.html` removes drawings that stand in the page itself.
    source = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    last = fold.history[-1]
    return Sparkline(source, f"training loss {last.loss:.3f}, validation loss {last.val_loss:.3f}")


def _compute_points(values: Sequence[float], epochs: int, max_loss: float) -> str:
    """Return the points of a line; a single one becomes a short dash."""
    step = (_SPARKLINE_WIDTH - 4) / max(epochs - 1, 1)
    points = [
        (
            2 + index * step,
            _SPARKLINE_HEIGHT - 2 - (_SPARKLINE_HEIGHT - 4) * min(value / max_loss, 1.0),
        )
        for index, value in enumerate(values)
        if math.isfinite(value)
    ]
    if len(points) == 1:
        points.append((points[0][0] + 3, points[0][1]))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _describe_worker(worker: WorkerState) -> str:
    fold = "" if worker.fold is None else f" fold {worker.fold + 1}"
    return f"{worker.name} on {worker.host} ({worker.state}{fold})"


def _format_time(timestamp: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(timestamp))
