"""The files of a saved model as they leave: what the policy has numbered is numbered.

A model that was saved by this version has nothing to change: its files leave as they are. Where
an earlier version wrote names, or the user asks to keep them, table and card are written anew.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from spinefrac import redaction
from spinefrac.redaction import Output
from spinefrac.store import card as cards
from spinefrac.store import repository, slice_names
from spinefrac.store.card import FileRecord
from spinefrac.store.repository import SavedModel


@dataclass(frozen=True)
class SharedFiles:
    """The files of a model for one output.

    Attributes
    ----------
    model : SavedModel
        With the card that leaves. Its folder is still the model's own.
    paths : dict of str to Path
        Where each file of the card, and the card, is to be read.
    """

    model: SavedModel
    paths: Mapping[str, Path]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self.model.size + self.paths[repository.CARD_FILE].stat().st_size


def prepare_files(
    model: SavedModel, scratch: Path, output: Output, *, keep_names: bool = False
) -> SharedFiles:
    """Return the files of a model as an output may carry them.

    Parameters
    ----------
    model : SavedModel
    scratch : Path
        An empty folder for the files that are written anew; it must outlast the result.
    output : Output
    keep_names : bool
        Whether the user asked for file names, groups and series of the training slices. The card
        then says that they are in it.

    Returns
    -------
    SharedFiles
    """
    paths = {name: model.path / name for name in (*model.card.files, repository.CARD_FILE)}
    content = paths[repository.CARD_FILE].read_bytes()
    card, is_changed = model.card, cards.holds_names(content, model.card)
    if model.has_out_of_fold:
        saved = (model.path / repository.OOF_FILE).read_bytes()
        table = _write_table(model, hashlib.sha256(saved).hexdigest(), output, keep_names)
        if keep_names and card.data:
            card = replace(card, data=card.data.with_note(redaction.NAMES_KEPT_NOTE))
            is_changed = True
        if table != saved:
            paths[repository.OOF_FILE] = scratch / repository.OOF_FILE
            paths[repository.OOF_FILE].write_bytes(table)
            record = FileRecord(hashlib.sha256(table).hexdigest(), len(table))
            card = replace(card, files={**card.files, repository.OOF_FILE: record})
            is_changed = True
    if not is_changed:
        return SharedFiles(model, paths)
    former = tuple(dict.fromkeys((*card.former_sha256, model.card_hash)))
    card = replace(card, former_sha256=former, schema_version=cards.SCHEMA_VERSION)
    content = cards.dump(card)
    paths[repository.CARD_FILE] = scratch / repository.CARD_FILE
    paths[repository.CARD_FILE].write_bytes(content)
    return SharedFiles(
        replace(model, card=card, card_hash=hashlib.sha256(content).hexdigest()), paths
    )


def _write_table(model: SavedModel, digest: str, output: Output, keep_names: bool) -> bytes:
    """Return the out-of-fold table of that SHA-256 with names or numbers, as the policy says."""
    columns = repository.read_columns(model.path / repository.OOF_FILE)
    if keep_names:
        columns = slice_names.restore_names(columns, digest)
    shared = slice_names.number_columns(columns, output, keep_names=keep_names)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(shared)
    writer.writerows(zip(*shared.values(), strict=True))
    return text.getvalue().encode("utf-8", "surrogateescape")
