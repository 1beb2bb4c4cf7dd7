"""Names of saved models: lower-case letters, digits and hyphens, so that they are safe as
folder names, in addresses and on every file system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from itertools import count

from spinefrac.errors import ModelError

#: Longest id; leaves room for prefixes within the 255 bytes of a file name.
MAX_LENGTH = 80

# Windows reserves these for devices, with any ending and in any case.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])\Z")
_VALID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")


def slugify(name: str) -> str:
    """Make an id of what somebody typed: ``Küche, Lauf 2`` becomes ``kuche-lauf-2``.

    Raises
    ------
    ModelError
        Nothing usable is left.

    Examples
    --------
    >>> slugify("Küche, Lauf 2")
    'kuche-lauf-2'
    """
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", ascii_only.lower())
    return validate("-".join(words)[:MAX_LENGTH].strip("-"))


def is_valid(text: str) -> bool:
    """Whether a text can be a name.

    >>> is_valid("phantom-demo"), is_valid("Phantom Demo")
    (True, False)
    """
    usable = _VALID.match(text) and not _RESERVED.match(text)
    return bool(usable) and len(text) <= MAX_LENGTH


def validate(model_id: str, subject: str = "A model", example: str = "phantom-demo") -> str:
    """Return `model_id` if it is one; `subject` it names, and an `example`, are for the message.

    Raises
    ------
    ModelError
        It is not.
    """
    if not is_valid(model_id):
        raise ModelError(
            f"{subject}'s name is lower-case letters, digits and single hyphens between them, at "
            f"most {MAX_LENGTH} in all, such as {example}; got {model_id[:100]!r}: choose "
            "another name"
        )
    return model_id


def find_free_id(preferred: str, taken: Collection[str]) -> str:
    """Return an id made of `preferred` that is not taken: ``spines``, or ``spines-2`` and so on.

    >>> find_free_id("Spines", taken={"spines"})
    'spines-2'
    """
    try:
        base = slugify(preferred)
    except ModelError:  # nothing usable in it
        base = "model"
    base = base[: MAX_LENGTH - 8].rstrip("-")
    numbered = (base if number == 1 else f"{base}-{number}" for number in count(1))
    return next(name for name in numbered if name not in taken)
