"""Saved models as the JSON objects that `spinefrac models` and REST give out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from spinefrac.store.repository import DamagedModel, SavedModel


def describe_annotations(model: SavedModel) -> dict[str, Any]:
    """Return what may differ from the card by now, and what people wrote since."""
    return {
        "id": model.id,
        "note": model.note,
        "tags": list(model.tags),
        "archived": model.archived,
        "card_sha256": model.card_hash,
    }


def describe_model(model: SavedModel | DamagedModel, default_id: str) -> dict[str, Any]:
    """Return one line of a list of models; of a damaged one its id and why.

    Parameters
    ----------
    model : SavedModel or DamagedModel
    default_id : str
        The default model; empty where there is none.
    """
    if isinstance(model, DamagedModel):
        return {"id": model.id, "error": model.reason}
    card, metrics, data = model.card, model.card.metrics, model.card.data
    return {
        **describe_annotations(model),
        "default": model.id == default_id,
        "created": card.created,
        "trained_by": card.trained_by,
        "parent": asdict(card.parent) if card.parent else None,
        "network": card.network,
        "origin": "imported" if card.origin else "trained",
        "images": data.images if data else None,
        "groups": data.groups if data else None,
        "group_rule": data.group_rule if data else None,
        "audit_verdict": card.audit_verdict,
        "auc": metrics.auc if metrics else None,
        "auc_ci": list(metrics.ci["auc"]) if metrics and "auc" in metrics.ci else None,
        "threshold": model.threshold,
        "size": model.size,
    }


def describe_card(model: SavedModel) -> dict[str, Any]:
    """Return the whole card with the annotations."""
    return {**model.card.to_dict(), **describe_annotations(model)}
