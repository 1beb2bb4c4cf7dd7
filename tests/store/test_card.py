import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spinefrac
from spinefrac.data import groups
from spinefrac.data.folder_layouts import LabelledFile
from spinefrac.errors import ModelError
from spinefrac.evaluation.baseline_comparison import BaselineComparison
from spinefrac.records import Dataset, Item
from spinefrac.store import card as cards
from spinefrac.store.card import Card, DataSummary
from tests.support.cards import make_card


def test_a_card_comes_back_as_it_was():
    compared = (BaselineComparison("properties", 0.5, 0.75, (-0.5, 1.0)),)
    for card in (make_card(), make_card(baselines=compared)):
        assert cards.parse(cards.dump(card)) == card


def test_the_shipped_card_is_written_byte_for_byte_as_it_was():
    content = (Path(spinefrac.__file__).parents[1] / "models/phantom-demo/card.json").read_bytes()
    assert cards.dump(cards.parse(content)) == content


def test_any_flipped_bit_of_the_card_is_noticed():
    card = make_card()
    content = bytearray(cards.dump(card))
    for position in range(len(content)):
        content[position] ^= 1 << position % 8
        with pytest.raises(ModelError, match=r"card\.json"):
            cards.parse(bytes(content))
        content[position] ^= 1 << position % 8
    assert cards.parse(bytes(content)) == card


def test_a_newer_schema_says_what_to_do():
    data = json.loads(cards.dump(make_card()))
    data["schema_version"] = cards.SCHEMA_VERSION + 1
    data["something_new"] = {}
    with pytest.raises(ModelError, match="update spinefrac"):
        cards.parse(json.dumps(data).encode())


@pytest.mark.parametrize("missing", ["metrics", "folds", "files", "calibration", "data", "id"])
def test_an_incomplete_card_is_refused(missing):
    data = make_card().to_dict()
    del data[missing]
    with pytest.raises(ModelError, match="not a complete card"):
        Card.from_dict(data)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
        st.dictionaries(
            st.sampled_from(sorted(make_card().to_dict())),
            st.none() | st.integers() | st.lists(st.integers(), max_size=2),
        ).map(lambda wrong: json.dumps({**make_card().to_dict(), **wrong}).encode()),
    )
)
def test_anything_else_is_a_model_error(content):
    with pytest.raises(ModelError):
        cards.parse(content)


def test_numbers_that_are_not_finite_become_null():
    card = make_card(settings={"a": float("nan"), "b": np.float32(0.5), "c": np.arange(2)})
    assert json.loads(cards.dump(card))["settings"] == {"a": None, "b": 0.5, "c": [0, 1]}


def test_the_layout_is_sorted_and_keeps_rows_on_one_line():
    text = cards.dump(make_card()).decode()
    keys = list(json.loads(text))
    assert keys == sorted(keys)
    assert '      "auc": [0.25, 1.0]\n' in text
    assert "Knochen – Übung" in text


def test_no_file_name_gets_into_a_card_with_the_group_rule():
    """The scan explains its rule by a file, whose name may be a patient's."""
    files = [LabelledFile(f"normal/Erika Muster (P1)_{n:02}.png", 0) for n in range(3)]
    files += [LabelledFile(f"fracture/Max Muster (P2)_{n:02}.png", 1) for n in range(3)]
    found, rule = groups._group_by_name([*files, LabelledFile("normal/a.png", 0)])
    assert "Muster" in rule and len(set(found)) >= 2
    dataset = Dataset(Path("x"), (Item("normal/a.png", 0, "a"),), rule, "f")
    said = DataSummary.from_dataset(dataset).group_rule
    assert "Muster" not in said and rule.startswith(said.partition(";")[0])


def test_the_summary_counts_the_slices_in_hounsfield_units():
    def summarize(*units):
        items = tuple(
            Item(f"{n}.png", n % 2, f"p{n}", calibrated=unit) for n, unit in enumerate(units)
        )
        return DataSummary.from_dataset(Dataset(Path("d"), items, "file name", "f" * 64))

    assert summarize(True, False, True).calibrated == 2
    assert summarize(False, False).calibrated == 0
    assert summarize(True, None).calibrated is None


def test_a_card_says_nothing_of_the_unit_where_it_is_not_known():
    card = make_card()
    assert "calibrated" not in json.loads(cards.dump(card))["data"]
    known = make_card(data=dataclasses.replace(card.data, calibrated=3))
    assert cards.parse(cards.dump(known)) == known
