"""`spinefrac models`: what has been saved."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinefrac.cli import models_transfer, output, tables
from spinefrac.errors import ModelError
from spinefrac.evaluation.baseline_comparison import describe_comparison
from spinefrac.evaluation.calibration import ENSEMBLE_NOTE
from spinefrac.evaluation.operating_point import THRESHOLD_OPTIMISM_NOTE
from spinefrac.evaluation.scans.scan_metrics import describe_scan_metrics

if TYPE_CHECKING:
    from spinefrac.store.card import Card

app = typer.Typer(help="Saved models: list, rename, tag, transfer and delete them.")


app.command("export")(models_transfer.export_model)
app.command("import")(models_transfer.import_model)
app.command("push")(models_transfer.push)
app.command("pull")(models_transfer.pull)
app.command("log")(models_transfer.log_model)


NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Saved model.", show_default=False)
]


class SortKey(StrEnum):
    """What a list of saved models is sorted by."""

    NAME = "name"
    DATE = "date"
    AUC = "auc"
    SIZE = "size"


@app.command("list")
def list_models(
    include_archived: Annotated[bool, typer.Option("--all", help="Archived ones too.")] = False,
    tag: Annotated[
        str | None, typer.Option(metavar="TAG", help="Only with this tag.", show_default=False)
    ] = None,
    sort: Annotated[SortKey, typer.Option(help="Best, newest or largest first.")] = SortKey.NAME,
    as_json: output.JsonOption = False,
) -> None:
    """List saved models, and why one cannot be used."""
    from spinefrac.store import model_records, repository

    found = [
        model
        for model in repository.list_models()
        if isinstance(model, repository.DamagedModel)
        or ((include_archived or not model.archived) and _has_tag(model, tag))
    ]
    if tag is not None:
        found = [model for model in found if isinstance(model, repository.SavedModel)]
    default = find_default_id()
    entries = [model_records.describe_model(model, default) for model in found]
    entries = _sort_entries(entries, sort)
    if as_json:
        output.print_json(entries)
    elif entries:
        head = ("model", "", "AUC (95 % CI)", "data", "saved", "size")
        output.print_result(output.format_table([head, *map(_format_row, entries)]))


@app.command("show")
def show(
    name: NameArgument,
    as_markdown: Annotated[
        bool, typer.Option("--card", help="Print the whole model card as Markdown.")
    ] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Show a saved model's card: data, settings, folds, metrics with intervals, threshold."""
    from spinefrac.store import card_markdown, lineage, model_records, repository

    model = repository.load(name)
    card = model.card
    if as_json:
        output.print_json(model_records.describe_card(model))
        return
    if as_markdown:
        output.print_result(card_markdown.render_markdown(model).rstrip("\n"))
        return
    point = card.operating_point
    lines = [
        f"{name}: {output.to_one_line(model.note)}" if model.note else name,
        *([f"tags: {', '.join(model.tags)}"] if model.tags else []),
        f"saved {card.created}; network {card.network}, {card.parameters} weights"
        + (" a fold" if card.folds else ""),
        _describe_training_data(card),
        *([f"audit of the data: {card.audit_verdict}"] if card.audit_verdict else []),
        *([notice] if (notice := describe_comparison(card.baselines)) else []),
        *(
            [f"lineage: {' <- '.join(step.description for step in line)}"]
            if len(line := lineage.list_ancestors(model)) > 1
            else []
        ),
        f"threshold {point.threshold:.3f} (rule {point.rule}), "
        f"temperature {card.calibration.temperature:.3f}",
    ]
    if card.metrics:
        lines += [
            "",
            f"out-of-fold, {len(card.folds)} folds:",
            tables.format_metrics_table(card.metrics.to_dict(), model.unit),
            *([describe_scan_metrics(card.scan_metrics)] if card.scan_metrics else []),
            THRESHOLD_OPTIMISM_NOTE,
            ENSEMBLE_NOTE,
        ]
    else:
        lines.append(f"no out-of-fold numbers: measure it with `spinefrac evaluate {name} FOLDER`")
    output.print_result("\n".join(lines))


def _has_tag(model: Any, tag: str | None) -> bool:
    return tag is None or tag.casefold() in (word.casefold() for word in model.tags)


def _sort_entries(entries: list[dict[str, Any]], sort_key: SortKey) -> list[dict[str, Any]]:
    """Sort by name, or by what is best, newest or largest; what lacks it comes last."""
    if sort_key is SortKey.NAME:
        return sorted(entries, key=lambda entry: entry["id"])
    key = {SortKey.DATE: "created", SortKey.AUC: "auc", SortKey.SIZE: "size"}[sort_key]
    known = [entry for entry in entries if entry.get(key) is not None]
    unknown = [entry for entry in entries if entry.get(key) is None]
    return sorted(known, key=lambda entry: entry[key], reverse=True) + unknown


def _describe_training_data(card: Card) -> str:
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


def find_default_id() -> str:
    from spinefrac.store import repository

    try:
        return repository.get_default_id()
    except ModelError as error:
        output.print_message(str(error))
        return ""


def _format_row(entry: dict[str, Any]) -> tuple[str, ...]:
    """Return one model's line for people."""
    if "error" in entry:
        return entry["id"], "damaged", "-", entry["error"], "", ""
    marks = [word for word in ("default", "archived") if entry[word]]
    marks += [f"#{tag}" for tag in entry["tags"]]
    if entry["images"] is None:
        auc, data = "not measured", "imported"
    else:
        auc = "not defined" if entry["auc"] is None else f"{entry['auc']:.3f}"
        if entry["auc_ci"]:
            auc += " ({:.3f} to {:.3f})".format(*entry["auc_ci"])
        data = f"{entry['images']} slices of {entry['groups']} groups"
        data += f", audit: {entry['audit_verdict'] or 'none'}"
    size = f"{entry['size'] / 1e6:.1f} MB"
    return entry["id"], " ".join(marks), auc, data, entry["created"][:10], size
