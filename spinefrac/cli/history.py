"""`spinefrac history`: earlier predictions of the app on this machine, with their feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinefrac import wording
from spinefrac.cli import output

if TYPE_CHECKING:
    from spinefrac.inference.history import HistoryEntry


def manage_history(
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the whole history to this file, as CSV or JSON by its ending.",
        ),
    ] = None,
    last: Annotated[
        int, typer.Option(min=1, help="Number of predictions to list, newest first.")
    ] = 20,
    clear: Annotated[bool, typer.Option("--clear", help="Delete the whole history.")] = False,
    as_json: output.JsonOption = False,
) -> None:
    """List, export or clear the history of predictions and their feedback.

    SPINEFRAC_HISTORY=off saves none; images are saved only with SPINEFRAC_HISTORY_PICTURES=on.
    """
    if clear and out is not None:
        raise typer.BadParameter(
            "expected --out or --clear, got both: export first, then clear", param_hint="--clear"
        )
    if out is not None and out.suffix.lower() not in (".csv", ".json"):
        raise typer.BadParameter(
            f"expected a file ending in .csv or .json, got {out}", param_hint="--out"
        )
    from spinefrac.inference import history

    if clear:
        count = history.clear()
        if as_json:
            output.print_json({"cleared": count})
        else:
            output.print_result(f"{wording.format_count(count, 'prediction')} deleted")
        return
    entries = history.list_entries(None if out is not None else last)
    if out is not None:
        text = history.to_csv(entries) if out.suffix.lower() == ".csv" else history.to_json(entries)
        out.write_text(text, encoding="utf-8")
        if as_json:
            output.print_json({"file": str(out), "answers": len(entries)})
        else:
            output.print_line(f"{out}: {wording.format_count(len(entries), 'prediction')}")
    elif as_json:
        output.print_json([asdict(entry) for entry in entries])
    else:
        output.print_result(_format_table(entries) if entries else "There are no predictions yet.")


def _format_table(entries: Sequence[HistoryEntry]) -> str:
    rows = [("predicted", "model", "class", "probability", "feedback", "note", "image")]
    rows += [
        (
            entry.last_at[:19],
            entry.model,
            entry.label,
            f"{entry.probability:.3f}",
            entry.verdict or "–",
            output.to_one_line(entry.note)[:40],
            entry.picture[:12],
        )
        for entry in entries
    ]
    return output.format_table(rows)
