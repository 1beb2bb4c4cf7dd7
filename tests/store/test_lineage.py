"""Lineage follows the hash of a card, whatever the models are named now."""

from dataclasses import replace
from pathlib import Path

from spinefrac.store import lineage
from spinefrac.store.card import ParentModel
from spinefrac.store.lineage import LineageEntry
from spinefrac.store.repository import DamagedModel
from tests.support.cards import make_model


def child_of(name, parent, how="weights"):
    return make_model(name, parent=ParentModel(parent, f"hash of {parent}", how))


FIRST = make_model("first")
SECOND = child_of("second", "first", "settings")
THIRD = child_of("third", "second")


def test_ancestors_are_found_back_to_the_first():
    found = lineage.list_ancestors(THIRD, [THIRD, FIRST, SECOND])
    assert found == [
        LineageEntry("third", True),
        LineageEntry("second", True, "weights"),
        LineageEntry("first", True, "settings"),
    ]
    assert [entry.description for entry in found] == [
        "third",
        "weights of second",
        "settings of first",
    ]


def test_a_renamed_parent_has_its_present_name():
    renamed = replace(SECOND, path=Path("models/renamed"))
    names = [entry.name for entry in lineage.list_ancestors(THIRD, [renamed, FIRST])]
    assert names == ["third", "renamed", "first"]


def test_a_deleted_parent_is_the_last_that_is_known():
    damaged = DamagedModel(Path("models/second"), "damaged")
    found = lineage.list_ancestors(THIRD, [THIRD, FIRST, damaged])
    assert found[1:] == [LineageEntry("second", False, "weights")]
    assert found[1].description == "weights of second, deleted"


def test_a_loop_ends():
    """No training makes one, a card from elsewhere may claim it."""
    one, two = child_of("one", "two"), child_of("two", "one")
    assert [entry.name for entry in lineage.list_ancestors(one, [one, two])] == ["one", "two"]


def test_children_are_found_with_what_they_took_over():
    models = [FIRST, SECOND, THIRD, child_of("another", "first")]
    found = lineage.list_children(FIRST, models)
    assert [(model.id, parent.how) for model, parent in found] == [
        ("second", "settings"),
        ("another", "weights"),
    ]
    assert lineage.list_children(THIRD, models) == []
