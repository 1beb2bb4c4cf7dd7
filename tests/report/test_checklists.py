"""CLAIM and TRIPOD+AI: every item once, filled in or left to the authors."""

import re

from spinefrac.report import checklists
from spinefrac.store.repository import SavedModel


def test_checklists_have_their_items_once_and_in_order() -> None:
    assert [number for number, _, _ in checklists.CLAIM_ITEMS] == [str(n) for n in range(1, 45)]
    numbers = [number for number, _, _ in checklists.TRIPOD_ITEMS]
    assert list(dict.fromkeys(int(re.match(r"\d+", n)[0]) for n in numbers)) == list(range(1, 28))
    assert len(numbers) == len(set(numbers)) == 52


def test_every_answer_is_known_or_left_to_the_authors(model: SavedModel) -> None:
    known = checklists.collect_facts(model, [])
    for items in (checklists.CLAIM_ITEMS, checklists.TRIPOD_ITEMS):
        filled = checklists.fill_checklist(items, known)
        assert len(filled) == len(items) and all(answer for _, _, answer in filled)
        by_authors = sum(answer == checklists.AUTHOR_PLACEHOLDER for _, _, answer in filled)
        assert 0 < by_authors < len(items)
    assert set(known) == {
        key for _, _, key in (*checklists.CLAIM_ITEMS, *checklists.TRIPOD_ITEMS) if key
    }
