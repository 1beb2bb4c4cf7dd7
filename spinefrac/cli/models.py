"""`spinefrac models`: what has been saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinefrac.cli import numbers, output
from spinefrac.errors import ModelError
from spinefrac.evaluation.operating_point import CHOSEN_HERE

if TYPE_CHECKING:
    from spinefrac.store.card import Card

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
    point = card.operating_point
    lines = [
        f"{name}: {card.note}" if card.note else name,
        f"saved {card.created}; network {card.network}, {card.parameters} weights"
        + (" a fold" if card.folds else ""),
        _trained_on(card),
        f"threshold {point.threshold:.3f} (rule {point.rule}), "
        f"temperature {card.calibration.temperature:.3f}",
    ]
    if card.metrics:
        lines += [
            "",
            f"out-of-fold, {len(card.folds)} folds:",
            numbers.metrics_table(card.metrics.to_dict()),
            CHOSEN_HERE,
        ]
    else:
        lines.append(f"no out-of-fold numbers: measure it with `spinefrac evaluate {name} FOLDER`")
    output.emit("\n".join(lines))


def _trained_on(card: Card) -> str:
    """Say in one line what the model learned from, or where it was imported from."""
    if card.data:
        data = card.data
        return (
            f"trained on {data.images} slices ({data.fracture} fracture, {data.normal} normal) "
            f"of {data.groups} groups; groups: {data.group_rule}"
        )
    if card.origin:
        origin = card.origin
        return (
            f"imported from {origin.file} ({origin.format}): takes {card.preprocessing.size} x "
            f"{card.preprocessing.size} x {origin.channels} in {origin.scale}, gives "
            f"{origin.output}; class {origin.positive_class} is fracture"
        )
    return "what it was trained on is not known"


def _entry(model: Any, default: bool) -> dict[str, Any]:
    """Return one model's line as JSON."""
    card, metrics, data = model.card, model.card.metrics, model.card.data
    return {
        "id": model.id,
        "default": default,
        "note": card.note,
        "created": card.created,
        "network": card.network,
        "origin": "imported" if card.origin else "trained",
        "images": data.images if data else None,
        "groups": data.groups if data else None,
        "auc": metrics.auc if metrics else None,
        "auc_ci": list(metrics.ci["auc"]) if metrics and "auc" in metrics.ci else None,
        "threshold": model.threshold,
    }


def _row(entry: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return one model's line for people."""
    if "error" in entry:
        return entry["id"], "damaged", "-", entry["error"]
    if entry["images"] is None:
        return entry["id"], "default" if entry["default"] else "", "not measured", "imported"
    auc = "not defined" if entry["auc"] is None else f"{entry['auc']:.3f}"
    if entry["auc_ci"]:
        auc += " ({:.3f} to {:.3f})".format(*entry["auc_ci"])
    data = f"{entry['images']} slices of {entry['groups']} groups"
    return entry["id"], "default" if entry["default"] else "", auc, data
