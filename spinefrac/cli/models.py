"""`spinefrac models`: what has been saved."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from spinefrac.cli import numbers, output
from spinefrac.errors import ModelError
from spinefrac.evaluation.operating_point import CHOSEN_HERE

app = typer.Typer(help="List saved models and show what they say of themselves.")


@app.command("list")
def list_models(as_json: output.Json = False) -> None:
    """List every saved model, and why one cannot be used."""
    from spinefrac.store import saved

    found = saved.list_models()
    try:
        default = saved.default_id()
    except ModelError as error:
        default = ""
        output.note(str(error))
    entries = [
        {"id": model.id, "error": model.reason}
        if isinstance(model, saved.DamagedModel)
        else _entry(model, model.id == default)
        for model in found
    ]
    if as_json:
        output.emit_json(entries)
    elif entries:
        output.emit(
            output.table([("model", "", "AUC (95 % interval)", "data"), *map(_row, entries)])
        )


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Saved model.", show_default=False)],
    as_json: output.Json = False,
) -> None:
    """Show a saved model's card: data, settings, folds, metrics with intervals, threshold."""
    from spinefrac.store import saved

    card = saved.load(name).card
    if as_json:
        output.emit_json(card.to_dict())
        return
    data, point = card.data, card.operating_point
    output.emit(
        "\n".join(
            [
                f"{name}: {card.note}" if card.note else name,
                f"saved {card.created}; network {card.network}, {card.parameters} weights a fold",
                f"trained on {data.images} slices ({data.fracture} fracture, {data.normal} "
                f"normal) of {data.groups} groups; groups: {data.group_rule}",
                f"threshold {point.threshold:.3f} (rule {point.rule}), "
                f"temperature {card.calibration.temperature:.3f}",
                "",
                f"out-of-fold, {len(card.folds)} folds:",
                numbers.metrics_table(card.metrics.to_dict()),
                CHOSEN_HERE,
            ]
        )
    )


def _entry(model: Any, default: bool) -> dict[str, Any]:
    """Return one model's line as JSON."""
    card, metrics = model.card, model.metrics
    return {
        "id": model.id,
        "default": default,
        "note": card.note,
        "created": card.created,
        "network": card.network,
        "images": card.data.images,
        "groups": card.data.groups,
        "auc": metrics.auc,
        "auc_ci": list(metrics.ci["auc"]) if "auc" in metrics.ci else None,
        "threshold": model.threshold,
    }


def _row(entry: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return one model's line for people."""
    if "error" in entry:
        return entry["id"], "damaged", "-", entry["error"]
    auc = "not defined" if entry["auc"] is None else f"{entry['auc']:.3f}"
    if entry["auc_ci"]:
        auc += " ({:.3f} to {:.3f})".format(*entry["auc_ci"])
    data = f"{entry['images']} slices of {entry['groups']} groups"
    return entry["id"], "default" if entry["default"] else "", auc, data
