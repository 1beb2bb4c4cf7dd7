"""Which saved model came from which: parents are found by the hash of their card.

A card is never changed, so its hash finds a parent under any name that it has by now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spinefrac.store.card import ParentModel
from spinefrac.store.repository import DamagedModel, SavedModel, list_models


@dataclass(frozen=True, slots=True)
class LineageEntry:
    """One model of a line of descent.

    Attributes
    ----------
    name : str
        The name it has by now; the one it had, where it is not on the shelf any more.
    exists : bool
        Whether it is on the shelf.
    how : str
        What the model after it took over: ``settings`` or ``weights``; empty for the last one.
    """

    name: str
    exists: bool
    how: str = ""

    @property
    def description(self) -> str:
        """Say it in a few words."""
        gone = "" if self.exists else ", not on the shelf any more"
        return f"{self.how} of {self.name}{gone}" if self.how else f"{self.name}{gone}"


def list_ancestors(
    model: SavedModel, models: Sequence[SavedModel | DamagedModel] | None = None
) -> list[LineageEntry]:
    """Return the model and what it came from, back to the first that is known.

    Parameters
    ----------
    model : SavedModel
    models : sequence, optional
        The shelf, where it was listed already.

    Returns
    -------
    list of Step
        The model itself first.
    """
    by_card = {m.card_hash: m for m in reversed(_select_usable(models))}
    steps, parent = [LineageEntry(model.id, True)], model.card.parent
    seen = {model.card_hash}
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
    """Return the models on the shelf that were trained from this one, by name."""
    return [
        (other, other.card.parent)
        for other in _select_usable(models)
        if other.card.parent is not None and other.card.parent.card_sha256 == model.card_hash
    ]


def _select_usable(models: Sequence[SavedModel | DamagedModel] | None) -> list[SavedModel]:
    return [m for m in (list_models() if models is None else models) if isinstance(m, SavedModel)]
