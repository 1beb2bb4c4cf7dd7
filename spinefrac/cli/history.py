"""`spinefrac history`: what the app on this machine has answered, and what people said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinefrac.cli import output


def manage_history(
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all of it there, as CSV or JSON by its end."),
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many to list, the newest first.")] = 20,
    clear: Annotated[bool, typer.Option("--clear", help="Forget everything.")] = False,
    as_json: output.JsonOption = False,
) -> None:
    """List, export or clear the answers that were given and what was said of them.

    SPINEFRAC_HISTORY=off keeps none; pictures are kept only with SPINEFRAC_HISTORY_PICTURES=on.
    """
    if clear and out is not None:
        raise typer.BadParameter("export first, then clear; not both at once", param_hint="--clear")
    if out is not None and out.suffix.lower() not in (".csv", ".json"):
        raise typer.BadParameter(
            f"expected a file ending in .csv or .json, got {out}", param_hint="--out"
        )
    from spinefrac.inference import history as kept

    if clear:
        count = kept.clear()
        if as_json:
            output.print_json({"cleared": count})
        else:
            output.print_result(f"{count} answers forgotten")
        return
    found = kept.list_entries(None if out is not None else last)
    if out is not None:
        text = kept.to_csv(found) if out.suffix.lower() == ".csv" else kept.to_json(found)
        out.write_text(text, encoding="utf-8")
        if as_json:
            output.print_json({"file": str(out), "answers": len(found)})
        else:
            output.print_result(f"{out}: {len(found)} answers")
    elif as_json:
        from dataclasses import asdict

        output.print_json([asdict(entry) for entry in found])
    else:
        rows = [("given", "model", "answer", "probability", "said", "note", "picture")]
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
            for entry in found
        ]
        output.print_result(output.format_table(rows) if found else "Nothing was answered yet.")
