"""The slip on a saved model: what people write on it after it was saved.

``slip.json`` lies in the model's folder, outside of what the card vouches for, and is signed by
itself. So a note changes no hash of the model, and a rename of the folder takes everything along.
A model without one has the card's note and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from spinefrac.errors import ModelError
from spinefrac.store import card as cards

SCHEMA_VERSION = 1

#: Longest note, in characters.
MAX_NOTE_LENGTH = 2000

#: Most tags of one model, and the longest of them in characters.
MAX_TAGS, MAX_TAG_LENGTH = 20, 40


@dataclass(frozen=True, slots=True)
class Annotations:
    """What people wrote on a saved model.

    Attributes
    ----------
    note : str or None
        None where the card's own note stands.
    tags : tuple of str
        Sorted, each once whatever its case.
    archived : bool
        Whether lists and choices leave the model out.
    former_names : tuple of str
        Ids it had before, the latest last.
    """

    note: str | None = None
    tags: tuple[str, ...] = ()
    archived: bool = False
    former_names: tuple[str, ...] = ()


def dump(annotations: Annotations) -> bytes:
    """Return the bytes of ``annotations.json``, signed with their own SHA-256."""
    return cards.add_checksum({"schema_version": SCHEMA_VERSION, **asdict(annotations)})


def parse(content: bytes) -> Annotations:
    """Read the bytes of a ``slip.json``.

    Raises
    ------
    ModelError
        Not a slip, or changed since it was written.
    """
    try:
        data = json.loads(content)
        digest, version = data.pop("sha256"), data.pop("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise ModelError(
                f"slip.json has schema version {version}, this spinefrac reads up to "
                f"{SCHEMA_VERSION}: update spinefrac to use the model"
            )
        if cards.checksum_matches(content, digest):
            return _from_dict(data)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # said below: whatever it holds, it is not what was written
    raise ModelError(
        "slip.json does not match its own SHA-256, so it was changed or damaged after it was "
        "written: restore it from a copy, or delete that file, with which only note and tags go"
    )


def clean_note(text: str) -> str:
    """Return a note without control signs and outer blanks; ModelError where it is too long."""
    kept = "".join(sign for sign in text if sign.isprintable() or sign == "\n").strip()
    if len(kept) > MAX_NOTE_LENGTH:
        raise ModelError(
            f"A note has at most {MAX_NOTE_LENGTH:,} characters, got {len(kept):,}: shorten it"
        )
    return kept


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags sorted and without doubles; ModelError where there are too many or too long.

    >>> clean_tags(["paper", " paper ", "CT"])
    ('CT', 'paper')
    """
    kept: dict[str, str] = {}
    for tag in tags:
        tidy = " ".join("".join(s if s.isprintable() else " " for s in tag).split())
        if "," in tidy or len(tidy) > MAX_TAG_LENGTH:
            raise ModelError(
                f"A tag has at most {MAX_TAG_LENGTH} characters and no comma, got {tidy[:60]!r}: "
                "shorten or divide it"
            )
        if tidy:
            kept.setdefault(tidy.casefold(), tidy)
    if len(kept) > MAX_TAGS:
        raise ModelError(f"A model has at most {MAX_TAGS} tags, got {len(kept)}: leave some out")
    return tuple(kept[key] for key in sorted(kept))


def _from_dict(data: dict[str, Any]) -> Annotations:
    return Annotations(
        note=data["note"],
        tags=tuple(data["tags"]),
        archived=data["archived"],
        former_names=tuple(data["former_names"]),
    )
