"""A run while it goes and after: one row a fold, who works, what was said, as HTML.

Everything is drawn from one `Progress`, so that every browser shows the same; one element holds
it all, so that a refresh sends little.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Sequence
from html import escape

from spinefrac import wording
from spinefrac.training.runs.records import FoldProgress, Run, RunProgress, WorkerState
from spinefrac.viz.heatmap import CLASS_COLOURS

#: What a run is doing, for people; the colour of its dot.
RUN_STATE_LABELS = {
    "queued": ("waits in the queue", "open"),
    "running": ("running", "run"),
    "done": ("done", "ok"),
    "failed": ("failed", "bad"),
    "cancelled": ("cancelled", "open"),
    "interrupted": ("interrupted: continues when training is started again", "bad"),
    "cancelling": ("stops", "open"),
}
STAGE_LABELS = {
    "preparing": "reads and prepares the slices",
    "training": "trains",
    "saving": "measures the result and saves the model",
}
FOLD_STATE_LABELS = {
    "waiting": "waits",
    "training": "trains",
    "lost": "its process died; taken up again",
    "done": "done",
}
#: Width and height of a sparkline's drawing, in its own units.
_SPARKLINE_WIDTH, _SPARKLINE_HEIGHT = 120, 28


def get_display_state(run: Run) -> str:
    """Return the key of `RUN_STATE_LABELS` that says most."""
    return "cancelling" if run.cancelling else "interrupted" if run.interrupted else run.state


def render_run(progress: RunProgress) -> str:
    """Return everything that is known of a run as one piece of HTML."""
    run = progress.run
    parts = [_render_header(progress)]
    if run.error:
        text = escape(wording.to_sentence(run.error))
        parts.append(f'<p class="sf-run-error" role="alert">{text}</p>')
    if progress.folds:
        parts.append(_render_folds(progress.folds))
    parts.append(_render_details(progress))
    return f'<section class="sf-run" aria-label="Run {escape(run.name)}">{"".join(parts)}</section>'


def _render_header(progress: RunProgress) -> str:
    """Return name, state and overall bar."""
    run = progress.run
    key = get_display_state(run)
    words, tone = RUN_STATE_LABELS[key]
    if key == "running":
        words = STAGE_LABELS.get(run.stage, words)
    elif key == "queued" and progress.position:
        ahead = progress.position - 1
        others = "is next" if not ahead else f"waits for {ahead} other{'s' if ahead > 1 else ''}"
        words = f"in the queue, {others}"
    return (
        f'<div class="head"><strong>{escape(run.name)}</strong>'
        f'<span class="sf-state {tone}"><i class="dot"></i>{escape(words)}</span>'
        f'<span class="time">{escape(_format_timing(progress))}</span></div>'
        + render_progress_bar(progress.share, f"{run.name}, all folds", tone)
    )


def _format_timing(progress: RunProgress) -> str:
    """Return how far the run is and how long it will take, or took."""
    run = progress.run
    if run.seconds is not None and not run.is_open:
        score = f"AUC {format_result(run)} · " if run.result else ""
        return f"{score}took {format_duration(run.seconds)}"
    parts = [wording.format_percent(progress.share)] if progress.share else []
    if run.started is not None and run.state == "running":
        parts.append(f"{format_duration(max(0.0, time.time() - run.started))} so far")
    if progress.seconds_left is not None:
        parts.append(f"about {format_duration(progress.seconds_left)} left")
    elif run.state == "running" and run.stage == "training" and not progress.share:
        parts.append("time left is known after the first batches")
    return " · ".join(parts)


def format_result(run: Run) -> str:
    """Return a finished run's out-of-fold AUC with its 95 % interval."""
    oof = (run.result or {}).get("oof")
    if not oof:
        return "–"
    interval = oof["ci"].get("auc")
    return f"{wording.format_number(oof['auc'], 2)} ({wording.format_interval(interval, 2)})"


def render_progress_bar(share: float, label: str, tone: str = "run") -> str:
    """Return a bar from 0 to 1, read aloud as its percentage."""
    percent = 100 * min(1.0, max(0.0, share))
    return (
        f'<div class="sf-bar {tone}" role="progressbar" aria-label="{escape(label)}" '
        f'aria-valuenow="{percent:.0f}"><i style="width:{percent:.1f}%"></i></div>'
    )


def _render_folds(folds: Sequence[FoldProgress]) -> str:
    """Return one row a fold, all sparklines on one scale."""
    losses = [
        value
        for fold in folds
        for record in fold.history
        for value in (record.loss, record.val_loss)
        if math.isfinite(value)
    ]
    top = max(losses, default=1.0) or 1.0
    rows = "".join(_render_fold(fold, top) for fold in folds)
    return (
        f'<div class="folds">{rows}</div><p class="sf-note"><span class="legend-line"></span>loss on '
        'the slices that train, <span class="legend-line validation"></span>on those held out; one scale for all '
        "folds. The AUC of a single fold is of few patients and jumps from epoch to epoch: the "
        "result, with its interval, is measured on all folds at the end.</p>"
    )


def _render_fold(fold: FoldProgress, max_loss: float) -> str:
    words = FOLD_STATE_LABELS.get(fold.state, fold.state)
    if fold.state == "training" and not fold.share:
        words = "gets ready"  # loads, and practises on drawn lines
    if fold.state == "training" and fold.images_per_second:
        words += f", {fold.images_per_second:.0f} slices/s"
    auc = fold.auc
    told = "–" if auc is None or not math.isfinite(auc) else f"{auc:.2f}"
    return (
        f'<div class="fold"><span class="name">Fold {fold.fold + 1}</span>'
        + render_progress_bar(
            fold.share, f"Fold {fold.fold + 1}", "ok" if fold.state == "done" else "run"
        )
        + f'<span class="epoch">epoch {fold.epoch}/{fold.epochs}</span>'
        f'<span class="auc">AUC {told}</span>{render_sparkline(fold, max_loss)}'
        f'<span class="state">{escape(words)}</span></div>'
    )


def render_sparkline(fold: FoldProgress, max_loss: float) -> str:
    """Return loss and val_loss of every epoch as one small drawing.

    Parameters
    ----------
    fold : FoldProgress
    max_loss : float
        The loss at the upper edge; 0 is at the lower one.
    """
    last = fold.history[-1] if fold.history else None
    if last is None:
        return '<span class="sparkline"></span>'
    lines = "".join(
        f'<polyline points="{_compute_points(values, fold.epochs, max_loss)}" stroke="{colour}" {dash}/>'
        for values, colour, dash in (
            ([record.loss for record in fold.history], CLASS_COLOURS[0], ""),
            (
                [record.val_loss for record in fold.history],
                CLASS_COLOURS[1],
                'stroke-dasharray="3 2"',
            ),
        )
    )
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_SPARKLINE_WIDTH}" height="{_SPARKLINE_HEIGHT}" '
        f'viewBox="0 0 {_SPARKLINE_WIDTH} {_SPARKLINE_HEIGHT}" '
        'preserveAspectRatio="none"><g fill="none" stroke-width="1.75" stroke-linejoin="round">'
        f"{lines}</g></svg>"
    )
    # Inside a picture: drawings that stand in the page itself are taken out of it.
    source = "data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode()
    label = f"loss {last.loss:.3f}, held out {last.val_loss:.3f}"
    return f'<img class="sparkline" src="{source}" alt="{label}" title="{label}">'


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


def _render_details(progress: RunProgress) -> str:
    """Return workers and the last lines of the log."""
    run = progress.run
    workers = ", ".join(_describe_worker(worker) for worker in progress.workers if run.is_open)
    parts = [f'<p class="sf-note">Workers: {workers}.</p>'] if workers else []
    if run.is_open and progress.runner is None and not run.cancelling:
        parts.append(
            '<p class="sf-note">No process executes runs at the moment; it starts with the next '
            "run that is submitted or resumed.</p>"
        )
    if progress.log:
        lines = "\n".join(f"{_format_time(when)}  {escape(line)}" for when, line in progress.log)
        parts.append(
            f'<div class="log"><pre aria-label="Last lines of the log">{lines}</pre></div>'
        )
    return "".join(parts)


def _describe_worker(worker: WorkerState) -> str:
    what = "" if worker.fold is None else f" fold {worker.fold + 1}"
    return f"{escape(worker.name)} on {escape(worker.host)} ({escape(worker.state)}{what})"


def _format_time(timestamp: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(timestamp))


def format_duration(seconds: float) -> str:
    """Return a time as people say it: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
