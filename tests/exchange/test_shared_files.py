"""What leaves of a model that an earlier version saved with names, and of one that has none."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from spinefrac import redaction
from spinefrac.exchange.shared_files import prepare_files
from spinefrac.redaction import Output
from spinefrac.store import card as cards
from spinefrac.store import manage, repository
from spinefrac.store.card import FileRecord

SHIPPED = Path(__file__).parents[2] / "models" / repository.DEMO_MODEL_ID
SURNAME = "Szczęsny"


@pytest.fixture
def old_model(tmp_path, monkeypatch):
    """The same model as an earlier version saved it: names in its table and in its notes."""
    folder = tmp_path / "home" / "models" / "old"
    folder.mkdir(parents=True)
    monkeypatch.setenv("SPINEFRAC_HOME", str(tmp_path / "home"))
    for path in SHIPPED.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    rows = list(csv.DictReader((folder / "oof.csv").open(newline="")))
    with (folder / "oof.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], "series"], lineterminator="\n")
        writer.writeheader()
        for number, row in enumerate(rows):
            named = {"path": f"fracture/{SURNAME}_{number}.png", "group": SURNAME}
            writer.writerow({**row, **named, "series": f"{SURNAME}_a"})
    data = json.loads((folder / "card.json").read_bytes())
    del data["sha256"], data["former_sha256"]
    data["files"]["oof.csv"] = dict(
        zip(("sha256", "size"), repository.hash_file(folder / "oof.csv"), strict=True)
    )
    data["data"]["notes"] = [f"Left out {SURNAME}_CT: not a class folder."]
    data["settings"]["group_by"] = f"csv:{SURNAME}"
    data["schema_version"] = 2
    (folder / "card.json").write_bytes(cards.add_checksum(data))
    return repository.load("old")


def read_all(shared):
    return b"".join(path.read_bytes() for path in shared.paths.values())


def test_a_model_without_names_leaves_as_it_is(small_model, tmp_path):
    shared = prepare_files(small_model, tmp_path, Output.PUSH)
    assert shared.model == small_model and list(tmp_path.iterdir()) == []
    assert shared.size == small_model.size + (small_model.path / "card.json").stat().st_size


def test_names_of_an_earlier_version_do_not_leave(old_model, tmp_path):
    assert SURNAME.encode() in (old_model.path / "card.json").read_bytes()
    shared = prepare_files(old_model, tmp_path, Output.EXPORT)
    assert SURNAME.encode() not in read_all(shared)
    card = cards.parse(shared.paths["card.json"].read_bytes())
    assert card == shared.model.card and redaction.CLEANED_NOTE in card.data.notes
    assert card.former_sha256 == (old_model.card_hash,)
    table = shared.paths["oof.csv"]
    assert card.files["oof.csv"] == FileRecord(*repository.hash_file(table))


def test_what_is_kept_on_request_is_said_on_the_card(old_model, tmp_path):
    shared = prepare_files(old_model, tmp_path, Output.EXPORT, keep_names=True)
    assert SURNAME.encode() in shared.paths["oof.csv"].read_bytes()
    assert SURNAME.encode() not in shared.paths["card.json"].read_bytes()
    assert redaction.NAMES_KEPT_NOTE in shared.model.data.notes


def test_a_model_keeps_names_beside_the_runs_and_takes_them_along_on_request(old_model, tmp_path):
    from spinefrac.store import saving

    saving.write_out_of_fold(old_model.path / "oof.csv", old_model.load_out_of_fold())
    record = FileRecord(*repository.hash_file(old_model.path / "oof.csv"))
    changed = replace(old_model.card, files={**old_model.card.files, "oof.csv": record})
    (old_model.path / "card.json").write_bytes(cards.dump(changed))
    model = repository.load("old")
    assert SURNAME in model.load_out_of_fold().paths[0]
    assert SURNAME.encode() not in read_all(prepare_files(model, tmp_path, Output.PUSH))
    kept = prepare_files(model, tmp_path, Output.PUSH, keep_names=True)
    assert SURNAME.encode() in read_all(kept)


def test_a_card_is_cleaned_on_the_next_write_and_found_by_its_former_hash(old_model):
    model = manage.annotate("old", note="mine")
    written = (model.path / "card.json").read_bytes()
    assert SURNAME.encode() not in written and redaction.CLEANED_NOTE.encode() in written
    assert model.card_hash != old_model.card_hash
    assert model.card_hashes == {model.card_hash, old_model.card_hash}
    again = manage.rename("old", "older")
    assert (again.path / "card.json").read_bytes() == written, "there is nothing left to clean"
    copy = manage.duplicate("older", "copy")
    assert copy.card_hash == again.card_hash
