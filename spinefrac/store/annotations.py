"""Annotations of a saved model: note, tags and more that users write after it was saved.

``slip.json`` is in the model's folder but not among the files that the card lists, and carries its
own checksum. So a new note changes no hash of the model, and a rename of the folder keeps the
annotations. A model without this file has the card's note and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from spinefrac.errors import ModelError
from spinefrac.store import card as cards
from spinefrac.system import reading

#: 2: with an owner.
SCHEMA_VERSION = 2

#: Longest note, in characters.
MAX_NOTE_LENGTH = 2000

#: Most tags of one model, and the longest of them in characters.
MAX_TAGS, MAX_TAG_LENGTH = 20, 40


@dataclass(frozen=True, slots=True)
class Annotations:
    """Note, tags and state of a saved model.

    Attributes
    ----------
    note : str or None
        None where the card's own note is in force.
    tags : tuple of str
        Sorted, each once whatever its case.
    archived : bool
        Whether lists and choices leave the model out.
    former_names : tuple of str
        Ids it had before, the latest last.
    owner : str or None
        Whose model it is; None where the card says it, see `SavedModel.owner`. Empty: nobody's.
    """

    note: str | None = None
    tags: tuple[str, ...] = ()
    archived: bool = False
    former_names: tuple[str, ...] = ()
    owner: str | None = None


def dump_annotations(annotations: Annotations) -> bytes:
    """Return the bytes of ``slip.json``, with their own SHA-256."""
    return cards.add_checksum({"schema_version": SCHEMA_VERSION, **asdict(annotations)})


def parse_annotations(content: bytes) -> Annotations:
    """Read the bytes of a ``slip.json``.

    Raises
    ------
    ModelError
        Not such a file, or changed since it was written.
    """
    try:
        data = reading.parse_json(content)
        digest, version = data.pop("sha256"), data.pop("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise ModelError(
                f"slip.json has schema version {version}, this spinefrac reads up to "
                f"{SCHEMA_VERSION}: update spinefrac to use the model"
            )
        if cards.checksum_matches(content, digest):
            return reading.convert(data, Annotations)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # reported below: the content is not what was written
    raise ModelError(
        "slip.json does not match its own SHA-256, so it was changed or damaged after it was "
        "written: restore it from a copy, or delete that file (only note and tags are lost)"
    )


def clean_note(text: str) -> str:
    """Return a note without control characters and outer blanks; ModelError if it is too long."""
    note = "".join(sign for sign in text if sign.isprintable() or sign == "\n").strip()
    if len(note) > MAX_NOTE_LENGTH:
        raise ModelError(
            f"A note has at most {MAX_NOTE_LENGTH:,} characters, got {len(note):,}: shorten it"
        )
    return note


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags sorted and without duplicates; ModelError where there are too many or too long.

    >>> clean_tags(["paper", " paper ", "CT"])
    ('CT', 'paper')
    """
    unique: dict[str, str] = {}
    for tag in tags:
        tidy = " ".join("".join(s if s.isprintable() else " " for s in tag).split())
        if "," in tidy or len(tidy) > MAX_TAG_LENGTH:
            raise ModelError(
                f"A tag has at most {MAX_TAG_LENGTH} characters and no comma, got {tidy[:60]!r}: "
                "shorten or divide it"
            )
        if tidy:
            unique.setdefault(tidy.casefold(), tidy)
    if len(unique) > MAX_TAGS:
        raise ModelError(f"A model has at most {MAX_TAGS} tags, got {len(unique)}: leave some out")
    return tuple(unique[key] for key in sorted(unique))
