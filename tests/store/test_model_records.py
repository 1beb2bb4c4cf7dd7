"""Models as JSON."""

import json
from pathlib import Path

from spinefrac.store import model_records
from spinefrac.store.repository import DamagedModel


def test_a_model_and_its_card(small):
    record = model_records.describe_model(small, small.id)
    assert json.loads(json.dumps(record, allow_nan=False))["default"] is True
    assert record["origin"] == "imported" and record["auc"] is None
    assert model_records.describe_model(small, "another")["default"] is False
    card = model_records.describe_card(small)
    assert card["card_sha256"] == small.card_hash and card["network"] == record["network"]


def test_a_damaged_model():
    damaged = DamagedModel(Path("models/x"), "no card")
    assert model_records.describe_model(damaged, "") == {"id": "x", "error": "no card"}
