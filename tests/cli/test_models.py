"""`spinefrac models list|show`: what has been saved."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("demo_home")

LIST_KEYS = {
    *("id", "note", "tags", "archived", "card_sha256", "default", "created", "trained_by"),
    *("parent", "network", "origin", "images", "groups", "group_rule", "audit_verdict", "auc"),
    *("auc_ci", "threshold", "size"),
}


def test_a_list_is_filtered_and_sorted(run_models) -> None:
    run_models("duplicate", "phantom-demo", "second")
    run_models("tag", "second", "A")
    listed = run_models("list", "--json")[1]
    assert [entry["id"] for entry in listed] == ["phantom-demo", "second"]
    assert all(set(entry) == LIST_KEYS for entry in listed)
    assert [entry["id"] for entry in run_models("list", "--tag", "a", "--json")[1]] == ["second"]
    run_models("archive", "phantom-demo")
    assert [entry["id"] for entry in run_models("list", "--json")[1]] == ["second"]
    assert len(run_models("list", "--all", "--sort", "auc", "--json")[1]) == 2


def test_one_model_is_shown(run_models) -> None:
    run_models("note", "phantom-demo", "mine")
    shown = run_models("show", "phantom-demo", "--json")[1]
    assert (shown["id"], shown["note"], shown["tags"]) == ("phantom-demo", "mine", [])
    assert run_models("show", "phantom-demo", "--card")[1].startswith("---\n")
