"""Lineage: which model a model was trained from. Parents are found by the hash of their card.

A card changes only where names are removed from it, and then lists its former hash: so the hash
finds a parent under any name that it was given later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spinefrac.store.card import ParentModel
from spinefrac.store.repository import DamagedModel, SavedModel, list_models


@dataclass(frozen=True, slots=True)
class LineageEntry:
    """One model of a lineage.

    Attributes
    ----------
    name : str
        Its present name; the last known one where it does not exist any more.
    exists : bool
        Whether there is such a saved model.
    how : str
        What its child took over: ``settings`` or ``weights``; empty for the model itself.
    """

    name: str
    exists: bool
    how: str = ""

    @property
    def description(self) -> str:
        """Return the entry in a few words."""
        state = "" if self.exists else ", deleted"
        return f"{self.how} of {self.name}{state}" if self.how else f"{self.name}{state}"


def list_ancestors(
    model: SavedModel, models: Sequence[SavedModel | DamagedModel] | None = None
) -> list[LineageEntry]:
    """Return the model and what it came from, back to the first that is known.

    Parameters
    ----------
    model : SavedModel
    models : sequence, optional
        All saved models, where they were listed already.

    Returns
    -------
    list of LineageEntry
        The model itself first.
    """
    by_card = {h: m for m in reversed(_select_usable(models)) for h in m.card_hashes}
    steps, parent = [LineageEntry(model.id, True)], model.card.parent
    seen = set(model.card_hashes)
    while parent is not None and parent.card_sha256 not in seen:
        seen.add(parent.card_sha256)
        found = by_card.get(parent.card_sha256)
        steps.append(
            LineageEntry(found.id if found else parent.model, found is not None, parent.how)
        )
        parent = found.card.parent if found else None
    return steps


def list_children(
    model: SavedModel, models: Sequence[SavedModel | DamagedModel] | None = None
) -> list[tuple[SavedModel, ParentModel]]:
    """Return the saved models that were trained from this one, sorted by name."""
    return [
        (other, other.card.parent)
        for other in _select_usable(models)
        if other.card.parent is not None and other.card.parent.card_sha256 in model.card_hashes
    ]


def _select_usable(models: Sequence[SavedModel | DamagedModel] | None) -> list[SavedModel]:
    return [m for m in (list_models() if models is None else models) if isinstance(m, SavedModel)]
